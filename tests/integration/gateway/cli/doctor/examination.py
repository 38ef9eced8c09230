"""`teimoso doctor` as tests run it: findings by check, and an instance to examine."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.config.sources import resolve_settings
from actors.state.open_store import open_documents
from gateway.http.api_keys import ensure_first
from tests.processes import forked
from tests.processes.valkey import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    Examine = Callable[..., tuple[int, dict[str, dict[str, Any]]]]

ROOT = Path(__file__).resolve().parents[5]
API_KEY = "tmo_" + "k" * 43


def by_check(shown: str) -> dict[str, dict[str, Any]]:
    assert PASSWORD not in shown
    order = ("ok", "warn", "fail")
    found = sorted(json.loads(shown)["findings"], key=lambda one: order.index(one["result"]))
    return {one["check"]: one for one in found}


def apart(data: Path, *under: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The command as a process of its own, `under` what makes the mistake."""
    words = (sys.executable, "-m", "gateway.cli", "doctor", "--json", "--data", str(data))
    given: dict[str, Any] = {"env": {**os.environ, **environment}, "cwd": ROOT, "timeout": 60}
    given |= {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    if under or "PYTHONPATH" in environment:  # a fork begins under nothing, and loads no other code
        done = subprocess.run([*under, *words], check=False, **given)
    else:
        done = forked.run(words, **given)
    assert done.stdout, done.stderr
    return done.returncode, by_check(done.stdout)


def failed(examined: tuple[int, dict[str, dict[str, Any]]], check: str, found: str) -> str:
    """Advice about the one failure that there is."""
    status, findings = examined
    wrong = {name: one["found"] for name, one in findings.items() if one["result"] == "fail"}
    assert set(wrong) == {check}, wrong
    assert found in wrong[check]
    assert status == 1
    return str(findings[check]["do"])


def begun(data: Path, *, key: str | None = API_KEY) -> None:
    """The state store as the first start makes it."""

    async def make() -> None:
        documents = open_documents(resolve_settings(data=data))
        if key is None:
            await documents.query("api_keys")
        else:
            await ensure_first(documents, key)
        await documents.close()

    asyncio.run(make())
