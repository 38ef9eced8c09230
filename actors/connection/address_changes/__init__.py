"""Reports chats whose address changes (LID or phone number) to Redis, and joins one person's queue lanes.

Engines learn that two addresses are one person's; the lanes are `actors/queue`.
"""
