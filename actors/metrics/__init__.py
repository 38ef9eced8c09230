"""Counts events of one process as plain numbers, which the root actor collects and the gateway exports.

Counts outlive their process in one place, the totals of the root (`supervision/reports/metrics_file.py`); the gateway
turns them into the text that Prometheus reads (`gateway/metrics`).
"""
