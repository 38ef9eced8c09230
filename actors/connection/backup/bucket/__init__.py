"""Accesses the object store of backups, a directory or Google Cloud Storage, through one interface.

The content of the objects is in `backup/backup_format.py`.
"""
