"""Builds, changes and removes the documents of ``whatsapp_messages`` in SQLite or Firestore.

The queue's view of outbound messages is `actors/queue/mirror/mirror_writes.py`.
"""
