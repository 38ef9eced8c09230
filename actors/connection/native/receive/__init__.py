"""Processes incoming stanzas: decrypts, commits rows to the session file, then acknowledges.

Files that messages bring are fetched by `media`.
"""
