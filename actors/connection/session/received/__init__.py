"""Stores received items (messages, receipts, history, app state) in the session file until stored elsewhere.

Files of messages are in `files`; the loop that stores items elsewhere is `actors/connection/owner/inbox_drain.py`.
"""
