"""Stores documents in SQLite or Firestore: the interface, the collections, and the actor that writes for connections.

The stores behind the port are `sqlite` and `firestore`; `open_store` chooses between them.
"""
