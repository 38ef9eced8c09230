"""Logs people in to the web console: login page, session cookie, limit on wrong API keys.

API keys themselves are `gateway/http/api_keys.py`.
"""
