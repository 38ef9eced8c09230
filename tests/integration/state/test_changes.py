"""G5: reactions, edits, deletes and outcomes of files are there once, wherever the process dies that carries them on."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.session.session import Session
from actors.messages.content import Delete, Edit, File, Image, Reaction, Target, encode
from actors.queue.mirror import mirror_writes
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from actors.state.connections import Connections
from actors.state.documents import MESSAGES, Order, Where
from actors.state.events.log import EventLog
from actors.state.messages.received import incoming, storing
from actors.state.open_store import open_documents
from tests.processes import forked
from tests.processes.valkey import PASSWORD, Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.config.settings import Settings
    from actors.messages.content import Content
    from actors.state.documents import Document

CHILD = Path(__file__).with_name("changing_child.py")
ROOT = Path(__file__).resolve().parents[3]
ANA = "15550100002@s.whatsapp.net"
ACCOUNT = "15550100001@s.whatsapp.net"
OURS = Target("3EB0A1B2C3D4E5F6A7B8C9", None)
HERS = Target("HERS", ANA)
CLOCK = 1_764_000_000


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


async def sent(settings: Settings) -> None:
    """A message of this service is sent and mirrored."""
    redis, documents = connect(settings), open_documents(settings)
    lanes = OutboundQueue(redis, settings)
    await redis.flushdb()
    await Connections(documents).create("shop", id="shop")
    lease = await Leases(redis).take("shop", Owner("test", 1, "node"), now=CLOCK - 10.0)
    accepted = await lanes.accept(
        Send("shop", ANA, "our secret"), message_id=OURS.message_id, now=CLOCK - 9.0
    )
    (job,) = (await lanes.claims.claim("shop", lease.epoch, 1, CLOCK - 8.0)).jobs
    assert job.id == accepted.record.id
    await lanes.claims.complete("shop", lease.epoch, job.id, at=CLOCK - 7.0, now=CLOCK - 7.0)
    await documents.batch(mirror_writes.writes(await lanes.reader.changed("shop", 10)))
    await lanes.close()
    await redis.aclose()
    await documents.close()


async def came(file: Path) -> None:
    """Fills the inbox with messages of a contact and of the account's phone; changes before their message."""
    talk: list[tuple[str, str, str | Content]] = [
        ("EDIT", ANA, Edit(HERS, "her words")),
        ("REACTION", ANA, Reaction(OURS, "👍")),
        ("HERS", ANA, "her wrods"),
        ("FROM-PHONE", ACCOUNT, Reaction(HERS, "🎉")),
        ("DELETE", ACCOUNT, Delete(OURS)),
        ("TAKEN-BACK", ANA, "a mistake"),
        ("SORRY", ANA, Delete(Target("TAKEN-BACK", ANA))),
    ]
    with closing(Session.open(file, 1)) as session:
        async with session.transaction():
            for number, (message_id, sender, said) in enumerate(talk):
                plain = isinstance(said, str)
                session.inbox.add(
                    chat=ANA,
                    sender=sender,
                    message_id=message_id,
                    at=CLOCK + number,
                    type="text" if isinstance(said, str) else said.type,
                    text=said if isinstance(said, str) else None,
                    from_me=sender == ACCOUNT,
                    content=None if plain or isinstance(said, str) else encode(said),
                )


def drained(settings: Settings, file: Path, epoch: int, point: str) -> int:
    asked = {
        "settings": {
            "data": str(settings.data),
            "redis_host": settings.redis_host,
            "redis_port": settings.redis_port,
            "redis_password": PASSWORD,
        },
        "session": str(file),
        "epoch": epoch,
        "point": point,
    }
    with (settings.data / "child.log").open("ab") as log:
        return forked.run(
            [sys.executable, str(CHILD), json.dumps(asked)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
            timeout=60,
        ).returncode


async def messages(settings: Settings) -> dict[str, Document]:
    documents = open_documents(settings)
    try:
        page = await documents.query(
            MESSAGES, where=[Where("connection", "==", "shop")], order=[Order("at")]
        )
    finally:
        await documents.close()
    return {item["message_id"]: item for item in page.items}


@pytest.mark.parametrize(
    "point",
    [
        "before_store",
        "after_store",
        "before_redacting",
        "after_redacting",
        "before_settling_commit",
    ],
)
async def test_killed_while_changes_are_carried_on(
    valkey: Valkey, tmp_path: Path, point: str
) -> None:
    settings = valkey.settings().model_copy(update={"data": tmp_path})
    settings.save()
    file = tmp_path / "session.db"
    await sent(settings)
    await came(file)
    begun = time.monotonic()
    died = drained(settings, file, 2, point)
    log = (tmp_path / "child.log").read_text()[-2000:]
    assert died == -signal.SIGKILL, log
    with closing(Session.open(file, 3)) as session:
        waiting = len(session.inbox.pending("message", 100))
    assert waiting == 7, "what is not settled stays"
    print(f"{point}: {waiting} in flight at the kill, after {time.monotonic() - begun:.1f} s")
    assert drained(settings, file, 4, "none") == 0, (tmp_path / "child.log").read_text()[-2000:]
    with closing(Session.open(file, 5)) as session:
        assert session.inbox.pending("message", 100) == []
    found = await messages(settings)
    assert len(found) == 8
    assert shown(found["HERS"]) == ("her wrods", ["her words"], {"me": "🎉"}, False)
    assert shown(found[OURS.message_id]) == (None, [], {}, True)
    assert shown(found["TAKEN-BACK"]) == (None, [], {}, True)
    redis = connect(settings)
    record = await OutboundQueue(redis, settings).reader.get(f"shop.{OURS.message_id}")
    await redis.aclose()
    assert record is not None
    assert (record.redacted, record.text) == (True, "")
    assert not any(word in str(found) for word in ("secret", "mistake"))


async def test_killed_while_the_outcome_of_a_file_is_carried_on(
    valkey: Valkey, tmp_path: Path
) -> None:
    """The event of a file is there once: killed before it is written, and after, but before that is known."""
    settings = valkey.settings().model_copy(update={"data": tmp_path})
    settings.save()
    file = tmp_path / "session.db"
    content = encode(Image(File("ab" * 32, 5, "image/png")))
    item = {"chat": ANA, "sender": ANA, "message_id": "PICTURE", "at": CLOCK, "key": 1}
    message = incoming("shop", {**item, "type": "image", "text": None, "content": content}, CLOCK)
    documents = open_documents(settings)
    await Connections(documents).create("shop", id="shop")
    log = EventLog(documents)
    await log.want(time.time() + 1000)
    await documents.batch([storing(message)])
    with closing(Session.open(file, 1)) as session:
        async with session.transaction():
            session.downloads.add_file(ANA, ANA, "PICTURE", "stored")
    seen = []
    for number, point in enumerate(("before_store", "after_store", "none")):
        died = drained(settings, file, 2 + 2 * number, point)
        assert died == (0 if point == "none" else -signal.SIGKILL), (
            tmp_path / "child.log"
        ).read_text()[-2000:]
        with closing(Session.open(file, 3 + 2 * number)) as session:
            waiting = len(session.inbox.pending("file", 10))
        kinds = [each.event.type for each in (await log.after(0)).events]
        seen.append((waiting, kinds.count("message.media")))
    await documents.close()
    assert seen == [(1, 0), (1, 1), (0, 1)]


def shown(document: Document) -> tuple[Any, list[str], dict[str, str], bool]:
    changes = document["changes"]
    return (
        document["text"],
        [edit["text"] for edit in changes.get("edits", ())],
        {who: one["emoji"] for who, one in changes.get("reactions", {}).items()},
        "deleted" in changes,
    )
