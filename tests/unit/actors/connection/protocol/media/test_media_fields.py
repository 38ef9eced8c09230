"""Files in messages: written for others, and read from messages of strangers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from actors.connection.protocol.media.media_fields import (
    MAX_FILE_SIZE,
    is_path,
    media_of,
    transfer_of,
)
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.send.to_proto import Place, write
from actors.connection.protocol.wire_format.nodes import proto
from actors.connection.session.files.pending_downloads import Transfer
from actors.connection.session.files.uploads import Upload
from actors.messages.content import (
    Audio,
    Document,
    File,
    Image,
    Media,
    Quote,
    Sticker,
    Target,
    Video,
)

CHAT = "15550100002@s.whatsapp.net"
ACCOUNT = "15550100001@s.whatsapp.net"
PLACE = Place(CHAT, ACCOUNT, 1_764_000_000.25)
KEY, PLAIN, SEALED = b"k" * 32, b"h" * 32, b"s" * 32
FILE = File(PLAIN.hex(), 5, "image/png")
PATH = "/v/t62.7118-24/1_2_n.enc?ccb=11-4&oh=01_Q5A&oe=68&_nc_sid=5e03e0"
QUOTE = Quote(Target("3EB0AA", CHAT), None)


def upload(kind: str) -> Upload:
    return Upload(kind, KEY, f"https://mmg.example{PATH}", PATH, PLAIN, SEALED, 5, 1_764_000_000.7)


def received(message: Any) -> wrappers.Received:
    found = wrappers.read(message.SerializeToString())
    assert found is not None
    return found


def image(**fields: Any) -> Any:
    part = {
        "directPath": PATH,
        "mediaKey": KEY,
        "fileSha256": PLAIN,
        "fileEncSha256": SEALED,
        "fileLength": 5,
        "mimetype": "image/png",
        **fields,
    }
    return proto.Message.ImageMessage(**part)


def transfer(found: wrappers.Received) -> Transfer | str | None:
    return transfer_of(found, chat=CHAT, sender=CHAT, message_id="A", from_me=False)


@pytest.mark.parametrize(
    "said",
    [
        Image(FILE),
        Image(FILE, "look", QUOTE),
        Video(FILE, "look", 7, QUOTE),
        Audio(FILE),
        Audio(FILE, voice=True, seconds=3, reply_to=QUOTE),
        Document(replace(FILE, name="bill.pdf"), "the bill", QUOTE),
        Document(replace(FILE, name="bill.pdf")),
        Sticker(FILE, animated=True, reply_to=QUOTE),
    ],
)
def test_what_is_written_is_what_is_read(said: Media) -> None:
    plaintext = write(said, PLACE, upload(said.type))
    found = wrappers.read(plaintext)
    assert found is not None
    assert media_of(found, said.reply_to) == said
    part = getattr(found.message, found.part)
    assert (part.url, part.mediaKeyTimestamp) == (f"https://mmg.example{PATH}", 1_764_000_000)
    assert part.contextInfo.stanzaId == ("3EB0AA" if said.reply_to else "")
    assert transfer(found) == Transfer(
        CHAT, CHAT, "A", False, said.type, KEY, PATH, PLAIN, SEALED, 5
    )
    again = write(said, replace(PLACE, at=PLACE.at + 99), upload(said.type))
    assert again == plaintext, "sent again it is the same"


def test_an_envelope_changes_nothing_but_for_what_is_to_be_seen_once() -> None:
    inner = proto.Message(imageMessage=image(caption="look"))
    wrapped = proto.Message()
    wrapped.ephemeralMessage.message.CopyFrom(inner)
    found = received(wrapped)
    assert media_of(found, None) == Image(FILE, "look")
    assert isinstance(transfer(found), Transfer)
    for envelope in ("viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension"):
        once = proto.Message()
        getattr(once.ephemeralMessage.message, envelope).message.CopyFrom(inner)
        assert transfer(received(once)) == "media_view_once"
        assert media_of(received(once), None) == Image(FILE, "look")
    marked = proto.Message(imageMessage=image(viewOnce=True))
    assert transfer(received(marked)) == "media_view_once"


def test_other_names_of_the_same_kinds() -> None:
    note, lottie = proto.Message(), proto.Message()
    for part in (note.ptvMessage, lottie.lottieStickerMessage.message.stickerMessage):
        for field, value in image().ListFields():
            setattr(part, field.name, value)
    assert media_of(received(note), None) == Video(FILE)
    assert media_of(received(lottie), None) == Sticker(FILE)


@pytest.mark.parametrize(
    "fields",
    [
        {"mediaKey": b""},
        {"mediaKey": b"k" * 31},
        {"fileSha256": b""},
        {"fileEncSha256": b"s" * 33},
        {"directPath": "", "url": ""},
        {"directPath": "v/no-slash"},
        {"directPath": "@evil.example/"},
        {"directPath": "/a b"},
        {"directPath": "/a\r\nHost: evil.example"},
        {"directPath": "/" + "x" * 5000},
        {"directPath": "", "url": "https://["},
        {"directPath": "", "url": "mailto:x"},
        {"fileLength": MAX_FILE_SIZE + 1},
        {"fileLength": 2**64 - 1},
    ],
)
def test_a_file_that_cannot_be_fetched_has_an_error(fields: dict[str, Any]) -> None:
    assert transfer(received(proto.Message(imageMessage=image(**fields)))) == "media_unusable"


def test_a_url_says_what_to_ask_and_not_whom() -> None:
    message = proto.Message(imageMessage=image(directPath="", url=f"http://169.254.169.254{PATH}"))
    found = transfer(received(message))
    assert isinstance(found, Transfer)
    assert found.direct_path == PATH


def test_without_a_hash_or_with_a_size_that_none_has_there_is_no_file_to_name() -> None:
    for fields in ({"fileSha256": b"short"}, {"fileLength": 2**64 - 1}):
        assert media_of(received(proto.Message(imageMessage=image(**fields))), None) is None


def test_what_strangers_call_it_is_bounded() -> None:
    message = proto.Message()
    message.documentMessage.fileName = "x" * 10**5
    message.documentMessage.mimetype = "y" * 10**5
    message.documentMessage.fileSha256 = PLAIN
    said = media_of(received(message), None)
    assert isinstance(said, Document)
    assert len(said.file.name or "") <= 1024
    assert len(said.file.mime) <= 128
    assert media_of(received(proto.Message(imageMessage=image(mimetype=""))), None) == Image(
        replace(FILE, mime="image/jpeg")
    )


def test_a_text_has_no_file() -> None:
    found = received(proto.Message(conversation="hi"))
    assert transfer(found) is None
    assert media_of(found, None) is None


@pytest.mark.parametrize("path", ["/", PATH, "/v/%41.enc", "//evil.example/x"])
def test_a_path_is_asked_of_a_known_server_whatever_it_looks_like(path: str) -> None:
    assert is_path(path)
