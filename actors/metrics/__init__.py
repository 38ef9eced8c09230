"""Counters of one process, as plain numbers.

They outlive their process in one place, the totals of the root (`supervision/reports/metrics_file.py`); the gateway
turns them into the text that Prometheus reads (`gateway/metrics`).
"""
