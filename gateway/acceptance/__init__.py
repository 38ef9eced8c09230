"""Turns validated send requests into messages in the Redis queue, or in the on-disk spool while Redis is away.

The queue itself is `actors/queue`.
"""
