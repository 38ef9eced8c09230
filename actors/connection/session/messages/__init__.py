"""Single messages, as rows of the session file: sent ones, secrets, sealed edits, other ids, placeholders.

Received messages are in `received`.
"""
