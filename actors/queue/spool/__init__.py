"""Stores the sends that a host accepts while Redis is away in one SQLite file, until the gateway moves them.

The queue proper is in Redis (`outbound_queue`); the gateway empties the spool into it.
"""
