"""The session of one account: one SQLite file with one writer, and the tables in it, in a package for each noun.

Keys and devices are in `identities`; copies of the file are `actors/connection/backup`.
"""
