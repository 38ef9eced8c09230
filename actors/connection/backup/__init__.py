"""Backs up sessions to a bucket, encrypted, and restores the newest one for a new owner of a connection.

The bucket that holds them is in `bucket`; the live file is `actors/connection/session`.
"""
