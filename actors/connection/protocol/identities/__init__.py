"""Parses WhatsApp's addresses (JIDs), maps phone numbers to LIDs, and caches the members of groups.

Devices and their keys are the program's.
"""
