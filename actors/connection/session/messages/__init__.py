"""Stores data about single messages in the session file: sent plaintexts, secrets, edits, placeholders.

Received messages are in `received`.
"""
