"""A tenant that asks without a pause, by many keys, takes no request of another's (G13)."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.integration.gateway.served import OTHER, SHOP, Gateway
from tests.integration.gateway.tenants.conftest import CONNECTIONS, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.gateway.served import Api
    from tests.processes.valkey import Valkey

TO = "15550100002"
SENDS = 15
ASKED = 300

LIMITS = {
    "connection": ({"rate_limit": 60, "max_requests": 0}, (429, "rate_limited", "RATE_LIMIT")),
    "instance": (
        {"rate_limit": 0, "max_requests": 200},  # 20 for each, and 100 in the order of arrival
        (503, "instance_limit_reached", "MAX_REQUESTS"),
    ),
}


@contextmanager
def asking(callers: list[Api]) -> Iterator[Counter[tuple[int, str, str]]]:
    """Each caller lists what waits, as fast as it goes; by refusal how often."""
    refusals = Counter[tuple[int, str, str]]()
    over, begun = threading.Event(), threading.Barrier(len(callers) + 1)

    def run(caller: Api) -> None:
        begun.wait(30)
        while not over.is_set():
            answer = caller.get("/api/queue")
            if answer.status_code != 200:
                problem = answer.json()
                assert int(answer.headers["retry-after"]) > 0
                assert problem["setting"] in problem["detail"]
                refusals[answer.status_code, problem["code"], problem["setting"]] += 1

    threads = [threading.Thread(target=run, args=(each,), name="greedy") for each in callers]
    for each in threads:
        each.start()
    try:
        begun.wait(30)
        yield refusals
    finally:
        over.set()
        for each in threads:
            each.join(30)


@pytest.mark.parametrize("of", LIMITS)
def test_requests(of: str, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> None:
    flags, refusal = LIMITS[of]
    directory = tmp_path_factory.mktemp("rates")
    with (
        Gateway(directory, valkey, max_connections=CONNECTIONS, **flags) as gateway,
        ExitStack() as open_clients,
    ):
        for connection in (SHOP, OTHER):
            gateway.connect(connection)
        greedy = [open_clients.enter_context(key_of(gateway, "shop")) for _ in range(3)]
        modest = open_clients.enter_context(key_of(gateway, "other"))
        with asking(greedy) as refusals:
            gateway.until(lambda: refusals.total() > ASKED, 60)
            sent = []
            for number in range(SENDS):
                body = {"connection": "other", "to": TO, "text": f"{number}"}
                answer = modest.post("/api/messages", json=body)
                assert answer.status_code == 202, f"send {number}: {answer.text}"
                sent.append(answer.json()["id"])
        assert set(refusals) == {refusal}
        waiting = [modest.get(f"/api/messages/{each}").json() for each in sent[-3:]]
        assert [each["text"] for each in waiting] == ["12", "13", "14"]
        accepted = [each["queued_at"] for each in waiting]
        assert accepted == sorted(accepted)
