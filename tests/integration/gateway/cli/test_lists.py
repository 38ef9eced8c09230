"""`teimoso messages`, `chats`, `contacts`, `groups` and `connections show`, on a real gateway."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.integration.gateway.api.chats.test_chat_list import GROUP, person, say
from tests.integration.gateway.cli.test_command import start
from tests.integration.gateway.served import SHOP
from tests.integration.gateway.webhooks.stored_messages import store_messages
from tests.waits import until

if TYPE_CHECKING:
    from pathlib import Path

    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api, Gateway


async def run(gateway: Gateway, *words: str, status: int = 0) -> str:
    """The output of a command, or its errors where it ends with another status than 0."""
    with start(gateway.data, *words) as process:
        output, errors = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == status, errors
    return output if status == 0 else errors


async def test_messages_are_listed_and_shown(gateway: Gateway, documents: Documents) -> None:
    texts = await store_messages(documents, 1, 3)
    listed = json.loads(await run(gateway, "messages", "list", "--connection", "shop", "--json"))
    assert [one["text"] for one in listed["items"]] == texts[::-1], "the newest first"
    first, *rest = (await run(gateway, "messages", "list", "--oldest", "--limit", "1")).splitlines()
    columns = ["at", "direction", "chat", "name", "status", "type", "text", "error", "id"]
    assert first.split() == columns
    assert texts[0] in rest[0]
    assert rest[1].startswith("There is more: --after ")
    shown = await run(gateway, "messages", "show", listed["items"][0]["id"])
    fields = dict(line.split(maxsplit=1) for line in shown.splitlines()[1:])
    assert (fields["connection"], fields["text"].strip()) == ("shop", texts[-1])
    assert "error" not in fields, "what has no value is left out"
    assert (
        await run(gateway, "messages", "list", "--status", "dead") == "There is no such message.\n"
    )
    refused = await run(gateway, "messages", "list", "--status", "lost", status=1)
    assert refused.startswith("The parameter status: ")


async def test_messages_are_listed_with_the_names_of_their_senders(
    gateway: Gateway, documents: Documents
) -> None:
    """Of a group too; a number where there is no name, and for a message of the account whose chat it is."""
    await say(documents, 890, person(890), "one", sender_name="Bea Lopes")
    await say(
        documents, 891, "120363000000000078@g.us", "two", sender=person(891), chat_name="Chess club"
    )
    sent = {"direction": "out", "sender": None, "status": "sent", "source": "api"}
    await say(documents, 892, person(890), "three", **sent)
    heading, *rows, _ = (await run(gateway, "messages", "list", "--limit", "3")).splitlines()
    begins, ends = heading.index("name"), heading.index("status")
    names = [row[begins:ends].strip() for row in rows]
    assert names == ["Bea Lopes", "+15550100891", "Bea Lopes"]


async def test_chats_and_people_are_listed_and_searched(
    gateway: Gateway, documents: Documents
) -> None:
    await say(documents, 900, person(900), "Where is\nmy order?", sender_name="Ana Pereira")
    await say(documents, 901, GROUP, "Check!", sender=person(900), chat_name="Chess club")
    await say(documents, 902, person(901), "", type="image")
    words = ("chats", "list", "shop", "--limit", "2")
    heading, image, club, more = (await run(gateway, *words)).splitlines()
    assert heading.split("  ")[0] == "active at"
    assert heading.split()[2:] == ["chat", "name", "unread", "settings", "last", "message"]
    assert image.split()[1:] == [person(901), "+15550100901", "1", "image"]
    assert club.split()[1:] == [GROUP, "Chess", "club", "1", "Check!"]
    after = more.removeprefix("There is more: --after ")
    rest = json.loads(await run(gateway, *words, "--after", after, "--search", "ORDER", "--json"))
    assert [one["name"] for one in rest["items"]] == ["Ana Pereira"]
    assert await run(gateway, "chats", "list", "shop", "--search", "nobody") == (
        "There is no such chat.\n"
    )

    shown = await run(gateway, "chats", "show", "shop", "+1 555 010 0900")
    fields = dict(line.split(maxsplit=1) for line in shown.splitlines()[1:])
    assert (fields["chat"].strip(), fields["muted"].strip()) == (person(900), "false")
    assert "cleared" not in fields, "what has no value is left out"

    found = (await run(gateway, "contacts", "list", "shop", "--search", "pereira")).splitlines()
    assert [line.split() for line in found] == [
        ["name", "number", "address", "saved"],
        ["Ana", "Pereira", "15550100900", person(900), "false"],
    ]
    *_, person_, more = (
        await run(gateway, "contacts", "list", "shop", "--limit", "1")
    ).splitlines()
    assert person_.split() == ["+15550100901", "15550100901", person(901), "false"]
    assert more.startswith("There is more: --after chats.")


async def test_a_queued_message_is_cancelled(gateway: Gateway, api: Api) -> None:
    body = {"connection": "shop", "to": "15550100160", "text": "never mind"}
    accepted = api.post("/api/messages", json=body).json()
    assert (
        await run(gateway, "messages", "cancel", accepted["id"], "--yes")
        == f"cancelled  {accepted['id']}\n"
    )
    assert api.get(f"/api/messages/{accepted['id']}").json()["status"] == "cancelled"


async def test_a_message_is_pinned(gateway: Gateway, api: Api) -> None:
    body = {"connection": "shop", "to": "15550100160", "text": "the address"}
    accepted = api.post("/api/messages", json=body).json()["id"]
    for words, seconds in ((("pin", "--days", "1"), 86_400), (("unpin",), 0)):
        status, pin = (await run(gateway, "messages", *words, accepted)).split()
        shown = api.get(f"/api/messages/{pin}").json()
        assert (status, shown["type"], shown["content"]["seconds"]) == ("queued", "pin", seconds)
        assert shown["content"]["message"]["id"] == accepted


async def test_a_connection_is_shown(gateway: Gateway) -> None:
    shown = await run(gateway, "connections", "show", "shop")
    fields: dict[str, Any] = {}
    for line in shown.splitlines()[1:]:
        name, _, value = line.partition("  ")
        fields[name] = value.strip()
    assert (fields["id"], fields["incarnation"]) == ("shop", SHOP)
    assert "account" not in fields
    assert json.loads(await run(gateway, "connections", "show", "shop", "--json"))["id"] == "shop"


async def test_the_console_is_opened_in_the_browser(gateway: Gateway, tmp_path: Path) -> None:
    browser, visited = tmp_path / "browser", tmp_path / "visited"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {visited}\n')
    browser.chmod(0o755)
    url = str(gateway.api.base_url).rstrip("/")

    def opened(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "gateway.cli", "open", *words, "--data", str(gateway.data)],
            env={**os.environ, "BROWSER": str(browser)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    assert opened("--print") == f"{url}/\n"
    assert not visited.exists()
    assert opened("shop") == f"{url}/console/connections/shop\n"
    until("it was visited", visited.exists, 10)
    assert visited.read_text() == f"{url}/console/connections/shop\n"


async def test_groups_need_an_open_connection(gateway: Gateway) -> None:
    refused = await run(gateway, "groups", "list", "shop", status=1)
    assert refused.endswith("(409)\n")
