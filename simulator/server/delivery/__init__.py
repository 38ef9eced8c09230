"""Delivery to companions: the offline queue, and the sockets of online ones.

The stanzas are built by callers in `server` and `contacts`.
"""
