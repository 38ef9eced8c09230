"""Runs Ray's command line without three groups of its commands, which no part uses and whose imports are half of its own."""

from __future__ import annotations

import runpy
import sys
from typing import Final

UNUSED: Final = ("ray.dashboard.modules.job.cli", "ray.serve.scripts", "ray.util.state.state_cli")
"""Modules of the commands `job`, `serve` and `list`, without which Ray's command line begins all the same."""


def main() -> None:
    """Runs Ray's command with this process's arguments."""
    for name in UNUSED:
        sys.modules[name] = None  # type: ignore[assignment]  # its import fails
    runpy.run_module("ray.scripts.scripts", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
