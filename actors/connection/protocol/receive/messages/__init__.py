"""Writes decrypted messages and receipts to the session's inbox, with the files, secrets and timers of each.

Their content is read by `from_proto` of `receive`.
"""
