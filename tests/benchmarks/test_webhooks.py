"""Events a second to an endpoint that takes 150 ms, beside what that endpoint takes of a bare client."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import pytest

from actors.state.open_store import open_documents
from gateway.webhooks.requests.http_post import PER_ENDPOINT
from tests.benchmarks.figures import Figure, Figures, median, share, turns
from tests.integration.gateway.receiver import Receiver, add
from tests.integration.gateway.served import ROOT, Gateway
from tests.integration.gateway.webhooks.stored_messages import store_messages
from tests.processes import forked
from tests.processes.valkey import Valkey
from tests.waits import until

if TYPE_CHECKING:
    from pathlib import Path

CHATS = 50
SECONDS = 0.15
EVENTS = 600
ROUNDS = 3


@pytest.mark.timeout(300)
def test_events_to_a_slow_endpoint(figures: Figures, tmp_path: Path) -> None:
    """As many requests at a time from both; one of each chat, of which there are fifty."""
    product: list[float] = []
    bare: list[float] = []
    with (
        Valkey(tmp_path / "valkey") as valkey,
        Gateway(tmp_path / "gateway", valkey, webhook_url_private=True) as gateway,
    ):
        gateway.connect()
        assert gateway.process is not None

        def through_the_product(number: int) -> None:
            with Receiver() as receiver:
                receiver.seconds = SECONDS
                made = add(gateway.api, receiver)
                product.append(asyncio.run(delivered(gateway, receiver, number)))
                gateway.api.delete(f"/api/webhooks/{made['id']}")
                assert receiver.most_of_chat == 1
                assert len(set(receiver.texts)) == len(receiver.taken)

        def alone(_: int) -> None:
            with Receiver() as receiver:
                receiver.seconds = SECONDS
                bare.append(posted(receiver))

        with share(gateway.process.pid) as spent:
            for number in range(ROUNDS):
                for side in turns(number, through_the_product, alone):
                    side(number)
    figures.add(
        Figure(
            f"events a second to an endpoint that takes {SECONDS * 1000:.0f} ms, {CHATS} chats",
            median(product),
            "/s",
            against=median(bare),
            at_least=0.6,
            remarks={
                "at a time": PER_ENDPOINT,
                "the aim": "100 /s",
                "gateway's ms of a core an event": 1000 * spent.seconds / (ROUNDS * EVENTS),
            },
        )
    )


async def delivered(gateway: Gateway, receiver: Receiver, number: int) -> float:
    """Events a second, from the first that is taken to the last."""
    documents = open_documents(gateway.settings)
    try:
        await store_messages(documents, number * EVENTS, EVENTS, size=50, chats=CHATS)
    finally:
        await documents.close()
    await asyncio.to_thread(until, "the first is taken", lambda: receiver.taken, 60)
    begun, before = time.perf_counter(), len(receiver.taken)
    await asyncio.to_thread(until, "all are taken", lambda: len(receiver.taken) >= EVENTS, 240)
    return (EVENTS - before) / (time.perf_counter() - begun)


def posted(receiver: Receiver) -> float:
    """Requests a second of a client that does nothing else, to the same endpoint."""
    words = ("-m", "tests.benchmarks.bare.bare_poster", receiver.url, EVENTS, PER_ENDPOINT)
    ran = forked.run(
        [sys.executable, *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0, ran.stderr
    return float(ran.stdout)
