"""Implements the documents interface of the state store on Google's Firestore.

The port is `actors/state/documents.py`; the conformance suite holds both stores to it.
"""
