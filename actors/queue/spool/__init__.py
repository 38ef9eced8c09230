"""The sends that a host accepts while Redis is away, in one SQLite file.

The queue proper is in Redis (`lanes`); the gateway empties the spool into it.
"""
