"""Checks external systems for `teimoso doctor`, one module for each system.

Each returns findings (`check_result.py`).
"""
