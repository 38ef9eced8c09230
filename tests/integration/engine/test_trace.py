"""A trace of the real engine: what passed is in it, and nothing of what was said, or by whom."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from actors.connection.engine import SendRequest
from actors.connection.whatsmeow import DATABASE
from actors.messages.content import Text
from tests import traced
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    ROOT,
    Simulator,
    chat,
    device,
    message_id,
    nothing_waits,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

MARKS = ("zqmarked", "zqgreeting", "zqfilename", "zqgroup", "Zqname", "zqalias", "zqpoll")
HEARD, SAID = "zqmarked words of hers", "zqmarked words of mine"


def secrets_of(directory: Path) -> set[str | bytes]:
    """Keys, numbers and tokens of the account."""
    return set(traced.values(directory / DATABASE))


async def test_a_conversation_leaves_its_shape_and_nothing_else(
    simulator: Simulator, tmp_path: Path
) -> None:
    trace = tmp_path / "logs" / "trace" / "shop.jsonl"
    await simulator.contact(CONTACT, name="Zqname Silva")
    async with device(simulator, tmp_path, whatsapp_trace=True) as phone:
        await pair(simulator, phone)
        secrets = secrets_of(tmp_path)
        group = await simulator._call(
            "POST",
            "/groups",
            subject="zqgroup of ours",
            creator=CONTACT,
            participants=[ACCOUNT],
            addressing="lid",
        )
        await simulator.say(CONTACT, ACCOUNT, HEARD)
        await simulator.address(CONTACT, "lid")
        await simulator.says(CONTACT, ACCOUNT, type="image", size=2000, text="zqgreeting")
        await simulator.says(CONTACT, ACCOUNT, type="document", size=2000, file_name="zqfilename")
        await simulator.say(CONTACT, group["id"], HEARD)
        await simulator.history(
            type="push_name", pushnames={CONTACT: "zqalias"}, messages=[], conversations=[]
        )
        await phone.send(1, SAID)
        await phone.engine.send(SendRequest(message_id(2), group["id"], Text(SAID)))
        assert await phone.engine.lookup(chat(CONTACT)) is not None
        assert [one.subject for one in await phone.engine.administration.groups.all()] == [
            "zqgroup of ours"
        ]
        await phone.engine.typing(chat(CONTACT), "composing")
        await phone.engine.subscribe(chat(CONTACT))
        await until(lambda: said(simulator, SAID, 2))
        messages = await until(lambda: arrived(phone, 4))
        await until(lambda: nothing_waits(simulator))
        secrets |= secrets_of(tmp_path)
    known = (await simulator.played(CONTACT)) | {"group": group["id"].partition("@")[0]}
    secrets |= {known["lid"].partition("@")[0], known["group"], CONTACT, ACCOUNT, "Person 000"}
    secrets |= {message.message_id for message in messages} | {message_id(1), message_id(2)}
    assert len(secrets) > 15
    assert not traced.leaks(trace, {*secrets, *MARKS})

    logins = [line for line in traced.lines(trace) if line.get("event") == "login"]
    assert [login["payload"]["pairing"] for login in logins] == [True, False]
    assert [line["event"] for line in traced.lines(trace) if "event" in line][-1] == "end"
    received = traced.stanzas(trace, "in", "message")
    assert len(received) >= 4
    for message in received:  # a receipt is the library's answer to a message that it could read
        assert traced.stanzas(trace, "out", "receipt", id=message["attrs"]["id"]), message
    assert {"lid", "s.whatsapp.net", "g.us"} <= {
        message["attrs"]["from"].partition(":")[0] for message in received
    }
    sent = traced.stanzas(trace, "out", "message")
    for message in sent:
        answer = {"id": message["attrs"]["id"], "class": "message"}
        assert traced.stanzas(trace, "in", "ack", **answer), message
    assert len(sent) >= 2
    assert traced.stanzas(trace, "out", "iq", xmlns="usync")


async def test_nothing_is_recorded_that_was_not_asked_for(
    simulator: Simulator, tmp_path: Path
) -> None:
    trace = tmp_path / "logs" / "trace" / "shop.jsonl"
    async with device(simulator, tmp_path) as phone:
        recorder = phone.engine.recorder
        await pair(simulator, phone)
        await phone.send(1, SAID)
        assert not trace.parent.exists()
        recorder.start()
        await phone.send(2, SAID)
        await recorder.stop()
        recorded = traced.lines(trace)
        await phone.send(3, SAID)
        assert traced.lines(trace) == recorded
    assert len(traced.stanzas(trace, "out", "message")) == 1


async def test_it_is_compared_with_what_the_simulator_sends(
    simulator: Simulator, tmp_path: Path
) -> None:
    """By the command, on the engine's own trace: nothing new, but for what somebody puts in."""
    trace = tmp_path / "logs" / "trace" / "shop.jsonl"
    async with device(simulator, tmp_path, whatsapp_trace=True) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, HEARD)
        await phone.send(1, SAID)
        await until(lambda: arrived(phone, 1))
        await until(lambda: said(simulator, SAID, 1))
        await until(lambda: nothing_waits(simulator))
    report = await compared(trace)
    assert report["by"] == "whatsmeow"
    assert report["stanzas"] > 20
    differences = ("never_sent", "never_seen", "unanswered")
    assert {name: report[name] for name in differences} == {name: [] for name in differences}
    odd = {
        "at": 1,
        "dir": "in",
        "tag": "notification",
        "attrs": {"id": "#9999", "type": "newsletter"},
    }
    with trace.open("a") as file:
        file.write(json.dumps(odd) + "\n" + json.dumps({"at": 99, "event": "end"}) + "\n")
    report = await compared(trace)
    assert [one["kind"] for one in report["never_sent"]] == ["notification newsletter"]
    assert [one["id"] for one in report["unanswered"]] == ["#9999"]


async def compared(trace: Path) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli", "simulate", "compare", str(trace), "--json"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    shown, _ = await process.communicate()
    assert process.returncode == 0
    report: dict[str, Any] = json.loads(shown)
    return report


async def said(simulator: Simulator, text: str, times: int) -> bool:
    return [one["text"] for one in await simulator.inbox(CONTACT)].count(text) >= times


async def arrived(phone: Any, count: int) -> list[Any]:
    messages: list[Any] = await phone.messages()
    return messages if len(messages) >= count else []
