"""Backs up a whole instance while it runs, on request and by a schedule, and restores it into an empty directory.

The format and the keys are those of session backups (`actors/connection/backup`), the content is stored as copies
of files are (`actors/media/bucket_copies.py`). The commands are in `gateway/cli/backup`.
"""
