"""Obtains WhatsApp's limits on writing to new people: as announced, by query, and from refusals.

Messages that wait are the owner's matter.
"""
