"""The steps of `docs/first-steps.md`: all of them in a shell and a browser, and those of the shell alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.integration.whole.operations.steps import Newcomer, Shell, steps
from tests.integration.whole.operations.test_start import guest as guest  # noqa: PLC0414
from tests.processes import forked_command
from tests.processes.browser import DESK, chromium
from tests.processes.instance import API_KEY, TEIMOSO, Instance
from tests.processes.valkey import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run.figures import Figure

FORTY = steps("first-steps.md")
AROUND = ("Install and start", "Stop")
"""Sections that start and stop an instance."""

PAGE_MS = 20_000  # milliseconds


def test_there_are_forty_steps() -> None:
    assert [step.number for step in FORTY] == list(range(1, 41))


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("is_open")
def test_a_newcomer_with_a_terminal(guest: Instance, figure: Figure) -> None:
    """On an instance that runs: the steps of the shell but those that start and stop it.

    Its commands are forked from what has imported them; the long test has the installed program.
    """
    found_first = forked_command.directory(), TEIMOSO.parent
    environment = {
        "PATH": os.pathsep.join((*map(str, found_first), "/usr/local/bin:/usr/bin:/bin")),
        "TEIMOSO_DATA": str(guest.data),
        "TEIMOSO_API_KEY": API_KEY,
        "HOOK_PORT": str(free_port()),
    }
    try:
        with Shell(environment) as shell:
            newcomer = Newcomer(shell)
            for step in FORTY:
                if step.runs and step.section not in AROUND:
                    newcomer.take(step)
    finally:
        for webhook in guest.api.get("/api/webhooks").raise_for_status().json()["items"]:
            guest.api.delete(f"/api/webhooks/{webhook['id']}").raise_for_status()
    spent = newcomer.seconds
    figure(f"{len(spent)} first steps of the shell: {sum(spent.values()):.1f} s")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_newcomer_with_a_browser(tmp_path: Path, figure: Figure) -> None:
    """All forty, from an empty directory on."""
    started = Instance(tmp_path / "data")
    environment = {
        "PORT": str(started.port),
        "CONTROL_PORT": str(started.simulator_port),
        "HOOK_PORT": str(free_port()),
        "TEIMOSO_DATA": str(started.data),
    }
    errors: list[str] = []
    try:
        with Shell(environment) as shell, chromium() as browser:
            page = browser.new_context(viewport=DESK).new_page()
            page.set_default_timeout(PAGE_MS)
            page.on("pageerror", lambda error: errors.append(str(error)))
            newcomer = Newcomer(shell, page)
            for step in FORTY:
                newcomer.take(step)
    finally:
        started.end()
    assert not errors
    spent = newcomer.seconds
    figure(f"forty first steps, {sum(spent.values()):.1f} s in all:")
    for step in FORTY:
        figure(f"  {step.number:2} {spent[step.number]:6.2f} s  {step.words[:80]}")
