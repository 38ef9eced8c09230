"""Converts messages to WhatsApp's protobuf, orders sends within a chat, and awaits WhatsApp's acks.

Encryption and sockets are the engines'; the queue in front is `actors/queue`.
"""
