"""The files of messages on this host: stored by their hash, copied to the bucket, removed in time.

WhatsApp's media servers are `actors/connection/native/media`, the API's `gateway/api/media.py`.
"""
