"""Translates codes and states of answers into sentences: errors of messages, losses by a deletion or revocation.

Models of answers, and what builds them from documents, are in `gateway.schemas` itself.
"""
