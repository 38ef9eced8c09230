"""The shapes of requests, responses and events, as pydantic models, and what fills them.

Nothing here reads a store or Redis.
"""
