"""Limits of the account on writing to people who never wrote: told by WhatsApp, asked for, kept to.

Messages that wait are the owner's matter, the same for both engines.
"""
