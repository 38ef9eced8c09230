"""Defines the OS processes that the keeper runs: command line, ports and readiness check of each process.

`keeper.py` starts and watches them.
"""
