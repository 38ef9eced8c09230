"""Files, both ways, on a whole instance; the simulator is the judge of what leaves."""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.integration.gateway.receiver import Receiver, add
from tests.integration.whole.messages.test_kinds import arrived, becomes, says, sends
from tests.integration.whole.shop import ACCOUNT, CONTACT, SHOP, STRANGER, fault, struck
from tests.media_samples import made, needs_ffmpeg, probed, wav
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.processes.instance import Instance

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]


@pytest.fixture
def receiver(instance: Instance) -> Iterator[Receiver]:
    """The endpoint of a webhook for messages that arrive, and for their files."""
    with Receiver() as started:
        made = add(instance.api, started, events=["message.received", "message.media"])
        yield started
        instance.api.delete(f"/api/webhooks/{made['id']}").raise_for_status()


def events_about(receiver: Receiver, identity: str) -> list[dict[str, Any]]:
    """Returns the events of a message, once its file's is among them."""

    def look() -> list[dict[str, Any]] | None:
        events = [each for each in receiver.taken if each["data"]["id"] == identity]
        return events if any(each["type"] == "message.media" for each in events) else None

    found: list[dict[str, Any]] = until("its file's event came", look, 30)
    return found


def settles(instance: Instance, identity: str) -> dict[str, Any]:
    """Returns the message's file, once its outcome is reported."""

    def look() -> dict[str, Any] | None:
        media: dict[str, Any] = instance.message(identity)["media"]
        return media if media["state"] != "pending" else None

    found: dict[str, Any] = until("its file is settled", look, 30)
    return found


def test_a_file_goes_out_and_comes_in(instance: Instance, receiver: Receiver) -> None:
    data = os.urandom(300_000)
    up = instance.api.post(
        "/api/media", content=data, headers={"Content-Type": "application/pdf"}
    ).json()
    sent = sends(
        instance,
        type="document",
        media={"sha256": up["sha256"]},
        name="bill.pdf",
        caption="a bill",
    )
    got = arrived(instance, sent["message_id"])
    assert (got["type"], got["text"], got["content"]["media"]) == ("document", "a bill", "ok")
    assert got["content"]["sha256"] == up["sha256"] == hashlib.sha256(data).hexdigest()
    assert got["content"]["file_name"] == "bill.pdf"
    theirs = os.urandom(200_000)
    came = says(
        instance,
        type="image",
        data=base64.b64encode(theirs).decode(),
        text="look",
        reply_to=got["id"],
    )
    assert (came["type"], came["text"], came["reply_to"]["message_id"]) == (
        "image",
        "look",
        got["id"],
    )
    media = settles(instance, came["id"])
    assert (media["state"], media["size"]) == ("stored", len(theirs))
    assert instance.api.get(media["url"]).content == theirs
    received, event = events_about(receiver, came["id"])
    assert (received["type"], event["type"]) == ("message.received", "message.media")
    assert event["data"]["media"] == media
    assert event["data"]["author"] == received["data"]["author"] == came["author"]
    own = says(instance, f"phones/{ACCOUNT}", type="audio", size=5000, ptt=True)
    assert (own["direction"], own["content"]["voice"]) == ("out", True)
    assert settles(instance, own["id"])["state"] == "stored"
    (event,) = events_about(receiver, own["id"])
    assert (event["data"]["direction"], event["data"]["media"]["state"]) == ("out", "stored")


def test_a_webhook_gets_a_message_with_its_file(instance: Instance) -> None:
    """Once its file is there, and another chat goes on until then; the gateway is killed meanwhile."""
    data = os.urandom(50_000)
    files = {"media": "wait", "media_wait": 120, "base64": True}
    with Receiver() as receiver:
        made = add(instance.api, receiver, events=["message.received"], **files)
        held = fault(instance, "hold_files")
        body = {"to": ACCOUNT, "type": "image", "data": base64.b64encode(data).decode()}
        said = instance.simulator.post(f"/contacts/{CONTACT}/say", json=body).json()["id"]
        until("the file is on its way", lambda: struck(instance, held), 30)
        other = instance.simulator.post(
            f"/contacts/{STRANGER}/say", json={"to": ACCOUNT, "text": "meanwhile"}
        ).json()["id"]
        until("another chat goes on", lambda: receiver.taken, 30)
        assert [each["data"]["message_id"] for each in receiver.taken] == [other]
        instance.kill("gateway")
        instance.simulator.delete("/faults")
        until("the message came", lambda: said in _named(receiver), 60)
        instance.api.delete(f"/api/webhooks/{made['id']}").raise_for_status()
    (media,) = [each["data"]["media"] for each in receiver.taken if _is(each, said)]
    assert (media["state"], media["base64_omitted"]) == ("stored", None)
    assert base64.b64decode(media["base64"]) == data


def _named(receiver: Receiver) -> set[str]:
    return {each["data"]["message_id"] for each in receiver.taken}


def _is(event: dict[str, Any], message_id: str) -> bool:
    return bool(event["data"]["message_id"] == message_id)


def test_a_killed_connection_fetches_what_waits(instance: Instance, receiver: Receiver) -> None:
    """G5, G8: the message has `pending` until its file is there, fetched by the first or a later owner.

    There is one event of each file, then.
    """
    held = fault(instance, "hold_files")
    sizes = [2**20 + number for number in range(3)]
    ids = []
    for size in sizes:
        said = instance.simulator.post(
            f"/contacts/{CONTACT}/say", json={"to": ACCOUNT, "type": "document", "size": size}
        )
        ids.append(said.json()["id"])

    def stored() -> list[dict[str, Any]] | None:
        listed = [one for one in instance.messages(connection="shop") if one["message_id"] in ids]
        return listed if len(listed) == len(ids) else None

    listed: list[dict[str, Any]] = until("the messages are stored", stored, 30)
    until("a file is on its way", lambda: struck(instance, held), 30)
    instance.kill("connection", "shop")
    assert {instance.message(one["id"])["media"]["state"] for one in listed} == {"pending"}
    instance.simulator.delete("/faults")
    for one in listed:
        media = settles(instance, one["id"])
        assert media["state"] == "stored"
        assert media["size"] in sizes
        head = instance.api.head(media["url"])
        assert head.headers["content-length"] == str(media["size"])
        kinds = [event["type"] for event in events_about(receiver, one["id"])]
        assert kinds == ["message.received", "message.media"]
    becomes(instance, listed[0]["id"], status="received")


@needs_ffmpeg
def test_a_voice_note_and_a_video_of_other_formats_arrive_as_apps_play_them(
    instance: Instance, tmp_path: Path
) -> None:
    """Through a death of the connection in the midst; one that cannot be converted is dead with its reason."""
    tone = keeps(instance, wav(tmp_path), "audio/wav")
    sent = sends(instance, type="audio", voice=True, media=tone)
    got = arrived(instance, sent["message_id"])["content"]
    assert (got["media"], got["mimetype"]) == ("ok", "audio/ogg; codecs=opus")
    assert (got["seconds"], len(base64.b64decode(got["waveform"]))) == (3, 64)
    assert probed(shown(instance, sent))["codecs"] == {"audio": "opus"}
    assert instance.message(sent["id"])["media"]["sha256"] == tone["sha256"]

    film = ("-f", "lavfi", "-i", "testsrc2=duration=15:size=320x240:rate=25", "-q:v", "9")
    long = keeps(instance, made(tmp_path / "a.avi", *film), "video/x-msvideo")
    body: dict[str, Any] = {
        "connection": SHOP,
        "to": CONTACT,
        "type": "video",
        "media": long,
    }
    key = {"Idempotency-Key": "a long film"}
    accepted = instance.api.post("/api/messages", json=body, headers=key)
    assert accepted.status_code == 202, accepted.text
    owner = instance.process("connection", SHOP)
    until("it is being converted", lambda: "ffmpeg" in names_below(owner), 30)
    owner.kill()
    until("it arrived", lambda: instance.message(accepted.json()["id"])["sent_at"], 120)
    again = instance.api.post("/api/messages", json=body, headers=key)
    assert again.json()["id"] == accepted.json()["id"]
    found = [one for one in instance.inbox(CONTACT) if one["id"] == accepted.json()["message_id"]]
    assert len(found) == 1
    content = found[0]["content"]
    assert (content["media"], content["width"], content["height"]) == ("ok", 320, 240)
    assert base64.b64decode(content["thumbnail"]).startswith(b"\xff\xd8\xff")
    assert probed(shown(instance, accepted.json()))["codecs"] == {"video": "h264"}

    noise = keeps(instance, os.urandom(9000), "audio/mpeg")
    body |= {"type": "audio", "media": noise}
    identity = instance.api.post("/api/messages", json=body | {"voice": True}).json()["id"]
    until("it is dead", lambda: instance.message(identity)["status"] == "dead", 30)
    assert instance.message(identity)["error"] == "media_not_converted"


def keeps(instance: Instance, content: bytes, mime: str) -> dict[str, str]:
    """Uploads a file; its name in a send."""
    answer = instance.api.post("/api/media", content=content, headers={"Content-Type": mime})
    return {"sha256": answer.raise_for_status().json()["sha256"]}


def shown(instance: Instance, message: dict[str, Any]) -> bytes:
    """The file of a message, as the contact's phone shows it."""
    return instance.simulator.get(f"/media/{message['message_id']}").raise_for_status().content


def names_below(owner: psutil.Process) -> set[str]:
    """The names of the processes that this one started."""
    found = set()
    for child in owner.children(recursive=True):
        with suppress(psutil.Error):
            found.add(child.name())
    return found
