"""Inbound: from a stanza to rows of the session file, and what is acknowledged after the commit.

Files that messages bring are fetched by `media`.
"""
