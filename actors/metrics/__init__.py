"""Counts events of one process as plain numbers, which the root actor collects and the gateway exports.

These counts outlive their process in one place, the totals of the root (`supervision/reports/metrics_file.py`); those of
messages are the queue's, in Redis (`actors/queue/records.py`). The gateway turns both into the text that Prometheus reads
(`gateway/metrics`).
"""
