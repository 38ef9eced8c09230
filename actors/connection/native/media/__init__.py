"""Message files on WhatsApp's media servers: encrypted, uploaded, fetched, decrypted, checked.

Files on this host are `actors/media`; the messages that name them are `receive` and `send`.
"""
