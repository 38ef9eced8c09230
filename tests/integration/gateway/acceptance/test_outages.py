"""The gateway while Redis, the state store or itself is away."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest

from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from tests.integration.gateway.served import OTHER, ROOT, SHOP, Gateway
from tests.processes import forked
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from actors.queue.outbound_queue import Record

BODY = {"connection": "shop", "to": "15550100002", "text": "hi"}


def records(gateway: Gateway, ids: list[str]) -> list[Record | None]:
    """Returns the records in Redis, read without the gateway."""

    async def ask() -> list[Record | None]:
        redis = connect(gateway.settings)
        lanes = OutboundQueue(redis, gateway.settings)
        try:
            return [await lanes.reader.get(identity) for identity in ids]
        finally:
            await lanes.close()
            await redis.aclose()

    return asyncio.run(ask())


class Load:
    """Sends without pause until it is left, and remembers which were accepted."""

    def __init__(self, gateway: Gateway, threads: int = 4) -> None:
        self.accepted: list[str] = []
        self.other: list[int] = []
        self._stop = threading.Event()
        self._gateway = gateway
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(threads)]

    def _run(self, number: int) -> None:
        with self._gateway.client(self._gateway.api.headers["x-api-key"], timeout=10) as client:
            while not self._stop.is_set():
                body = {**BODY, "to": f"1555010003{number}"}
                try:
                    answer = client.post("/api/messages", json=body)
                except httpx.TransportError:
                    time.sleep(0.01)
                    continue
                if answer.status_code == 202:
                    self.accepted.append(answer.json()["id"])
                else:
                    self.other.append(answer.status_code)
                    time.sleep(0.05)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_what_was_accepted_survives_the_gateway(own_gateway: Gateway) -> None:
    """G2: killed under load right after a 202; each accepted message is in Redis."""
    with Load(own_gateway) as load:
        own_gateway.until(lambda: len(load.accepted) > 50, 20)
        last = own_gateway.api.post("/api/messages", json=BODY).json()["id"]
        own_gateway.kill()
    accepted = [*load.accepted, last]
    assert len(accepted) > 50
    found = records(own_gateway, accepted)
    assert all(record is not None and record.status == "queued" for record in found)
    own_gateway.start()
    assert own_gateway.api.get(f"/api/messages/{last}").json()["status"] == "queued"
    assert own_gateway.api.get("/api/queue").json()["waiting"] >= len(accepted)


def test_redis_killed_and_back(own_gateway: Gateway, own_valkey: Valkey) -> None:
    """G1, G11: sends wait, and are refused then; all else goes on; nothing is lost; it heals by itself."""
    api = own_gateway.api
    with Load(own_gateway) as load:
        own_gateway.until(lambda: len(load.accepted) > 20, 20)
        own_valkey.kill()
        for method, path in (
            ("GET", "/api/queue"),
            ("GET", "/api/queue/dead"),
            ("POST", "/api/queue/retry-failed"),
            ("POST", "/api/queue/redrive"),
            ("DELETE", f"/api/messages/{load.accepted[0]}"),
            ("GET", f"/api/messages/{load.accepted[0]}"),
            ("GET", "/api/connections/shop/qr"),
        ):
            answer = api.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (503, "redis_away"), path
            assert int(answer.headers["retry-after"]) > 0
        # what does not need Redis goes on
        assert api.get("/api/connections/shop").json()["state"] == "connecting"
        assert api.get("/api/connections").status_code == 200
        assert api.post("/api/connections/shop/stop").json()["desired"] == "stopped"
        assert api.post("/api/connections/shop/start").status_code == 202
        assert api.get("/api/messages").status_code == 200
        own_gateway.until(lambda: api.get("/health").json()["redis"]["up"] is False, 10)
        health = api.get("/health").json()
        assert health["status"] == "degraded"
        assert "redis_away" in health["reasons"]
        assert api.get("/health/live").status_code == 200
        assert api.get("/health/ready").status_code == 503, "a send would not be accepted"
        assert "teimoso_redis_up 0.0" in api.get("/metrics").text
        own_gateway.until(lambda: load.other, 20)
        own_valkey.start()
        own_gateway.until(lambda: api.get("/health").json()["redis"]["up"], 10)
        accepted = len(load.accepted)
        own_gateway.until(lambda: len(load.accepted) > accepted + 20, 20)
    assert set(load.other) == {503}
    assert all(records(own_gateway, load.accepted))
    assert api.get("/health/ready").status_code == 200


def command(valkey: Valkey, *words: str) -> None:
    async def run() -> None:
        redis = connect(valkey.settings())
        try:
            await redis.execute_command(*words)  # type: ignore[no-untyped-call]
        finally:
            await redis.aclose()

    asyncio.run(run())


def test_changes_are_noticed_although_redis_forbids_to_listen(
    own_gateway: Gateway, own_valkey: Valkey
) -> None:
    command(own_valkey, "ACL", "SETUSER", "default", "-subscribe")
    command(own_valkey, "CLIENT", "KILL", "TYPE", "pubsub")
    own_gateway.until(lambda: "listen_to_pokes" in own_gateway.log(), 10)
    assert "NoPermissionError" in own_gateway.log()

    async def delete() -> None:
        documents = open_documents(own_gateway.settings)
        try:
            await Connections(documents).delete(SHOP)
        finally:
            await documents.close()

    asyncio.run(delete())
    own_gateway.until(
        lambda: own_gateway.api.post("/api/messages", json=BODY).status_code == 404, 6
    )


def spoil(gateway: Gateway, *, heal: bool = False) -> None:
    """Make the state store unreadable for every process (SQLITE_CORRUPT), or heal it."""
    spoiled, healthy = "CREATE TABLE documents (spoiled", "CREATE TABLE documents ("
    change = (spoiled, healthy) if heal else (healthy, spoiled)
    database = sqlite3.connect(gateway.settings.state_file, timeout=10)
    database.execute("PRAGMA writable_schema = ON")
    with database:
        changed = database.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = 'documents'", change
        )
        assert changed.rowcount == 1
        [version] = database.execute("PRAGMA schema_version").fetchone()
        database.execute(f"PRAGMA schema_version = {version + 1}")  # all read the schema anew
    database.close()


def test_sends_go_on_while_the_store_is_away(own_gateway: Gateway) -> None:
    """G11."""
    api = own_gateway.api
    spoil(own_gateway)
    try:
        own_gateway.until(lambda: api.get("/health").json()["store"]["up"] is False, 10)
        end = time.monotonic() + 7  # longer than what is cached of the keys
        while time.monotonic() < end:
            accepted = api.post("/api/messages", json=BODY)
            assert accepted.status_code == 202
            time.sleep(0.2)
        assert api.get(accepted.headers["location"]).json()["status"] == "queued"
        assert api.get("/api/queue").status_code == 200
        assert api.get("/api/connections").json()["items"][0]["id"] == "shop"
        assert api.get("/api/connections/shop").status_code == 200
        unknown = api.post("/api/messages", json={**BODY, "connection": "nobody"})
        assert (unknown.status_code, unknown.json()["code"]) == (503, "store_away")
        for method, path, body in (
            ("GET", "/api/messages", None),
            ("GET", "/api/messages/shop.in." + "0" * 24, None),
            ("POST", "/api/connections", {"id": "later"}),
            ("POST", "/api/connections/shop/stop", None),
            ("DELETE", "/api/connections/shop", None),
        ):
            answer = api.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "store_away"), path
        health = api.get("/health").json()
        assert health["status"] == "degraded"
        assert "store_away" in health["reasons"]
        assert api.get("/health/ready").status_code == 200
    finally:
        spoil(own_gateway, heal=True)
    own_gateway.until(lambda: api.get("/api/messages").status_code == 200, 10)
    own_gateway.until(lambda: api.get("/health").json()["store"]["up"] is True, 10)


def test_a_redis_that_is_not_durable_is_reported(tmp_path: Path) -> None:
    """G1: with appendfsync everysec the service says that the promise does not hold."""
    with (
        Valkey(tmp_path / "valkey", appendfsync="everysec") as valkey,
        Gateway(tmp_path / "gateway", valkey) as gateway,
    ):
        health = gateway.api.get("/health").json()
    assert health["status"] == "degraded"
    assert "redis_not_durable" in health["reasons"]
    assert health["redis"]["durable"] is False
    assert "appendfsync" in health["redis"]["reason"]


def test_it_starts_without_redis_and_heals(own_valkey: Valkey, tmp_path: Path) -> None:
    own_valkey.kill()
    with Gateway(tmp_path / "gateway", own_valkey) as gateway:
        gateway.connect()
        refused = gateway.api.post("/api/messages", json=BODY)
        assert (refused.status_code, refused.json()["code"]) == (503, "redis_away")
        own_valkey.start()
        accepted = gateway.api.post("/api/messages", json=BODY)
        assert accepted.status_code == 202
        assert all(records(gateway, [accepted.json()["id"]]))


def test_sigterm_answers_those_who_wait(own_gateway: Gateway) -> None:
    answers: list[httpx.Response] = []

    def wait() -> None:
        with own_gateway.client(own_gateway.api.headers["x-api-key"]) as client:
            answers.append(client.post("/api/messages?wait=30", json=BODY))

    waiting = threading.Thread(target=wait)
    waiting.start()
    own_gateway.until(lambda: own_gateway.api.get("/api/queue").json()["waiting"] == 1, 10)
    begun = time.monotonic()
    status = own_gateway.stop()
    waiting.join()
    assert status == 0
    assert time.monotonic() - begun < 10, "they were cut, or waited for"
    assert answers[0].status_code == 202
    assert '"action": "stopped"' in own_gateway.log()


def test_another_gateways_connection_is_known_at_once(
    own_gateway: Gateway, own_valkey: Valkey
) -> None:
    second = Gateway(own_gateway.data, own_valkey)  # same directory, another port
    with second:
        second.connect(OTHER)
        sent = own_gateway.api.post("/api/messages", json={**BODY, "connection": "other"})
        assert sent.status_code == 202
        assert second.api.delete("/api/connections/other").status_code == 204

        def refused() -> bool:
            answer = own_gateway.api.post("/api/messages", json={**BODY, "connection": "other"})
            return answer.status_code == 404

        own_gateway.until(refused, 5)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return forked.run(
        [sys.executable, "-m", "gateway", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_port_in_use_is_one_sentence(own_gateway: Gateway) -> None:
    ended = run("--data", str(own_gateway.data))
    assert ended.returncode == 1
    [sentence] = ended.stderr.splitlines()
    assert str(own_gateway.port) in sentence
    assert "in use" in sentence


@pytest.mark.parametrize("content", [None, "{", '{"nonsense": 1}'])
def test_a_directory_without_settings_is_one_sentence(tmp_path: Path, content: Any) -> None:
    if content is not None:
        (tmp_path / "runtime.json").write_text(content)
    ended = run("--data", str(tmp_path))
    assert ended.returncode == 1
    [sentence] = ended.stderr.splitlines()
    assert "runtime.json" in sentence
