"""Reads history syncs from the account's phone, and stores their messages in the session file.

Files are fetched and decrypted here; messages that arrive live are `receive/messages`.
"""
