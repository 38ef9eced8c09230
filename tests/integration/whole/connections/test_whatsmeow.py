"""A connection on a whole instance, beside another one: its process and its program die."""

from __future__ import annotations

import base64
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.connection.whatsmeow.program import executable
from tests.integration.gateway.reader import KEY_HEADER, Reader
from tests.integration.whole.shop import ACCOUNT as SHOPS
from tests.integration.whole.shop import SHOP
from tests.media_samples import needs_ffmpeg, probed, wav
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

    from tests.processes.instance import Instance

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("is_open")]

STALL, ACCOUNT, CONTACT = "stall", "15550100061", "15550100062"


@pytest.fixture(scope="module")
def stall(instance: Instance) -> Iterator[str]:
    try:
        instance.pair(STALL, ACCOUNT)
        session = instance.data / "sessions" / instance.incarnation(STALL)
        assert (session / executable.DATABASE).exists()
        yield STALL
    finally:
        instance.api.delete(f"/api/connections/{STALL}").raise_for_status()
    until("it is removed", lambda: not session.exists(), 20)


def sends(instance: Instance, connection: str, text: str) -> dict[str, Any]:
    """A message that the contact read."""
    accepted = instance.api.post(
        "/api/messages", json={"connection": connection, "to": CONTACT, "text": text}
    )
    assert accepted.status_code == 202, accepted.text
    identity = accepted.json()["id"]
    until("it is read", lambda: instance.message(identity)["status"] == "read", 20)
    # An uncertain message goes again under its id, and the contact shows it once (G3).
    assert len({one["id"] for one in instance.inbox(CONTACT) if one["text"] == text}) == 1
    return instance.message(identity)


def hears(instance: Instance, connection: str, account: str, text: str) -> None:
    instance.say(CONTACT, account, text)

    def stored() -> bool:
        found = instance.messages(connection=connection, direction="in")
        return text in [one["text"] for one in found]

    until("it is stored", stored, 20)


def measured(instance: Instance, name: str, **labels: str) -> float:
    """A series of `/metrics`; 0 where there is none."""
    for family in text_string_to_metric_families(instance.api.get("/metrics").text):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return 0.0


def test_it_keeps_both_promises_over_deaths_of_its_process_and_of_its_program(
    instance: Instance, stall: str
) -> None:
    """G3, G5, G7, G8, G10: the same ids outside and inside, no second QR, nothing of people in a log."""
    shop = instance.process("connection", SHOP).pid
    seen = instance.connection(stall)
    first = sends(instance, stall, "from the stall")
    assert first["message_id"] in [one["id"] for one in instance.inbox(CONTACT)]
    hears(instance, stall, ACCOUNT, "to the stall")

    def program() -> psutil.Process:
        """The child of the process that serves it; the root's own list has no programs."""
        (found,) = instance.process("connection", stall).children()
        return found

    programs = [one for one in instance.status()["processes"] if one["role"] == "program"]
    (shown,) = (one for one in programs if one["connection"] == stall)
    assert shown["pid"] == program().pid
    assert shown["memory_bytes"] > 10 * 2**20
    assert shown["cpu_seconds"] > 0
    epoch, former = seen["epoch"], program().pid
    instance.kill("connection", stall)

    def again() -> bool:
        now = instance.connection(stall)
        return bool(now["state"] == "open" and now["epoch"] > epoch)

    until("it is open again", again, 20)
    until("its program went with it", lambda: not Path(f"/proc/{former}").exists(), 10)
    sends(instance, stall, "from the next one of the stall")
    hears(instance, stall, ACCOUNT, "to the next one")

    owner = instance.process("connection", stall).pid
    restarts = measured(instance, "teimoso_restarts_total", cause="crashed", role="program")
    killed = program()
    killed.kill()
    sends(instance, stall, "by the next program")
    hears(instance, stall, ACCOUNT, "to the next program")
    assert instance.process("connection", stall).pid == owner, "its actor was ended"
    until(
        "Prometheus sees the next one",
        lambda: (
            measured(instance, "teimoso_restarts_total", cause="crashed", role="program")
            == restarts + 1
        ),
        20,
    )
    of_program = {"connection": stall, "role": "program"}
    until(
        "Prometheus sees its memory, also that of one measured as it began",
        lambda: (
            10 * 2**20 < measured(instance, "teimoso_process_memory_bytes", **of_program) < 2**30
        ),
        30,
    )
    assert measured(instance, "teimoso_process_cpu_seconds_total", **of_program) > 0
    assert 0 < measured(instance, "teimoso_process_uptime_seconds", **of_program) < 60
    title = f"{instance.incarnation(stall)}, program {program().pid}"
    until(
        "its title names it",
        lambda: " ".join(instance.process("connection", stall).cmdline()).rstrip().endswith(title),
        20,
    )
    assert instance.process("connection", SHOP).pid == shop, "its neighbour was disturbed"
    logs = (instance.data / "logs").glob("connection*")
    words = "".join(path.read_text(errors="replace") for path in logs)
    assert "program.died" in words
    assert not [one for one in (ACCOUNT, CONTACT, "the stall") if one in words]


def test_mentions_between_the_engines(instance: Instance, stall: str) -> None:
    """Each engine writes them as the group is addressed, and reads the other's under the service's addresses."""
    accounts = {SHOP: SHOPS, stall: ACCOUNT}
    for addressing in ("lid", "pn"):
        people = {"creator": CONTACT, "participants": [SHOPS, ACCOUNT], "addressing": addressing}
        made = instance.simulator.post("/groups", json={"subject": "Market", **people})
        group = made.raise_for_status().json()["id"]
        for speaker, hearer in ((SHOP, stall), (stall, SHOP)):
            text = f"@{accounts[hearer]} comes, says {speaker} by {addressing}"
            for mentions in ([accounts[hearer]], "all"):
                body = {"connection": speaker, "to": group, "text": text, "mentions": mentions}
                sent = instance.api.post("/api/messages?wait=20", json=body)
                assert sent.status_code == 200, sent.text
                heard = stored(instance, hearer, sent.json()["message_id"])
                everybody = {f"{one}@s.whatsapp.net" for one in (CONTACT, SHOPS, ACCOUNT)}
                expected = (
                    everybody if mentions == "all" else {f"{accounts[hearer]}@s.whatsapp.net"}
                )
                assert (heard["text"], set(heard["mentions"])) == (text, expected)


def test_forwards_between_the_engines(instance: Instance, stall: str) -> None:
    """Each engine forwards what the other sent, with its file, and counts."""
    file = instance.api.post(
        "/api/media", content=b"\x89PNG" + b"forwarded" * 99, headers={"Content-Type": "image/png"}
    ).json()
    body = {"connection": SHOP, "to": ACCOUNT, "type": "image", "media": {"sha256": file["sha256"]}}
    sent = instance.api.post("/api/messages?wait=20", json={**body, "caption": "look"})
    assert sent.status_code == 200, sent.text
    number = sent.json()["message_id"]
    for score, hearer, to in ((1, stall, SHOPS), (2, SHOP, ACCOUNT), (3, stall, CONTACT)):
        seen = stored(instance, hearer, number)
        assert (seen["forwarding_score"] or 0, seen["text"]) == (score - 1, "look")
        until("its file is here", partial(_has_file, instance, seen["id"]), 20)
        answer = instance.api.post(f"/api/messages/{seen['id']}/forward?wait=20", json={"to": to})
        assert answer.status_code == 200, answer.text
        number = answer.json()["message_id"]
    (got,) = [one for one in instance.inbox(CONTACT) if one["id"] == number]
    assert (got["type"], got["text"]) == ("image", "look")
    assert (got["content"]["forwarded"], got["content"]["sha256"]) == (3, file["sha256"])


def test_replies_between_the_engines(instance: Instance, stall: str) -> None:
    """Each engine reads what the other's reply quotes."""
    accounts = {SHOP: SHOPS, stall: ACCOUNT}
    for speaker, hearer in ((SHOP, stall), (stall, SHOP)):
        body = {"connection": speaker, "to": accounts[hearer], "text": f"open, {hearer}?"}
        asked = instance.api.post("/api/messages?wait=20", json=body).json()
        heard = stored(instance, hearer, asked["message_id"])
        body = {"connection": hearer, "to": accounts[speaker], "text": "yes"}
        answer = instance.api.post(
            "/api/messages?wait=20", json={**body, "reply_to": heard["id"]}
        ).json()
        quoted = stored(instance, speaker, answer["message_id"])["quoted"]
        assert (quoted["id"], quoted["author"]) == (asked["id"], None)
        assert (quoted["type"], quoted["excerpt"]) == ("text", f"open, {hearer}?")
        own = instance.message(answer["id"])["quoted"]
        assert own["author"]["number"] == accounts[speaker]
        assert own["excerpt"] == f"open, {hearer}?"


def _has_file(instance: Instance, identity: str) -> bool:
    return bool(instance.message(identity)["media"]["state"] == "stored")


def stored(instance: Instance, connection: str, message_id: str) -> dict[str, Any]:
    """The message of this id, once the connection has it."""

    def look() -> dict[str, Any] | None:
        found = instance.messages(connection=connection, direction="in")
        return next((one for one in found if one["message_id"] == message_id), None)

    seen: dict[str, Any] = until("it is stored", look, 20)
    return seen


def test_settings_of_chats_go_both_ways(instance: Instance, stall: str) -> None:
    """Settings of the phone are seen, and the phone has those made here; each is an event."""
    contact, phone = "15550100063", f"/phones/{ACCOUNT}/app-state"
    path = f"/api/connections/{stall}"

    def sees(where: str, **wanted: Any) -> None:
        def look() -> bool:
            seen = instance.api.get(f"{path}/{where}").raise_for_status().json()
            found = seen["items"][0] if seen.get("items") else seen
            return all(found.get(name) == value for name, value in wanted.items())

        until(f"{where} has {wanted}", look, 30)

    # The entries of a collection at its first sync are no news.
    first = {"type": "contact", "chat": contact, "name": "Rui"}
    instance.simulator.post(phone, json=first).raise_for_status()
    sees(f"contacts?addresses={contact}", full_name="Rui")
    key = instance.api.headers[KEY_HEADER]
    with Reader(instance, key, connection=stall) as reader:  # type: ignore[arg-type]
        named = {"type": "contact", "chat": contact, "name": "Rui Costa"}
        instance.simulator.post(phone, json=named).raise_for_status()
        sees(f"contacts?addresses={contact}", full_name="Rui Costa", first_name="Rui")
        change = {"archived": True, "muted": True, "muted_until": "2033-05-18T03:33:20Z"}
        answer = instance.api.patch(f"{path}/chats/{contact}?wait=20", json=change)
        assert (answer.status_code, answer.json()["status"]) == (200, "sent"), answer.text
        shown = instance.simulator.get(phone).raise_for_status().json()
        kinds = [one["type"] for one in shown["settings"] if one.get("chat") == contact]
        assert {"archive", "mute"} <= set(kinds)
        assert shown["patches_refused"] == 0
        sees(f"chats/{contact}", archived=True, muted=True, name="Rui Costa")
        undone = {"type": "archive", "chat": contact, "archived": False}
        instance.simulator.post(phone, json=undone).raise_for_status()
        sees(f"chats/{contact}", archived=False, muted=True)
        assert instance.api.post(f"{path}/app-state").status_code == 204
        until(
            "both events have arrived",
            lambda: {"contact.updated", "chat.updated"} <= {event for _, event, _ in reader.events},
            20,
        )


def test_a_message_is_starred_on_the_phone_and_not_any_more(instance: Instance, stall: str) -> None:
    sent = sends(instance, stall, "to be starred")
    path = f"/api/messages/{sent['id']}/star"
    for method, starred in (("PUT", True), ("DELETE", False)):
        answer = instance.api.request(method, path, params={"wait": 20})
        assert (answer.status_code, answer.json()["status"]) == (200, "sent"), answer.text
        phone = instance.simulator.get(f"/phones/{ACCOUNT}/app-state").raise_for_status().json()
        (star,) = [one for one in phone["settings"] if one["type"] == "star"]
        assert (star["message"], star["starred"]) == (sent["message_id"], starred)
        assert (star["from_me"], phone["patches_refused"]) == (True, 0)


def test_calls_are_refused_and_their_callers_written_to(instance: Instance, stall: str) -> None:
    caller, text, path = "15550100064", "No calls here, please write.", f"/api/connections/{stall}"
    options = {"reject_calls": True, "reject_calls_text": text, "show_online": True}
    instance.api.patch(path, json=options).raise_for_status()

    def online() -> bool:
        account = instance.simulator.get(f"/accounts/{ACCOUNT}").raise_for_status().json()
        return bool(account["available"])

    until("the settings have arrived", online, 30)
    call = f"/contacts/{caller}/call"
    instance.simulator.post(call, json={"to": ACCOUNT}).raise_for_status()

    def states() -> list[str]:
        found = instance.simulator.get(call).raise_for_status().json()
        return [one["state"] for one in found["items"]]

    until("the call is refused", lambda: states() == ["rejected"], 30)
    until("its caller is written to", lambda: text in map(said, instance.inbox(caller)), 30)
    before = {"reject_calls": False, "reject_calls_text": None, "show_online": False}
    instance.api.patch(path, json=before).raise_for_status()


def said(item: dict[str, Any]) -> str:
    return str(item["text"])


@needs_ffmpeg
def test_a_voice_note_of_another_format_arrives_as_apps_play_it(
    instance: Instance, stall: str, tmp_path: Path
) -> None:
    headers = {"Content-Type": "audio/wav"}
    tone = instance.api.post("/api/media", content=wav(tmp_path), headers=headers).json()
    body = {
        "connection": stall,
        "to": CONTACT,
        "type": "audio",
        "voice": True,
        "media": {"sha256": tone["sha256"]},
    }
    sent = instance.api.post("/api/messages?wait=20", json=body).json()
    (got,) = (one for one in instance.inbox(CONTACT) if one["id"] == sent["message_id"])
    content = got["content"]
    assert (content["media"], content["mimetype"]) == ("ok", "audio/ogg; codecs=opus")
    assert (content["seconds"], content["ptt"]) == (3, True)
    assert len(base64.b64decode(content["waveform"])) == 64
    file = instance.simulator.get(f"/media/{sent['message_id']}").raise_for_status().content
    assert probed(file)["codecs"] == {"audio": "opus"}
