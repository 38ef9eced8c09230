"""Logging in to the console: the page, its cookie, its limit on wrong keys.

API keys themselves are `gateway/http/api_keys.py`.
"""
