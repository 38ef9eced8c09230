"""Implements rules of the server that differ between accounts, or that can be switched.

Faults on demand, which end with the process, are in `simulator/faults.py`.
"""
