"""Runs `ray start` and becomes the small process that attends what it started; has the dashboard wait to be opened.

``ray start --block`` keeps 60 MB for a wait. Without ``--include-dashboard=true`` the dashboard is left out, and its two
agents, which a raylet insists on, are shells that wait until `ray_dashboard.open_dashboard` (`waiting_agent.sh`).
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import Any, Final

UNUSED: Final = ("ray.dashboard.modules.job.cli", "ray.serve.scripts", "ray.util.state.state_cli")
"""Modules of the commands `job`, `serve` and `list`, without which Ray's command line begins all the same."""

AGENTS: Final = ("--dashboard_agent_command=", "--runtime_env_agent_command=")
WAITING_AGENT: Final = Path(__file__).with_name("waiting_agent.sh")
ATTENDANT: Final = Path(__file__).with_name("ray_attendant.py")


def main() -> None:
    """Runs Ray's command with this process's arguments, and then `ray_attendant` with its processes."""
    for name in UNUSED:
        sys.modules[name] = None  # type: ignore[assignment]  # its import fails
    from ray._private import services  # noqa: PLC0415 - without the modules above

    start = services.start_ray_process
    dashboard = "--include-dashboard=true" in sys.argv
    children: list[int] = []

    def start_ray_process(command: list[str], *arguments: Any, **options: Any) -> Any:
        command = command if dashboard else [_waiting(word) for word in command]
        started = start(command, *arguments, **options)
        children.append(started.process.pid)
        return started

    services.start_ray_process = start_ray_process
    if not dashboard:
        services.start_api_server = lambda *_, **__: (None, None)
    try:
        runpy.run_module("ray.scripts.scripts", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code or not children:
            raise
    os.execv(  # noqa: S606 - the interpreter itself
        sys.executable, [sys.executable, "-I", "-S", str(ATTENDANT), *map(str, children)]
    )


def _waiting(word: str) -> str:
    """Returns an argument of the raylet; where it is the command of an agent, a shell waits to run that."""
    for name in AGENTS:
        if word.startswith(name):
            return f"{name}/bin/sh '{WAITING_AGENT}' {word.removeprefix(name)}"
    return word


if __name__ == "__main__":
    main()
