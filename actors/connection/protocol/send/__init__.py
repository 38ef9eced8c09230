"""Converts messages to WhatsApp's protobuf, and failed sends to errors.

Encryption and sockets are the program's; the queue in front is `actors/queue`.
"""
