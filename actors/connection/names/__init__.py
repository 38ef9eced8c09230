"""Handles chats whose address changes (LID or phone number): reports to Redis, joins one person's queue lanes.

Engines learn that two addresses are one person's; the lanes are `actors/queue`.
"""
