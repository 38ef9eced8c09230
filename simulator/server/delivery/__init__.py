"""Delivers stanzas to companions: an offline queue for each, and the sockets of online ones.

The stanzas are built by callers in `server` and `contacts`.
"""
