"""Requests lost message contents from the account's own phone, and stores the messages that the phone resends.

History syncs, which it sends by itself, are in `receive`; the messages to it leave through the program.
"""
