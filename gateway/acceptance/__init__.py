"""From a valid request to a message in the queue: its file, its target, the queue or the spool.

The queue itself is `actors/queue`.
"""
