"""Stanzas for these tests, and as the golden file writes them: ``[tag, attributes, content]``.

Content is null, a number of bytes, or a list of stanzas.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Made:
    tag: str
    attrs: Mapping[str, str] = field(default_factory=dict)
    content: Sequence[Made] | bytes | None = None


def read(written: Any) -> Made:
    """The stanza that the golden file writes so."""
    tag, attrs, content = written
    if isinstance(content, int):
        return Made(tag, attrs, bytes(content))
    return Made(tag, attrs, None if content is None else [read(part) for part in content])
