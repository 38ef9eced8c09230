"""Stores message files on this host by SHA-256, copies them to the bucket, and removes unneeded ones.

WhatsApp's media servers are `actors/connection/protocol/media`, the API's `gateway/api/media.py`.
"""
