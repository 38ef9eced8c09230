"""Implements the outbound message queue in Redis, from acceptance to outcome, dead letters included.

Sending is `actors/connection/owner/sender.py`; what the state store shows of a job is `mirror/`.
"""
