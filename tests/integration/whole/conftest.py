"""One whole instance that serves ``shop`` for all of this folder: a start costs seconds of all cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.whole.shop import ACCOUNT, SHOP, alerts, becomes
from tests.processes.instance import Instance
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Each test leaves ``shop`` open, and no other connection. None makes the service fail by a mistake of its own.

    The directory's odd name stands in Valkey's configuration, and in words that tell where logs are.
    """
    environment = {
        "HEALTH_CHECK_INTERVAL": "2000",
        "WEBHOOK_URL_PRIVATE": "true",
        "MEDIA_URL_PRIVATE": "true",
    }
    place = tmp_path_factory.mktemp("whole") / 'a "quoted" ünd \\ back'
    with Instance(place, environment) as running:
        running.pair(SHOP, ACCOUNT)
        yield running
        found = running.api.get("/api/alerts", params={"limit": "500"}).raise_for_status().json()
        assert "own_mistake" not in {alert["name"] for alert in found["items"]}


@pytest.fixture
def is_open(instance: Instance) -> Iterator[None]:
    becomes(instance, "open", None)
    until("no alert is left", lambda: not alerts(instance), 20)
    yield
    instance.simulator.delete("/faults")
