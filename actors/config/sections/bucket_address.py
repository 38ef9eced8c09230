"""Reads the address of a bucket in a setting: the name of one of Google's, or a directory that behaves as one."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit


def read(value: str) -> str:
    """Return the address in its one form; raises ValueError, with a sentence, for what names no bucket."""
    if (path := directory_of(value)) is not None:
        return path.expanduser().absolute().as_uri()
    if not re.fullmatch(r"(gs://)?[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", value):
        raise ValueError("must be a bucket's name, or a directory as file:///PATH")
    return value


def directory_of(address: str) -> Path | None:
    """The directory that the address names; None for the name of a bucket."""
    if address.startswith("file://"):
        return Path(unquote(urlsplit(address).path))
    return Path(address) if address.startswith(("/", "./", "../", "~")) else None
