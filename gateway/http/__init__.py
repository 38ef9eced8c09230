"""Implements the HTTP layer below the API: server, endpoints, bodies, API keys, rate limits, OpenAPI document.

No resource of the service is named here; those are `gateway/api`.
"""
