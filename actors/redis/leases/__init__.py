"""Leases in Redis: of each connection, with its owner and epoch, and of roles that one process has at a time.

Renewal and the reports of an owner are `actors/connection`, what a lost lease leads to `supervision`.
"""
