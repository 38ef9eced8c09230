"""A figure that a test measured, printed at the end of the run."""

from __future__ import annotations

from collections.abc import Callable

Figure = Callable[[str], None]
