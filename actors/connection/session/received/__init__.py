"""The inbox: received messages, receipts, history syncs and app state until they are stored elsewhere.

Files of messages are in `files`; the loop that stores items elsewhere is `actors/connection/owner/inbox_drain.py`.
"""
