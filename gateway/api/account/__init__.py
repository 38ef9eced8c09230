"""Serves API routes for an account's contacts, chats, read marks, stars, forwards, passkeys, calls and refused items.

Messages are in `gateway.api.sends` and `gateway.api.messages`.
"""
