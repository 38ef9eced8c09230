"""The account's own phone: messages to it alone, and messages that it is asked for.

History syncs, which it sends by itself, are in `receive`.
"""
