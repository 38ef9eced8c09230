"""Checks of the systems outside, for `teimoso doctor`, a module each.

Each returns findings (`finding.py`).
"""
