"""API keys and webhooks of connections: added within their quota, ended with their connections.

What they are is in `gateway/http/api_keys.py` and `actors/state/webhooks.py`.
"""
