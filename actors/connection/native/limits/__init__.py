"""Limits of the account on writing to people who never wrote: announced by WhatsApp, queried, observed.

Messages that wait are the owner's matter, the same for both engines.
"""
