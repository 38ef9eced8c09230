"""Converts decrypted messages and receipts to rows of the session file, and commits them before the acks.

Stanzas arrive and are decrypted in the program; files that messages bring are fetched by `media`.
"""
