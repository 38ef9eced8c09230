"""Sends peer messages to the account's own phone, and requests lost message contents from the phone.

History syncs, which it sends by itself, are in `receive`.
"""
