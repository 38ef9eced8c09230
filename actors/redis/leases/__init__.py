"""Stores leases in Redis: of each connection, with owner and epoch, and of roles that one process has.

Renewal and the reports of an owner are `actors/connection`, what a lost lease leads to `supervision`.
"""
