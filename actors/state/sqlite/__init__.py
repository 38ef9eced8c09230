"""Implements the documents interface of the state store on one SQLite file, for an instance on one host.

The port is `actors/state/documents.py`; the conformance suite holds both stores to it.
"""
