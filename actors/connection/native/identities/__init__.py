"""Identities at WhatsApp: addresses, phone numbers and LIDs, devices, group members.

Their keys and sessions are `signal`.
"""
