"""Adds API keys and webhooks of connections within their quota, and ends them with their connections.

Keys themselves are in `gateway/http/api_keys.py`, webhooks in `actors/state/webhooks.py`.
"""
