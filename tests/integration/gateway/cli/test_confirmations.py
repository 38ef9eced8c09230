"""Each command that deletes or revokes asks: by the table of commands, on a real gateway without a terminal."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Final

import pytest

from gateway.cli import app
from tests.integration.gateway.cli.test_command import start
from tests.integration.gateway.cli.test_groups import ANA, GROUP
from tests.integration.gateway.cli.test_groups import owner as owner  # noqa: PLC0414
from tests.integration.gateway.served import KEY, SHOP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.integration.gateway.api.connections.test_account import Able
    from tests.integration.gateway.served import Api, Gateway

ASKS: Final[dict[str, Sequence[str]]] = {
    "send": ("shop", ANA, "--delete", f"{SHOP}.3EB0A1B2C3D4E5F6A7B8C9"),
    "connections delete": ("shop",),
    "connections logout": ("shop",),
    "connections profile": ("shop", "--no-picture"),
    "messages cancel": ("{message}",),
    "groups invite": ("shop", GROUP, "--revoke"),
    "groups leave": ("shop", GROUP),
    "groups remove": ("shop", GROUP, ANA),
    "groups set": ("shop", GROUP, "--subject", "Us", "--no-picture"),
    "refused discard": ("shop", "4"),
    "keys revoke": ("{key}",),
    "webhooks remove": ("{webhook}",),
    "jobs run": ("prune-messages", "--days", "9"),
}
"""Commands that delete or revoke something, with arguments by which they would."""

ASKS_ELSEWHERE: Final = {
    "backup create": "tests/integration/backup/test_restore.py has older backups"
}
"""The same, where the test of it is."""

HARMLESS: Final = {
    "backup restore": "the session that is there is kept aside",
    "contacts unblock": "the person can be blocked again",
    "groups demote": "the member can be made an admin again",
    "messages unpin": "the message stays",
    "messages unstar": "the message stays",
    "restore": "the directory has to be empty",
    "service uninstall": "the data stays",
    "simulate hang-up": "of the simulator",
    "webhooks rotate-secret": "the former secret signs for a day",
}
WORDS: Final = frozenset(
    {
        *("cancel", "delete", "demote", "discard", "forget", "leave", "logout", "prune", "purge"),
        *("remove", "restore", "revoke", "rotate", "unblock", "uninstall", "unpin", "unstar"),
        *("void", "hang", "failed"),
    }
)
"""Words in the name of a command, or of an option, that may destroy something."""

MARKS: Final = (".delete(", '"DELETE"', "/logout", "revoke(", "DESTRUCTIVE", "confirm(")
"""Source by which a command deletes, revokes or asks."""


def commands(found: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Each command of the table by its words."""
    for part, one in found.commands.items():
        words = f"{name} {part}".strip()
        if hasattr(one, "commands"):
            yield from commands(one, words)
        else:
            yield words, one


def options(command: Any) -> set[str]:
    return {option for one in command.params for option in one.opts}


TABLE: Final = dict(commands(app.command()))


def test_commands_that_may_destroy_are_known() -> None:
    assert len(TABLE) > 90
    suspects = set()
    for words, one in TABLE.items():
        named = {*words.replace("-", " ").split(" ")}
        named |= {part for option in options(one) for part in option.strip("-").split("-")}
        source = inspect.getsource(inspect.unwrap(one.callback))
        if named & WORDS or any(mark in source for mark in MARKS) or "--yes" in options(one):
            suspects.add(words)
    asks = {*ASKS, *ASKS_ELSEWHERE}
    assert suspects == {*asks, *HARMLESS}
    assert {words for words, one in TABLE.items() if "--yes" in options(one)} == asks


@pytest.mark.parametrize("words", ASKS)
async def test_nothing_is_destroyed_by_one_command(
    gateway: Gateway, api: Api, owner: Able, words: str
) -> None:
    """The input of a script is no terminal."""
    made = {"key": "", "webhook": "", "message": ""}
    if words == "keys revoke":
        named = {"name": "asks", "scopes": ["read"]}
        made["key"] = api.post("/api/keys", json=named).raise_for_status().json()["id"]
    elif words == "webhooks remove":
        hook = {"url": "http://example.org/asks"}
        made["webhook"] = api.post("/api/webhooks", json=hook).raise_for_status().json()["id"]
    elif words == "messages cancel":
        body = {"connection": "shop", "to": "15550100160", "text": "as it is"}
        made["message"] = api.post("/api/messages", json=body).raise_for_status().json()["id"]
    arguments = [each.format(**made) for each in ASKS[words]]
    before = state(api)
    # The keys are read without the API, and so without a key.
    key = None if words == "keys revoke" else KEY
    with start(gateway.data, *words.split(), *arguments, key=key) as process:
        output, told = await asyncio.to_thread(process.communicate, timeout=60)
    assert (process.returncode, output) == (1, "")
    assert "loses for good" in told
    assert told.endswith("Nothing was done: --yes does it.\n")
    assert owner.asked == []
    assert state(api) == before


def state(api: Api) -> dict[str, Any]:
    """Everything that the commands could take away, or queue."""
    found: dict[str, Any] = {}
    for path in ("/api/connections/shop", "/api/keys", "/api/webhooks"):
        answer = api.get(path).raise_for_status().json()
        items = answer.get("items", [answer])
        found[path] = sorted(one["id"] for one in items)
    found["messages"] = {
        one["id"]: one["type"]
        for one in api.get("/api/messages", params={"limit": 200}).json()["items"]
        if one["status"] != "cancelled"
    }
    return found
