"""Simulates a WhatsApp server with phones and contacts on loopback, for tests and `teimoso simulate`.

It shares no protocol code with `actors/connection`, so that a mistake in both is not hidden.
"""
