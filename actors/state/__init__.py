"""The state store: the port to documents, its collections, the actor that writes for connections.

The stores behind the port are `sqlite` and `firestore`; `open_store` chooses between them.
"""
