"""Defines pydantic models of requests, responses and events, and functions that fill the models.

Nothing here reads a store or Redis.
"""
