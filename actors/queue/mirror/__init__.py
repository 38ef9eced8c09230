"""The queue's view in the state store: documents of queued messages, and their writes.

The loop that calls it is `actors/queue/upkeep.py`; the truth is in Redis (`lanes.py`).
Documents of received messages are made in `actors/state/messages`.
"""
