"""`teimoso simulate request`: each example of docs/simulator.md, by the command, on a real simulator."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from supervision.keeper.manifest import Plan
from tests.integration.engine.simulated import ACCOUNT, CONTACT, Simulator, device, pair
from tests.processes import forked
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DOCUMENT = (Path(__file__).parents[4] / "docs" / "simulator.md").read_text()


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    started = Simulator.start(tmp_path / "simulator")
    Plan(0, simulate=True, control_port=httpx.URL(started.control_url).port or 0).save(tmp_path)
    try:
        yield started
    finally:
        await started.stop()


async def command(data: Path, *words: str) -> tuple[int, str]:
    """The command's exit status, and what it printed."""
    done = await asyncio.to_thread(
        forked.run,
        [sys.executable, "-m", "gateway.cli", "simulate", *words, "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def documented() -> list[tuple[str, ...]]:
    """The arguments of `teimoso simulate request` in each example."""
    lines = re.findall(r"^\$ teimoso simulate (request .*)$", DOCUMENT, re.MULTILINE)
    return [tuple(shlex.split(line)) for line in lines]


async def test_the_documented_requests_work(simulator: Simulator, tmp_path: Path) -> None:
    """Requests without a command of their own: statuses, tokens, groups, faults, what was said and read."""
    async with device(simulator, tmp_path) as made:
        await pair(simulator, made)
        answers: dict[str, Any] = {}
        for words in documented():
            status, printed = await command(tmp_path, *words)
            assert status == 0, f"{words}: {printed}"
            path, *fields = words[2:]
            kind = json.loads(fields[0]).get("kind", "") if fields else ""
            answers[f"{words[1]} {path} {kind}".strip()] = json.loads(printed)
        assert answers["POST /faults unknown_tag"]["reached"] == 1
        assert answers["POST /faults stream_error"]["code"] == 409
        assert answers["POST /groups"]["subject"] == "Us"
        assert answers[f"GET /accounts/{ACCOUNT}"]["read"] == []
        assert answers[f"GET /contacts/{CONTACT}/said?after=0&limit=20"]["items"] == []
        assert (
            answers[f"DELETE /faults?account={ACCOUNT}"]["ended"] == 1
        )  # the ciphertexts to garble
        await eventually("the status is answered", lambda: _settled(simulator), 20)


async def _settled(simulator: Simulator) -> bool:
    return (await simulator.account(ACCOUNT))["unacknowledged"] == 0


async def test_a_request_that_is_refused_ends_with_a_sentence(
    simulator: Simulator, tmp_path: Path
) -> None:
    fault = json.dumps({"account": ACCOUNT, "kind": "no such"})
    for words, sentence in (
        (("GET", "contacts"), "contacts is no path: it begins with a slash."),
        (("POST", "/faults", "[]"), "[] is no JSON object."),
        (("POST", "/faults", "{"), "{ is no JSON object."),
        (("GET", "/faults", "{}"), "A GET has no fields: they go into the path, as /faults?id=1."),
        (("GET", "/nowhere"), "Not Found (404)"),
        (("POST", "/faults", fault), "(400)"),
    ):
        status, printed = await command(tmp_path, "request", *words)
        assert status == 1
        assert printed.strip().endswith(sentence), printed
        assert printed.count("\n") == 1
    assert (await simulator._call("GET", "/faults"))["items"] == []
