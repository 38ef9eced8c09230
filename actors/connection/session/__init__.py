"""The session of one account: one SQLite file with one writer, and the tables in it.

Keys and devices are in `identities`; copies of the file are `actors/connection/backup`.
"""
