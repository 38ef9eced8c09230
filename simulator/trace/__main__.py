"""Compares a trace with the simulator's stanzas and prints JSON: `python -m simulator.trace TRACE`.

`teimoso simulate compare` runs it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from simulator.trace import catalogue
from simulator.trace.comparison import TraceComparison
from simulator.trace.trace_lines import TraceError, read


def main(path: Path) -> int:
    """Compares a trace; returns the exit code of the process."""
    try:
        report = TraceComparison(catalogue.load()).report(read(path))
    except TraceError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the reason, for a person
        return 1
    print(json.dumps(report))  # noqa: T201 - the report, for the command
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
