"""Limits that WhatsApp sets an account, for one message or for a time.

Both engines share it; how WhatsApp tells of it is theirs.
"""
