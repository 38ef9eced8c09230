"""Caches documents of state-store collections in a process's memory, and copies them to the data directory.

The gateway's connections and API keys and the root actor's registry read these; retention is `retention.py`.
"""
