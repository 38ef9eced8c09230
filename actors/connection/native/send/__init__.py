"""Sends messages: encrypts, commits, writes stanzas to the socket, and returns each outcome to the owner.

The queue in front of it is `actors/queue`, its caller `actors/connection/owner/sender.py`.
"""
