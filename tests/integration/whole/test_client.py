"""The typed client, on a whole instance: sends and receives, files and events, refusals; and the page that shows it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docs.teimoso_client import Problem, Teimoso
from tests.integration.whole.shop import ACCOUNT, CONTACT, SHOP
from tests.processes.instance import API_KEY, Instance
from tests.processes.valkey import free_port
from tests.waits import until

if TYPE_CHECKING:
    from docs.teimoso_client import Accepted, Event, Gap, ListedChat, Message, ReceivedEvent

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture
def teimoso(instance: Instance) -> Teimoso:
    return Teimoso(f"http://127.0.0.1:{instance.port}/", API_KEY)


def received(teimoso: Teimoso, text: str) -> Message:
    def look() -> Message | None:
        page = teimoso.list_messages(connection=SHOP, direction="in", limit=10)
        return next((one for one in page["items"] if one["text"] == text), None)

    return until(f"{text!r} is stored", look, 15)


def test_a_message_both_ways(instance: Instance, teimoso: Teimoso) -> None:
    def send() -> Accepted:
        return teimoso.send_message(
            {"connection": SHOP, "to": CONTACT, "type": "text", "text": "by the client"},
            idempotency_key="by the client",
            wait=20,
        )

    sent = send()
    assert sent["status"] in {"sent", "delivered", "read"}
    assert send()["id"] == sent["id"]
    assert teimoso.get_message(sent["id"])["text"] == "by the client"
    assert [one["text"] for one in instance.inbox(CONTACT)].count("by the client") == 1
    instance.say(CONTACT, ACCOUNT, "to the client")
    answer = received(teimoso, "to the client")
    assert teimoso.mark_message_read(answer["id"], wait=20)
    chat: ListedChat = teimoso.list_all_chats(connection=SHOP, search=CONTACT)["items"][0]
    assert chat["chat"] == answer["chat"]
    assert teimoso.list_all_chats(connection=SHOP, search="nobody at all")["items"] == []

    def both() -> bool:
        """The list is a moment behind; a page of one has a next one then."""
        first = teimoso.list_messages(connection=SHOP, limit=1)
        if first["next"] is None:
            return False
        second = teimoso.list_messages(connection=SHOP, limit=1, after=first["next"])
        return first["items"][0]["id"] != second["items"][0]["id"]

    until("both are listed", both, 15)


def test_a_file_comes_back(teimoso: Teimoso) -> None:
    content = b"apples, pears\n"
    uploaded = teimoso.upload_media(content, name="list ü.txt", content_type="text/plain")
    sent = teimoso.send_message(
        {
            "connection": SHOP,
            "to": CONTACT,
            "type": "document",
            "media": {"sha256": uploaded["sha256"]},
        },
        wait=20,
    )
    assert teimoso.get_message_media(sent["id"]) == content
    shown = teimoso.get_message(sent["id"])["media"]
    assert shown is not None
    assert (shown["name"], shown["mime"]) == ("list ü.txt", "text/plain")


def test_events_are_read_until_the_reader_leaves(instance: Instance, teimoso: Teimoso) -> None:
    def first(last: str | None) -> Event | Gap:
        return next(
            teimoso.read_events(connection=SHOP, events="message.received", last_event_id=last)
        )

    def come() -> ReceivedEvent:
        """The first event of a stream, which begins whenever the service takes the request."""
        with ThreadPoolExecutor(1) as reader:
            found = reader.submit(first, None)

            def done() -> bool:
                said(instance, "an event")
                return found.done()

            until("an event comes", done, 30)
        event = found.result()
        assert event["type"] == "message.received"
        return event

    event = come()
    assert event["data"]["text"] == "an event"
    received(teimoso, said(instance, "one that nobody reads"))
    with ThreadPoolExecutor(1) as reader:
        missed = reader.submit(first, str(event["seq"])).result(15)
    assert missed["type"] == "message.received"
    assert event["seq"] < missed["seq"] < come()["seq"]


def said(instance: Instance, text: str) -> str:
    instance.say(CONTACT, ACCOUNT, text)
    return text


def test_a_refusal_has_a_type(instance: Instance, teimoso: Teimoso) -> None:
    with pytest.raises(Problem) as unknown:
        teimoso.get_connection("nowhere")
    assert (unknown.value.status, unknown.value.code) == (404, "unknown_connection")
    assert unknown.value.uncertain is False
    assert unknown.value.retry_after is None
    with pytest.raises(Problem, match=r"422, invalid_field") as wrong:
        teimoso.send_message(
            {"connection": SHOP, "to": CONTACT, "type": "text", "text": "?", "priority": 12}
        )
    assert [one["field"] for one in wrong.value.errors] == ["priority"]
    with pytest.raises(Problem) as stranger:
        Teimoso(f"http://127.0.0.1:{instance.port}", "tmo_nobody").list_connections()
    assert stranger.value.code == "unauthorized"
    with pytest.raises(OSError, match="refused"):
        Teimoso(f"http://127.0.0.1:{free_port()}", API_KEY).list_connections()


def test_the_examples_of_the_page_run(instance: Instance) -> None:
    said(instance, "is it open?")
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "client.md").read_text(), re.DOTALL)
    program = subprocess.Popen(
        [sys.executable, "-u", "-c", "".join(blocks)],
        cwd=DOCS,
        env={
            **os.environ,
            "URL": f"http://127.0.0.1:{instance.port}",
            "TEIMOSO_API_KEY": API_KEY,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def answered() -> bool:
        """The stream begins now, whenever that is."""
        said(instance, "and now?")
        return program.poll() is not None

    try:
        until("it answered", answered, 60)
    finally:
        program.kill()
        printed, _ = program.communicate()
    assert program.returncode == 0, printed
    status, *_, refusal = printed.splitlines()
    assert status in {"sent", "delivered", "read"}
    assert refusal.endswith("(404, unknown_connection)")
    until(
        "the answer arrived",
        lambda: "we are open until six" in [one["text"] for one in instance.inbox(CONTACT)],
        15,
    )
