"""A gateway that links real accounts: native connections and new accounts, by the API, the command and the page."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.config.sections.whatsapp import WHATSAPP_ROOT_KEY
from actors.connection import engine
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from actors.runtime.limits.durations import DAY
from actors.state.documents import CONNECTIONS
from actors.state.open_store import open_documents
from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, ROOT, Gateway
from tests.processes import forked

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.processes.valkey import Valkey


@pytest.fixture(scope="module")
def gateway(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One of real accounts, with ``shop`` as an older release registered it."""
    directory = tmp_path_factory.mktemp("gateway")
    with Gateway(directory, valkey, whatsapp_root_key=WHATSAPP_ROOT_KEY) as served:
        served.connect()
        yield served


def stored(gateway: Gateway, name: str) -> dict[str, Any] | None:
    async def read() -> dict[str, Any] | None:
        documents = open_documents(gateway.settings)
        try:
            return await documents.get(CONNECTIONS, name)
        finally:
            await documents.close()

    return asyncio.run(read())


@pytest.mark.parametrize("more", [{}, {"allow_unproven_engine": False}])
def test_it_is_refused_with_the_reason_and_the_other_engine(
    gateway: Gateway, more: dict[str, Any]
) -> None:
    body = {"id": "bare", "engine": "native", **more}
    told = gateway.api.post("/api/connections", json=body)
    assert (told.status_code, told.json()["code"]) == (422, "unproven_engine")
    assert "never WhatsApp itself" in told.json()["detail"]
    assert "whatsmeow" in told.json()["detail"]
    assert stored(gateway, "bare") is None


def test_a_connection_that_names_no_engine_gets_the_proven_one_where_it_is_installed(
    gateway: Gateway,
) -> None:
    told = gateway.api.post("/api/connections", json={"id": "usual"})
    document = stored(gateway, "usual")
    if engine.installed("whatsmeow"):
        assert told.status_code == 201, told.text
        assert document is not None
        assert (document["engine"], document["allow_unproven_engine"]) == ("whatsmeow", False)
    else:
        assert (told.status_code, told.json()["code"]) == (422, "unproven_engine")
        assert document is None


def test_it_is_taken_where_its_caller_allows_it(gateway: Gateway) -> None:
    body = {"id": "bold", "engine": "native", "allow_unproven_engine": True}
    assert gateway.api.post("/api/connections", json=body).status_code == 201
    document = stored(gateway, "bold")
    assert document is not None
    assert document["allow_unproven_engine"] is True


def test_only_a_truth_allows_it(gateway: Gateway) -> None:
    for value in ("true", 1, None):
        body = {"id": "vague", "allow_unproven_engine": value}
        told = gateway.api.post("/api/connections", json=body)
        assert (told.status_code, told.json()["code"]) == (422, "invalid_field")


def test_the_other_engine_needs_no_leave(gateway: Gateway) -> None:
    told = gateway.api.post("/api/connections", json={"id": "proven", "engine": "whatsmeow"})
    expected = 201 if engine.installed("whatsmeow") else 422
    assert told.status_code == expected
    assert told.json().get("code") in {None, "engine_not_installed"}


def test_one_of_an_older_release_goes_on(gateway: Gateway) -> None:
    for verb in ("stop", "start", "restart"):
        told = gateway.api.post(f"/api/connections/shop/{verb}")
        assert told.status_code == 202, told.text


def test_the_command_has_a_flag_for_it(gateway: Gateway) -> None:
    def add(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway.cli", "connections", "add", *words]
        return forked.run(
            [*command, f"--key={KEY}", "--data", str(gateway.data)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )

    refused = add("typed", "--engine", "native")
    assert refused.returncode == 1
    assert "allow_unproven_engine" in refused.stderr
    assert stored(gateway, "typed") is None
    added = add("typed", "--engine", "native", "--allow-unproven-engine")
    assert added.returncode == 0, added.stderr
    assert stored(gateway, "typed") is not None


def test_the_page_has_a_box_for_it(gateway: Gateway) -> None:
    with Person(gateway, KEY) as admin:
        assert 'name="allow_unproven_engine"' in admin.get("/").text
        refused = admin.submit("/console/connections", id="ticked", engine="native")
        assert refused.status_code == 422
        assert "never WhatsApp itself" in refused.text
        given = {"id": "ticked", "engine": "native", "allow_unproven_engine": "true"}
        made = admin.submit("/console/connections", **given)
        assert made.url.path == "/console/connections/ticked"


def linked(gateway: Gateway, connection: str, at: float) -> None:
    """Let the owner of a connection report when its account was linked first."""

    async def report() -> None:
        redis = connect(gateway.settings)
        leases = Leases(redis)
        lease = await leases.take(connection, Owner("a", os.getpid(), host_identity.here()))
        assert await leases.report(
            connection, lease.epoch, state="open", cause=None, since=lease.since, linked_at=at
        )
        await redis.aclose()

    asyncio.run(report())


@pytest.mark.parametrize(("age", "day"), [(2.5, 3), (28.5, None)])
def test_the_pace_of_a_new_account_is_shown_with_its_reason(
    gateway: Gateway, age: float, day: int | None
) -> None:
    shop = gateway.api.get("/api/connections/shop").json()["incarnation"]
    linked(gateway, shop, time.time() - age * DAY)
    pacing = gateway.api.get("/api/connections/shop").json()["pacing"]
    assert (pacing["reason"], pacing["day"]) == ("new_account" if day else None, day)
    assert pacing["messages_per_minute"] == (4 if day else None)
    with Person(gateway, KEY) as admin:
        page = admin.get("/console/connections/shop").text
    command = [sys.executable, "-m", "gateway.cli", "connections", "show", "shop"]
    shown = forked.run(
        [*command, f"--key={KEY}", "--data", str(gateway.data)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    sentence = "new account, day 3 of 28"
    assert (sentence in page, f"shop is paced: {sentence}." in shown) == (bool(day), bool(day))
