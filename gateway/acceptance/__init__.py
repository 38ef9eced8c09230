"""Turns validated send requests into messages in the Redis queue.

The queue itself is `actors/queue`.
"""
