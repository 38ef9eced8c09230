"""Defines the SQL changes from each schema version of the session file to the next."""

from __future__ import annotations

VERSION = 30

SCHEMA_CHANGES: dict[int, str] = {}
"""Changes of each version over the one before; `schema.SCHEMA` makes `schema.BASE_VERSION`."""
