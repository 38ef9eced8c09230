"""Hides optional packages while another library is imported, so that importing it loads none of them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def without(*extras: str) -> Iterator[None]:
    """For what is imported inside, the top-level packages `extras` are not installed.

    Others may import them afterwards, as ever; one that is loaded already stays known.
    """
    hidden = [name for name in extras if name not in sys.modules]
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]
    modules.update(dict.fromkeys(hidden))  # None: an import of it fails
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
