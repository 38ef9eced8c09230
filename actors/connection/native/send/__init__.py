"""Outbound: from a message to stanzas on the socket, and the outcome of each.

The queue in front of it is `actors/queue`, its caller `actors/connection/owner/sender.py`.
"""
