"""Resolves the devices of people and the kind of address on the wire, and queries groups over the native socket.

Addresses, LIDs and cached members are `actors/connection/protocol/identities`; keys and sessions are `signal`.
"""
