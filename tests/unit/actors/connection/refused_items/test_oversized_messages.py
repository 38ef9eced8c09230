"""Words that no document has room for are kept as a file, and the message is stored with their beginning."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import pytest
import pytest_asyncio

from actors.config.sources import resolve_settings
from actors.connection.engine import InboxMessage
from actors.connection.refused_items.oversized_messages import (
    EXCERPT_CHARACTERS,
    MAX_DOCUMENT_TEXT_BYTES,
    OversizedMessages,
)
from actors.connection.session.inbox_methods import SessionInbox
from actors.connection.session.session import Session
from actors.media.open_store import open_store
from actors.media.store import StoreFull
from actors.messages.content import (
    Card,
    Contact,
    Document,
    Edit,
    File,
    Image,
    Poll,
    Quote,
    Target,
    decode,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from actors.media.local_files import LocalFiles
    from actors.messages.content import Content

ANA = "15550100002@s.whatsapp.net"
LONG = "words \N{EARTH GLOBE EUROPE-AFRICA}" * (MAX_DOCUMENT_TEXT_BYTES // 5)
PHOTO = File("a" * 64, 7, "image/jpeg", "photo.jpg")
ITS = Target("A", ANA)


@pytest_asyncio.fixture
async def files(tmp_path: Path) -> AsyncIterator[LocalFiles]:
    store = open_store(resolve_settings(data=tmp_path, disk_reserve=0))
    yield store
    await store.close()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with closing(Session.open(tmp_path / "session.db", 1)) as opened:
        yield opened


class Inbox(SessionInbox):
    """The methods that both engines have of the session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def _end_by(self, refusal: Exception) -> None:
        raise refusal

    async def _settled(self, keys: Sequence[int]) -> None:
        """Nothing is held."""


@pytest.fixture
def words(files: LocalFiles, session: Session) -> OversizedMessages:
    return OversizedMessages(files.of("shop"), Inbox(session).count_words)


def item(content: Content | None = None, text: str | None = None) -> dict[str, Any]:
    kind = "text" if content is None else content.type
    encoded = None if content is None else encode(content)
    return asdict(InboxMessage(7, ANA, ANA, "A", 5, kind, text, content=encoded))


async def bytes_of(files: LocalFiles, fitted: dict[str, Any]) -> bytes:
    content = decode(fitted["content"])
    assert isinstance(content, Document)
    found = await files.find(content.file.sha256)
    assert found is not None
    data = found.read_bytes()
    assert (len(data), fitted["kept"]) == (content.file.size, True)
    return data


@pytest.mark.parametrize("character", ["x", "\N{EARTH GLOBE EUROPE-AFRICA}"])
async def test_words_of_whatsapps_own_apps_stay_as_they_are(
    words: OversizedMessages, character: str
) -> None:
    longest = item(text=character * 65_536)
    reply = item(Edit(ITS, character * 65_536))
    assert await words.fitted([longest, reply]) == [longest, reply]


async def test_a_long_text_becomes_a_document_with_its_beginning(
    words: OversizedMessages, files: LocalFiles
) -> None:
    short = item(text="hi")
    before, fitted, after = await words.fitted([short, item(text=LONG), short])
    assert (before, after) == (short, short)
    assert (fitted["type"], fitted["text"], fitted["message_id"]) == (
        "document",
        LONG[:EXCERPT_CHARACTERS],
        "A",
    )
    assert (await bytes_of(files, fitted)).decode() == LONG
    content = decode(fitted["content"])
    assert isinstance(content, Document)
    assert (content.file.name, content.caption) == ("message.txt", LONG[:EXCERPT_CHARACTERS])
    assert len(json.dumps(fitted)) < 10_000


@pytest.mark.parametrize(
    "content",
    [
        Edit(ITS, LONG),
        Poll("?", (LONG, "b"), 0),
        Contact((Card("Ana", LONG),)),
    ],
    ids=lambda content: content.type,
)
async def test_other_words_are_kept_as_they_are_encoded(
    words: OversizedMessages, files: LocalFiles, content: Content
) -> None:
    (fitted,) = await words.fitted([item(content)])
    assert decode((await bytes_of(files, fitted)).decode()) == content
    assert (fitted["type"], fitted["text"]) == ("document", None)


async def test_words_that_a_newer_release_wrote_are_kept_as_well(
    words: OversizedMessages, files: LocalFiles
) -> None:
    newer = {**item(), "type": "hologram", "content": json.dumps({"v": 9, "words": LONG})}
    (fitted,) = await words.fitted([newer])
    assert (await bytes_of(files, fitted)).decode() == newer["content"]


async def test_a_message_with_a_file_goes_on_bringing_it(
    words: OversizedMessages, files: LocalFiles
) -> None:
    image = Image(PHOTO, caption=LONG, reply_to=Quote(ITS, LONG))
    rest, behind = await words.fitted([item(image, LONG)])
    assert decode(rest["content"]) == Image(PHOTO, caption=LONG[:EXCERPT_CHARACTERS])
    assert (rest["type"], rest["text"], rest["message_id"]) == (
        "image",
        LONG[:EXCERPT_CHARACTERS],
        "A",
    )
    assert "kept" not in rest, "its own file is still to be fetched"
    assert behind["message_id"] == "A~words"
    assert (await bytes_of(files, behind)).decode() == LONG


async def test_what_a_file_is_called_may_be_long_too(
    words: OversizedMessages, files: LocalFiles
) -> None:
    named = Document(File("a" * 64, 7, "x" * MAX_DOCUMENT_TEXT_BYTES, LONG))
    rest, behind = await words.fitted([item(named)])
    assert len(rest["content"]) < 2000
    assert decode((await bytes_of(files, behind)).decode()) == named


async def test_words_count_in_the_budgets_of_the_day_as_files_do(
    words: OversizedMessages, session: Session
) -> None:
    """Once, however often the store is away; of the sender and of the connection."""
    ben = "15550100003@s.whatsapp.net"
    whole = {**item(text="short"), "sender": ben, "as_file": True}
    for _ in range(3):
        as_text, as_item, short = await words.fitted([item(text=LONG), whole, item(text="short")])
    sizes = [cast("Document", decode(one["content"])).file.size for one in (as_text, as_item)]
    assert [session.downloads.received_today(one) for one in (ANA, ben)] == sizes
    assert session.downloads.received_today() == sum(sizes)
    assert "kept" not in short


async def test_without_room_for_the_file_the_store_gets_the_message_as_it_is(
    words: OversizedMessages,
    files: LocalFiles,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def full(*_: Any, **__: Any) -> Any:
        raise StoreFull("DISK_RESERVE")

    monkeypatch.setattr(vars(files)["_store"], "add", full)
    long = item(text=LONG)
    assert await words.fitted([long]) == [long]
    assert session.downloads.received_today() == 0


async def test_a_message_that_is_to_be_a_file_is_one_with_all_of_its_item(
    words: OversizedMessages, files: LocalFiles
) -> None:
    """Also one of which no store takes the text."""
    odd = {**item(text="a lone \ud800"), "push_name": "\ud800"}
    (fitted,) = await words.fitted([{**odd, "as_file": True}])
    assert json.loads(await bytes_of(files, fitted)) == odd
    assert (fitted["text"], fitted["push_name"], fitted["type"]) == (None, None, "document")
    assert "as_file" not in fitted
