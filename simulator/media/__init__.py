"""Simulates WhatsApp's media servers: stores and serves encrypted files over HTTPS.

Messages that name a file are `contacts` and `server`.
"""
