"""Delivery to companions: the offline queue, and the sockets that stanzas leave through.

The content of a stanza is built by their callers in `server` and `contacts`.
"""
