"""Resolves identities at WhatsApp: addresses (JIDs), phone numbers and LIDs, device lists, group members.

Their keys and sessions are `signal`.
"""
