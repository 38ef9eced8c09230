"""Decides when fallen actors start again: rules and pauses, restart budgets of connections, the start limiter.

The reconciliation of desired and observed states is `supervision/reconcile.py`.
"""
