"""What `teimoso doctor` checks of the systems outside: one module each.

Each returns findings (`finding.py`).
"""
