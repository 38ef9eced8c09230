"""Counters and states as the text that Prometheus reads.

The counters themselves are `actors/metrics`.
"""
