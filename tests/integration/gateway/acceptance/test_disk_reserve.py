"""G13: files leave DISK_RESERVE to everything else, and each connection has its bytes for the day."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from actors.runtime.limits.durations import DAY
from tests.integration.gateway.api.keys.test_access import made
from tests.integration.gateway.files import ANA, code, kept, reserve, send, unlike, upload
from tests.integration.gateway.served import OTHER, Gateway
from tests.processes.small_disk import mount_small_disk
from tests.reserves import MORE_THAN_THERE_IS, beyond_the_free
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.processes.valkey import Valkey

PNG = {"Content-Type": "image/png"}


@pytest.fixture
def limited(valkey: Valkey, tmp_path: Path) -> Iterator[Gateway]:
    """Each connection may be given a million bytes a day."""
    budget = 1_000_000
    with Gateway(
        tmp_path / "gateway", valkey, media_max_bytes=budget, media_uploads_per_connection=budget
    ) as served:
        served.connect()
        served.connect(OTHER)
        yield served


def test_uploads_are_refused_at_the_reserve_and_all_else_goes_on(own_gateway: Gateway) -> None:
    api = own_gateway.api
    media = {"sha256": upload(api, unlike())["sha256"]}
    before = kept(own_gateway)
    reserve(own_gateway, beyond_the_free(own_gateway.settings.data))
    for content in (unlike(), iter([unlike()])):  # the latter without a Content-Length
        refused = api.post("/api/media", content=content, headers=PNG)
        assert code(refused) == (503, "disk_reserve")
        assert int(refused.headers["Retry-After"]) == 60
    assert kept(own_gateway) == before
    assert send(api, media).status_code == 202, "a file that is here already"
    text = {"connection": "shop", "to": ANA, "text": "goes on"}
    assert api.post("/api/messages", json=text).status_code == 202
    reserve(own_gateway, 0)
    upload(api, unlike())


def test_sends_are_refused_below_a_quarter_of_the_reserve(own_gateway: Gateway) -> None:
    """The rest is for Redis and for messages accepted before; no file has to be there for that."""
    api = own_gateway.api
    text = {"connection": "shop", "to": ANA, "text": "goes on"}
    known = {"Idempotency-Key": "before"}
    before = api.post("/api/messages", json=text, headers=known)
    assert before.status_code == 202

    def refused() -> httpx.Response | None:
        answer = api.post("/api/messages", json=text)
        return answer if answer.status_code == 503 else None

    reserve(own_gateway, MORE_THAN_THERE_IS)
    answer = until("sends are refused", refused, 5)
    assert code(answer) == (503, "disk_reserve")
    assert answer.json()["setting"] == "DISK_RESERVE"
    assert int(answer.headers["Retry-After"]) > 0
    again = api.post("/api/messages", json=text, headers=known)
    assert (again.status_code, again.json()["id"]) == (202, before.json()["id"])
    reserve(own_gateway, 0)
    until("sends are accepted", lambda: refused() is None, 5)


def test_an_upload_ends_where_the_reserve_begins(own_gateway: Gateway, small_disk: Path) -> None:
    """Its size is announced by nobody: what was written of it goes again."""
    reserve(own_gateway, 2**19)
    filler = small_disk / "what else there is"
    filler.write_bytes(bytes(300_000))
    pieces = (os.urandom(100_000) for _ in range(4))
    refused = own_gateway.api.post("/api/media", content=pieces, headers=PNG)
    assert code(refused) == (503, "disk_reserve")
    assert kept(own_gateway) == {filler.name}
    filler.unlink()
    upload(own_gateway.api, os.urandom(250_000))


def test_without_a_limit_each_has_its_part_of_the_disk(valkey: Valkey, tmp_path: Path) -> None:
    """Nothing is set; the disk has 4 MB, half of them in parts."""
    with Gateway(tmp_path / "gateway", valkey, max_connections=3, disk_reserve=0) as served:
        served.connect()
        served.connect(OTHER)
        with (
            mount_small_disk(served.settings.media, megabytes=4),
            made(served, ["send"], ["shop"]) as shop,
            made(served, ["send"], ["other"]) as other,
        ):
            answers = [
                shop.post("/api/media", content=os.urandom(100_000), headers=PNG) for _ in range(50)
            ]
            assert sum(one.status_code == 201 for one in answers) > 20, "its part, and the rest"
            refused = answers[-1]
            assert code(refused) == (503, "instance_limit_reached")
            assert refused.json()["setting"] == "MEDIA_LIMIT"
            assert int(refused.headers["Retry-After"]) > 0
            for _ in range(4):
                upload(other, os.urandom(100_000))


def test_a_connection_has_its_bytes_for_the_day(limited: Gateway) -> None:
    """The greedy one waits for the next day; its neighbour notices nothing."""
    with made(limited, ["send"], ["shop"]) as shop, made(limited, ["send"], ["other"]) as other:
        first = upload(shop, os.urandom(600_000))
        began = time.time()
        for content in (os.urandom(400_001), iter([os.urandom(400_001)])):
            refused = shop.post("/api/media", content=content, headers=PNG)
            assert code(refused) == (429, "upload_budget_reached")
            left = DAY - began % DAY
            assert left - 60 < int(refused.headers["Retry-After"]) <= left + 1
        assert kept(limited) == {first["sha256"]}
        upload(other, os.urandom(600_000))
        assert send(shop, {"sha256": first["sha256"]}).status_code == 202
        limited.kill()
        limited.start()
        refused = shop.post("/api/media", content=os.urandom(400_001), headers=PNG)
        assert code(refused) == (429, "upload_budget_reached"), "it outlives the gateway"
        upload(shop, os.urandom(400_000))
        upload(limited.api, os.urandom(700_000))  # a key for all: nobody's
