"""Declares and handles the routes of the HTTP API, one module for each resource.

The shapes of requests and responses are `gateway/schemas`.
"""
