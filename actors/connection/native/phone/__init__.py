"""The account's own phone: messages that this device alone writes to it, and what it is asked for.

History syncs, which it sends by itself, are in `receive`.
"""
