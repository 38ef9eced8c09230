"""`python -m tests.run.coverage_table`: the table that ends `make coverage`.

It combines the data files of all processes of the run, which `COVERAGE_FILE` names, and counts a
product file that no process loaded as one without a line run.
"""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coverage import Coverage
from coverage.exceptions import CoverageException
from rich.console import Console
from rich.table import Table

from tests.run.coverage_saver import INTERVAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("actors", "gateway", "simulator", "supervision")
NOTE = (
    "A process that was killed with -9, as Ray's workers always are, lost what it ran since it wrote"
    f" its data last: {INTERVAL} s at most. Lines that only ran in that time count as not run."
)


@dataclass
class Sum:
    """Lines and branches of some files, and how many of them were run."""

    lines: int = 0
    lines_run: int = 0
    branches: int = 0
    branches_run: int = 0

    def add(self, summary: Mapping[str, int]) -> None:
        self.lines += summary["num_statements"]
        self.lines_run += summary["covered_lines"]
        self.branches += summary["num_branches"]
        self.branches_run += summary["covered_branches"]

    def cells(self) -> tuple[str, ...]:
        return (
            f"{self.lines:,}",
            share(self.lines_run, self.lines),
            f"{self.branches:,}",
            share(self.branches_run, self.branches),
        )


def share(run: int, of: int) -> str:
    """In per cent; nothing where there is nothing to run."""
    return f"{100 * run / of:.1f} %" if of else ""


def package(file: Path) -> str:
    """The folder that a file counts for: one of the first two levels."""
    return ".".join(file.parent.parts[:2])


def sums(files: Mapping[str, Any]) -> dict[str, Sum]:
    """By package, from the files of coverage's JSON report, whose paths are relative to the root."""
    found: dict[str, Sum] = defaultdict(Sum)
    for name, file in files.items():
        found[package(Path(name))].add(file["summary"])
    return dict(sorted(found.items()))


def table(files: Mapping[str, Any]) -> Table:
    shown = Table("package", title="coverage over all processes")
    for column in ("lines", "run", "branches", "run"):
        shown.add_column(column, justify="right")
    total = Sum()
    for name, each in sums(files).items():
        shown.add_row(name, *each.cells())
    for file in files.values():
        total.add(file["summary"])
    shown.add_section()
    shown.add_row("total", *total.cells())
    return shown


def combine(coverage: Coverage, data: Iterable[Path]) -> int:
    """Adds up the data files; how many a kill left unreadable."""
    broken = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each says again what is counted here
        for file in data:
            try:
                coverage.combine([str(file)], strict=True)
            except CoverageException:
                broken += 1
    return broken


def report(coverage: Coverage, directory: Path) -> dict[str, Any]:
    """The files of coverage's JSON report, which is written to `directory`."""
    product = [path for each in PACKAGES for path in (ROOT / each).rglob("*.py")]
    coverage.get_data().touch_files([str(path) for path in product])
    output = directory / "report.json"
    coverage.json_report(outfile=str(output))
    files: dict[str, Any] = json.loads(output.read_text())["files"]
    return files


def main() -> None:
    directory = ROOT / "build" / "coverage"
    coverage = Coverage(config_file=str(ROOT / "pyproject.toml"))
    data = sorted(directory.glob("data.*"))
    broken = combine(coverage, data)
    console = Console()
    console.print(table(report(coverage, directory)))
    console.print(f"{len(data)} files of data, {broken} unreadable. {NOTE}", soft_wrap=True)


if __name__ == "__main__":
    main()
