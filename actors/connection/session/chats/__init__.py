"""Stores facts about chats in the session file: correspondents, disappearing-message timers, unread messages.

Members of groups are in `identities`; names of chats are there too.
"""
