"""A WhatsApp server on loopback, for tests and `teimoso simulate`: state, file, faults, listeners.

It shares no protocol code with `actors/connection/native`, so that a mistake in both is not hidden.
"""
