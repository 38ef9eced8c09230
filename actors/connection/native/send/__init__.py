"""Sends messages: encrypts each for the recipients' devices, commits keys, writes the stanza, returns WhatsApp's ack.

The queue in front of it is `actors/queue`, its caller `actors/connection/owner/sender.py`.
"""
