"""Stores the session of one account in one SQLite file with one writer: keys, chats, inbox, sent messages.

Keys and devices are in `identities`; copies of the file are `actors/connection/backup`.
"""
