"""The simulator: a WhatsApp server on loopback, for tests and `teimoso simulate`.

It shares no protocol code with `actors/connection/native`, so that a mistake in both is not hidden.
"""
