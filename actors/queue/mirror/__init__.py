"""Mirrors queued messages as documents in SQLite or Firestore; the queue in Redis stays authoritative.

The loop that calls it is `actors/queue/upkeep.py`; the truth is in Redis (`outbound_queue.py`).
Documents of received messages are made in `actors/state/messages`.
"""
