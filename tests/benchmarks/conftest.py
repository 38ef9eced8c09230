from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from tests.benchmarks.figures import Figures

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = Path(__file__).parents[2] / "build" / "bench.json"


@pytest.fixture(scope="session")
def figures() -> Iterator[Figures]:
    """Where each benchmark puts what it measured; printed when all are done."""
    known = Figures(FILE)
    yield known
    console = Console(width=160)
    console.print()
    console.print(known.table())
    console.print(f"Kept in {FILE.relative_to(Path.cwd())}.")
