"""Chats of an account: correspondents, timers of disappearing messages, unread messages, as rows of that file.

Members of groups are in `identities`; names of chats are there too.
"""
