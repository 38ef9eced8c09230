"""Stores the session of one account in one SQLite file with one writer: keys, chats, inbox, sent messages.

Keys and devices are in `identities`; copies of the file are `actors/connection/backup`.
"""

from typing import Final

SESSION_FILE: Final = "session.db"
"""In the directory of a connection."""
