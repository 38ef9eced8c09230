"""`teimoso backup …`: the encrypted copies of sessions, reached without a running instance.

The copies are made by connections (`actors/connection/backup`).
"""
