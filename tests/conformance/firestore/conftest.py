"""Google's own client on the project's emulator; each test has a collection of its own."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from google.cloud import firestore as google

from tests.processes.firestore import Firestore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firestore]:
    with Firestore(tmp_path_factory.mktemp("firestore"), indexes=None) as started:
        yield started


@pytest.fixture
def connect(server: Firestore, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes a client, as a further process would."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", server.host)

    def client(kind: Any = google.Client, **more: Any) -> Any:
        return kind(project="demo", **more)

    return client


@pytest.fixture
def client(connect: Callable[..., Any]) -> Any:
    return connect()


@pytest.fixture
def things(client: Any) -> Any:
    return client.collection(f"things_{uuid.uuid4().hex}")


@pytest.fixture
def filled(things: Any) -> Any:
    """Ten documents ``d00`` to ``d09``."""
    for n in range(10):
        things.document(f"d{n:02}").set(
            {"i": n, "g": ("even", "odd")[n % 2], "m": {"x": n}, "tags": [f"t{n % 3}"]}
        )
    return things
