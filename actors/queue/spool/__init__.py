"""Stores the sends that a host accepts while Redis is away in one SQLite file, until the gateway moves them.

The queue proper is in Redis (`lanes`); the gateway empties the spool into it.
"""
