"""WhatsApp's media servers: encrypted files over HTTPS.

Messages that name a file are `contacts` and `server`.
"""
