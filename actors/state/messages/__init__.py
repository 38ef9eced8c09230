"""Builds, changes and removes the documents of ``whatsapp_messages`` in the state store.

The queue's view of outbound messages is `actors/queue/mirror/mirror_writes.py`.
"""
