"""API keys and webhooks of connections: added within their quota, ended with their connections.

Keys themselves are in `gateway/http/api_keys.py`, webhooks in `actors/state/webhooks.py`.
"""
