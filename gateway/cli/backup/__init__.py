"""Implements `teimoso backup …`: manages encrypted session backups in the bucket, without a running instance.

The copies are made by connections (`actors/connection/backup`).
"""
