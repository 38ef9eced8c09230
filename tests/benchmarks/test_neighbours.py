"""The time of a send of one tenant beside another one that reads, searches and links to a hostile page as fast as it can.

Quiet and loud rounds take turns on one gateway, and the sends of all rounds of a kind are compared.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors.state.open_store import open_documents
from gateway.webhooks.reader_limits import ReaderLimits
from tests.benchmarks.figures import Figure, Figures, share
from tests.benchmarks.load.backlog import fill
from tests.benchmarks.load.greedy import READERS
from tests.integration.gateway.served import OTHER, SHOP, Gateway
from tests.integration.gateway.webhooks.stored_messages import store_messages
from tests.processes.valkey import Valkey
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.config.settings import Settings

GREEDY = Path(__file__).parent / "load" / "greedy.py"
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SENDS, PAUSE = 200, 0.02
"""Sends of a round, and the seconds between two of them."""

EVENTS, SEARCHED = 20_000, 1_000
HOSTILE = "a" + "\u0315\u0300" * 8_000
"""A text that is slow to compare."""


async def fill_store(settings: Settings) -> None:
    """Events of the tenant that sends, and messages of the greedy one with long texts among them."""
    documents = open_documents(settings)
    await ReaderLimits(documents, days=7, quota=UNLIMITED).want()
    await store_messages(documents, 0, EVENTS, SHOP, size=10, more=" of some words" * 20)
    await documents.close()
    await fill(settings, OTHER, range(SEARCHED))
    documents = open_documents(settings)
    await store_messages(documents, EVENTS, 20, OTHER, more=HOSTILE)
    await documents.close()


@contextmanager
def greedy(gateway: Gateway, key: str) -> Iterator[None]:
    """Another tenant takes all that it gets."""
    words = [str(gateway.port), key, "other"]
    process = subprocess.Popen([sys.executable, GREEDY, *words], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"greedy\n"
        yield
        assert process.poll() is None, "it was greedy to the end"
    finally:
        process.kill()
        process.communicate()


def sends(gateway: Gateway) -> list[float]:
    """Milliseconds of each send of a round."""
    times = []
    for number in range(SENDS):
        body = {"connection": "shop", "to": "15550100002", "text": f"text {number}"}
        began = time.perf_counter()
        gateway.api.post("/api/messages", json=body).raise_for_status()
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(PAUSE)
    return times


@pytest.mark.holds_loop("a benchmark measures what holds the loop, and fails for none of it")
@pytest.mark.timeout(600)
def test_a_send_beside_a_greedy_neighbour(figures: Figures, tmp_path: Path) -> None:
    quiet: list[float] = []
    loud: list[float] = []
    flags = {
        "rate_limit": 100_000_000,
        "media_url_private": True,
        "event_readers_per_connection": 2 * READERS,
        "max_event_readers": 10 * READERS,
    }
    with (
        Valkey(tmp_path / "valkey") as valkey,
        Gateway(tmp_path / "gateway", valkey, **flags) as gateway,
    ):
        for connection in (SHOP, OTHER):
            gateway.connect(connection)
        asyncio.run(fill_store(gateway.settings))
        made = {"name": "greedy", "scopes": ["read", "send"], "connections": ["other"]}
        key = gateway.api.post("/api/keys", json=made).raise_for_status().json()["key"]
        sends(gateway)
        assert gateway.process is not None
        for _ in range(ROUNDS):
            quiet += sends(gateway)
            with greedy(gateway, key), share(gateway.process.pid) as spent:
                loud += sends(gateway)
    figures.add(
        Figure(
            "p99 of a send beside a greedy neighbour",
            p99(loud),
            "ms",
            against=p99(quiet),
            at_most=3,
            remarks={
                "p50": f"{middle(loud):.1f} ms (quiet {middle(quiet):.1f})",
                "worst": f"{max(loud):.0f} ms (quiet {max(quiet):.0f})",
                "gateway": f"{spent.value:.0%}",
            },
        )
    )


def p99(times: list[float]) -> float:
    return sorted(times)[len(times) * 99 // 100]


def middle(times: list[float]) -> float:
    return sorted(times)[len(times) // 2]
