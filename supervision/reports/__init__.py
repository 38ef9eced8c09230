"""Writes reports of the root actor for readers without Ray: processes, metrics, the history of recoveries.

Decisions about restarts are in `supervision`.
"""
