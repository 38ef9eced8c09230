"""Delivery to companions: the offline queue, and the sockets that stanzas leave through.

What each stanza says is built by their callers in `server` and `contacts`.
"""
