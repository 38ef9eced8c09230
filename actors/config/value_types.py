"""Defines the pydantic types of settings by unit, each with the range of its values."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

Port = Annotated[int, Field(ge=0, le=65535)]
Milliseconds = Annotated[int, Field(ge=100, le=86_400_000)]
Latency = Annotated[int, Field(ge=1, le=60_000)]  # milliseconds
Pause = Annotated[int, Field(ge=0, le=86_400_000)]  # milliseconds
Days = Annotated[int, Field(ge=1, le=3650)]
Percent = Annotated[float, Field(gt=0, le=100)]

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def _bytes(value: object) -> object:
    """A number of bytes, also as ``800M`` or ``1G``; anything else is left to be refused."""
    found = (
        re.fullmatch(r"(\d+)([KMG]?)", value.strip().upper()) if isinstance(value, str) else None
    )
    return value if found is None else int(found[1]) * _UNITS[found[2]]


Bytes = Annotated[int, BeforeValidator(_bytes)]
ByteCount = Annotated[Bytes, Field(ge=0, le=2**60)]


def _none_if_empty(value: object) -> object:
    """Return None for an empty value: the line `NAME=` of a settings file sets nothing."""
    return None if value == "" else value


OptionalCount = Annotated[
    Annotated[int, Field(ge=0, le=10_000_000)] | None, BeforeValidator(_none_if_empty)
]
"""A number, or none where the setting is not given."""
