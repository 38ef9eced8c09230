"""Receives stanzas from WhatsApp: decrypts messages, commits rows to the session file, then sends the acks.

Files that messages bring are fetched by `media`.
"""
