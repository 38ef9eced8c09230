"""Reports of the root for readers without Ray: processes, metrics, the history of recoveries.

Decisions about restarts are in `supervision`.
"""
