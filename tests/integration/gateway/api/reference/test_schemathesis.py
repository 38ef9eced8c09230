"""schemathesis holds a real gateway to the OpenAPI document that it serves.

Its seed is fixed; what `CONFIGURATION` and `HOOKS` take from it they give a reason for.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import pytest

from actors.queue.outbound_queue import OutboundQueue
from actors.redis import keys
from actors.redis.client import connect
from actors.redis.commands import Commands
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from actors.state.connections import ConnectionExists, Connections
from actors.state.open_store import open_documents
from tests.integration.gateway.api.connections.test_refused_documents import item
from tests.integration.gateway.api.connections.test_traces import TOLD
from tests.integration.gateway.served import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.gateway.served import Gateway

SEED = 20_261_124
EXAMPLES = (2, pytest.param(25, marks=pytest.mark.long))
"""Examples of an operation that are generated at random, beside each bound of the document in turn.

Examples of the document itself are sent by `test_examples`.
"""

# positive_data_acceptance: a cursor is opaque, no schema can tell one that was given here from one
# that was not. Those that were not are answered with 400, and the document says so.
# ignored_auth: it knows 401 alone, and wrong keys of an address are bounded (429); `test_access` asks each operation.
# Nor can it tell which addresses are private, and what an engine is able to do (422). A stream of events has no end.
CONFIGURATION = """\
hooks = "hooks.py"

[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 406, 409]

[[operations]]
include-operation-id = "readEvents"
enabled = false

[[operations]]
include-operation-id = [
    "createConnection", "configureConnection", "createWebhook", "changeWebhook",
    "getPasskey", "answerPasskey", "confirmPasskey", "requestResend", "syncAppState", "rejectCall",
    "changeChat", "changeGroup", "changeProfile", "starMessage", "unstarMessage"
]
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 422]

[[operations]]
include-operation-id = {paged}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 403, 404]
"""

# An Idempotency-Key that was used with another body is refused, as it should be (422), and no
# schema can tell: each usable key is made one of its own. Neither can it tell what is behind a URL
# (422): one that may be asked for becomes a file that was not uploaded (404). People are mentioned in groups alone (422).
HOOKS = """\
import itertools, re, schemathesis

numbers = itertools.count()

@schemathesis.hook
def before_call(context, case, kwargs):
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch("[!-~]([ -~]{0,253}[!-~])?", key):
        case.headers["Idempotency-Key"] = f"{key[:240]}#{next(numbers)}"
    media = case.body.get("media") if isinstance(case.body, dict) else None
    if isinstance(media, dict) and re.fullmatch("(?i)https?://[!-~]+", str(media.get("url"))):
        if len(media) == 1:
            case.body["media"] = {"sha256": "0" * 64}
    if isinstance(case.body, dict) and "@g.us" not in str(case.body.get("to")):
        case.body.pop("mentions", None)
"""


class Rest:
    """The parts behind the gateway, played on the real queue and the real store.

    Sends all queued messages, answers requests for a code or a trace, and forgets deleted connections; the
    connection `shop` always comes back.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._settings = gateway.settings
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.sent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    async def _run(self) -> None:
        redis = connect(self._settings)
        documents = open_documents(self._settings)
        registry, leases, lanes = (
            Connections(documents),
            Leases(redis),
            OutboundQueue(redis, self._settings),
        )
        commands = Commands(redis, self._settings)
        epochs: dict[str, int] = {}
        try:
            while not self._over.is_set():
                with suppress(ConnectionExists):
                    await registry.create("shop")
                for each in (await registry.list(deleted=True)).items:
                    if each.deleted:
                        await registry.remove(each.id)
                        continue
                    if each.id not in epochs:
                        lease = await leases.take(
                            each.id,
                            Owner(f"connection:{each.id}", os.getpid(), host_identity.here()),
                        )
                        epochs[each.id] = lease.epoch
                    await self._send(lanes, each.id, epochs[each.id])
                    if await redis.llen(keys.of(each.id).commands):
                        await self._answer(commands, each.id)
                await asyncio.sleep(0.15)
        finally:
            await commands.close()
            await lanes.close()
            await documents.close()
            await redis.aclose()

    @staticmethod
    async def _answer(commands: Commands, connection: str) -> None:
        """A code, a trace and refused documents are all that a connection is asked for that is not open."""
        command = await commands.next(connection, 0.01)
        if command is not None:
            code = {"text": "K7RM-2V9D", "expires_at": time.time() + 100}
            there = {"there": True}
            told: dict[str, Any] = {
                "pairing_code": code,
                "trace": TOLD,
                "refused_items": {"items": [item(4711)]},
                "retry_refused": there,
                "discard_refused": there,
            }
            await commands.answer(command, told[command.kind])

    async def _send(self, lanes: OutboundQueue, connection: str, epoch: int) -> None:
        for job in (await lanes.claims.claim(connection, epoch, 10, time.time())).jobs:
            now = time.time()
            await lanes.claims.complete(connection, epoch, job.id, at=now, now=now)
            self.sent += 1


def paged(gateway: Gateway) -> list[str]:
    """The operations that take a cursor."""
    with gateway.client(KEY) as api:
        paths = api.get("/openapi.json").raise_for_status().json()["paths"]
    found = [
        operation["operationId"]
        for path in paths.values()
        for operation in path.values()
        if any(one["name"] == "after" for one in operation.get("parameters", ()))
    ]
    assert len(found) > 10
    return found


@pytest.mark.timeout(480)
@pytest.mark.parametrize("examples", EXAMPLES)
def test_the_document_is_kept(own_gateway: Gateway, tmp_path: Path, examples: int) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION.replace("{paged}", json.dumps(paged(own_gateway))))
    (tmp_path / "hooks.py").write_text(HOOKS)
    with Rest(own_gateway) as rest:
        ran = subprocess.run(
            [
                sys.executable,
                *("-m", "schemathesis.cli", "--config-file", str(configuration)),
                *("run", f"http://127.0.0.1:{own_gateway.port}/openapi.json"),
                *("--header", f"X-Api-Key: {KEY}"),
                *("--checks", "all", "--exclude-checks", "ignored_auth", "--mode", "all"),
                *("--phases", "coverage,fuzzing"),
                *("--max-examples", str(examples), "--seed", str(SEED)),
                *("--continue-on-failure", "--no-color", "--request-timeout", "20"),
            ],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=420,
            check=False,
        )
    print(ran.stdout[-1500:])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    counted = re.search(r"Selected: (\d+)/(\d+)", ran.stdout)
    assert counted is not None
    assert int(counted[1]) == int(counted[2]) - 1 > 40, "all but the stream"
    assert "internal_error" not in own_gateway.log()
    assert rest.sent > 10
