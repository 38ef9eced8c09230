"""Encrypted copies of sessions, where neither the disk nor the host can take them along."""
