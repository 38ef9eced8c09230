"""The outbound queue in Redis: from an accepted message to its outcome, dead letters included.

Sending is `actors/connection/owner/sender.py`; what the state store shows of a job is `mirror/`.
"""
