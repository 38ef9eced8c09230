"""The programs of `docs/programs.md` as they stand there; they are killed, and the service too."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Self

import httpx
import pytest

from tests.integration.whole.messages.test_kinds import says
from tests.integration.whole.operations.pages import DOCS
from tests.integration.whole.shop import CONTACT
from tests.processes.instance import API_KEY, TEIMOSO
from tests.processes.valkey import free_port
from tests.run.figures import first_message
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.processes.instance import Instance
    from tests.run.figures import Figure

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]

INTERPRETERS = {".py": sys.executable, ".mjs": "node"}


class Program:
    """One of the programs, in a directory of its own."""

    def __init__(self, name: str, place: Path, **environment: str) -> None:
        self._interpreter = INTERPRETERS[name[name.index(".") :]]
        if shutil.which(self._interpreter) is None:
            pytest.skip(f"{self._interpreter} is not installed here")
        self._source = DOCS / "programs" / name
        self._environment = {"PATH": os.environ["PATH"], **environment}
        self.place = place
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [self._interpreter, str(self._source)],
            cwd=self.place,
            env=self._environment,
            stdin=subprocess.DEVNULL,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        status = self._process.wait()
        assert status == -signal.SIGKILL, f"{self._source.name} ended by itself: {status}"


def pongs(instance: Instance) -> list[str]:
    """To which messages the contact has got an answer."""
    return [
        one["content"]["reply_to"]["id"] for one in instance.inbox(CONTACT) if one["text"] == "pong"
    ]


def answered(instance: Instance, *pings: str) -> None:
    until("each is answered", lambda: set(pings) <= set(pongs(instance)) or None, 30)


@pytest.mark.parametrize("name", ["bot.py", "bot.mjs"])
def test_a_bot_answers_each_message_once(
    instance: Instance, name: str, tmp_path: Path, figure: Figure
) -> None:
    bot = Program(
        name,
        tmp_path,
        TEIMOSO_URL=f"http://127.0.0.1:{instance.port}",
        TEIMOSO_API_KEY=API_KEY,
    )
    place, started = tmp_path / "bot.place", time.monotonic()
    with bot:
        until("it reads", lambda: place.exists() or None, 20)
        begun = place.read_text()
        says(instance, text="not for it")
        first = says(instance, text="Ping")["message_id"]
        answered(instance, first)
        first_message(figure, f"docs/programs/{name}", started)
    missed = [says(instance, text="ping")["message_id"] for _ in range(3)]
    place.write_text(begun)  # as if it had died between each answer and its note
    with bot:
        answered(instance, *missed)
        instance.kill("gateway")
        last = says(instance, text=" PING ")["message_id"]
        answered(instance, last)
        until("all is noted", lambda: place.read_text() != begun or None, 20)
    counted = [each for each in pongs(instance) if each in {first, *missed, last}]
    assert sorted(counted) == sorted([first, *missed, last])


@pytest.fixture
def webhook(instance: Instance) -> Iterator[tuple[int, str, str]]:
    """A port, and the id and the secret of a webhook that leads there."""
    port = free_port()
    body = {"url": f"http://127.0.0.1:{port}/", "events": ["message.received"]}
    made = instance.api.post("/api/webhooks", json=body).raise_for_status().json()
    yield port, made["id"], made["secret"]
    instance.api.delete(f"/api/webhooks/{made['id']}").raise_for_status()


def kept(place: Path) -> dict[str, bytes]:
    """The events that a receiver has, by their ids."""
    if (place / "events").exists():
        return {each.stem: each.read_bytes() for each in (place / "events").glob("*.json")}
    if not (place / "receiver.sqlite").exists():
        return {}
    with closing(sqlite3.connect(place / "receiver.sqlite")) as store:
        return dict(store.execute("SELECT id, event FROM events").fetchall())


@pytest.mark.parametrize("name", ["receiver.py", "receiver.mjs"])
def test_a_receiver_keeps_each_event_once(
    instance: Instance,
    webhook: tuple[int, str, str],
    name: str,
    tmp_path: Path,
    figure: Figure,
) -> None:
    (port, identity, secret), started = webhook, time.monotonic()
    receiver = Program(name, tmp_path, TEIMOSO_WEBHOOK_SECRET=secret, PORT=str(port))

    def comes(message: str) -> str:
        [key] = until(
            "its event is kept",
            lambda: [k for k, event in kept(tmp_path).items() if message.encode() in event] or None,
            40,
        )
        return str(key)

    with receiver:
        first = comes(says(instance, text="to be kept")["id"])
        first_message(figure, f"docs/programs/{name}", started)
        path = f"/api/webhooks/{identity}/deliveries"
        delivery, *_ = until(
            "it is delivered",
            lambda: instance.api.get(path, params={"status": "delivered"}).json()["items"] or None,
            20,
        )
        assert delivery["event_id"] == first
        before = kept(tmp_path)
        instance.api.post(f"{path}/{delivery['id']}/redeliver").raise_for_status()
        second = comes(says(instance, text="behind it")["id"])
        assert set(kept(tmp_path)) == {*before, second}
        forged = httpx.post(
            f"http://127.0.0.1:{port}/",
            content=before[first],
            headers={"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,x"},
        )
        assert forged.status_code == 401
    third = says(instance, text="while it is away")["id"]
    with receiver:
        comes(third)
    assert len(kept(tmp_path)) == 3


def test_a_message_of_cron_leaves_once_a_day(instance: Instance, figure: Figure) -> None:
    page = (DOCS / "programs.md").read_text()
    [table] = re.findall(r"```crontab\n(.*?)```", page, re.DOTALL)
    *environment, line = table.splitlines()
    assert [each.partition("=")[0] for each in environment] == ["TEIMOSO_API_KEY", "TEIMOSO_DATA"]
    command = (
        line.split(None, 5)[5]
        .replace(r"\%", "%")
        .replace("/usr/local/bin/teimoso", shlex.quote(str(TEIMOSO)))
    )
    started = time.monotonic()
    for repeated in (False, True):
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env={
                "PATH": "/usr/bin:/bin",
                "TEIMOSO_API_KEY": API_KEY,
                "TEIMOSO_DATA": str(instance.data),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        if not repeated:
            first_message(figure, "cron of docs/programs.md", started)
    came = [one for one in instance.inbox(CONTACT) if one["text"] == "We are open"]
    assert len(came) == 1
