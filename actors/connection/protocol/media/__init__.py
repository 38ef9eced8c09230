"""Transfers message files to and from WhatsApp's media servers: encrypts, uploads, downloads, decrypts, verifies.

Files on this host are `actors/media`; the messages that name them are `receive` and `send`.
"""
