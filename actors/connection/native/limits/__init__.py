"""Limits of the account on writing to people who never wrote: told by WhatsApp, asked for, kept to.

What follows for messages that wait is the owner's matter, the same for both engines.
"""
