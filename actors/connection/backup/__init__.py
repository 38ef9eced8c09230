"""Encrypted copies of sessions: made, chosen, restored; where neither disk nor host takes them along.

The bucket that holds them is in `bucket`; the live file is `actors/connection/session`.
"""
