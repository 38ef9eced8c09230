"""Renders counters and states in Prometheus' text format.

The counters themselves are `actors/metrics`.
"""
