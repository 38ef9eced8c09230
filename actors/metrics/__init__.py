"""Counters of one process, as plain numbers.

The gateway turns them into the text that Prometheus reads (`gateway/metrics`).
"""
