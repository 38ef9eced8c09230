"""`teimoso chats picture`, `contacts block`, `connections profile`, on a real gateway; the owner of the connection is played."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from tests.integration.gateway.api.chats.test_profiles import JPEG, PNG
from tests.integration.gateway.cli.test_groups import ANA, GROUP
from tests.integration.gateway.cli.test_groups import owner as owner  # noqa: PLC0414
from tests.integration.gateway.cli.test_lists import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.gateway.api.connections.test_account import Able
    from tests.integration.gateway.served import Api, Gateway

SHA256 = hashlib.sha256(JPEG).hexdigest()


async def test_people_are_blocked(gateway: Gateway, owner: Able) -> None:
    for command, blocked in (("block", True), ("unblock", False)):
        assert await run(gateway, "contacts", command, "shop", "15550100002") == ""
        assert owner.asked[-1] == ("block", {"person": ANA, "blocked": blocked})
    owner.answer = {"people": [ANA]}
    assert (await run(gateway, "contacts", "blocked", "shop")).split() == ["address", ANA]
    listed = json.loads(await run(gateway, "contacts", "blocked", "shop", "--json"))
    assert listed == {"items": [ANA], "next": None}
    owner.answer = {"people": []}
    assert await run(gateway, "contacts", "blocked", "shop") == "shop blocks nobody.\n"
    refused = await run(gateway, "contacts", "block", "shop", GROUP, status=1)
    assert refused.endswith("(422)\n")


async def test_a_picture_is_fetched(
    gateway: Gateway, api: Api, owner: Able, tmp_path: Path
) -> None:
    api.post("/api/media", content=JPEG, headers={"Content-Type": "image/jpeg"})
    owner.answer = {"picture": {"id": "7", "sha256": SHA256, "size": len(JPEG)}}
    file = tmp_path / "ana.jpg"
    told = await run(gateway, "chats", "picture", "shop", ANA, "-o", str(file))
    assert told == f"{file}  {len(JPEG)} bytes\n"
    assert file.read_bytes() == JPEG
    assert owner.asked == [("picture", {"chat": ANA})]
    owner.answer = {"picture": None}
    none = await run(gateway, "chats", "picture", "shop", ANA, "-o", "-", status=1)
    assert none.endswith("(404)\n")


async def test_the_profile_is_shown_and_changed(
    gateway: Gateway, owner: Able, tmp_path: Path
) -> None:
    owner.answer = {"name": "Shop", "about": "At work"}
    shown = await run(gateway, "connections", "profile", "shop")
    fields = dict(line.split(maxsplit=1) for line in shown.splitlines()[1:])
    assert {name: value.strip() for name, value in fields.items()} == owner.answer
    assert json.loads(await run(gateway, "connections", "profile", "shop", "--json")) == (
        owner.answer
    )
    file, no_jpeg = tmp_path / "us.jpg", tmp_path / "us.png"
    file.write_bytes(JPEG)
    no_jpeg.write_bytes(PNG)
    words = ("connections", "profile", "shop", "--about", "")
    assert await run(gateway, *words, "--picture", str(file)) == ""
    assert await run(gateway, *words, "--no-picture", "--yes") == ""
    assert owner.asked[2:] == [
        ("change_profile", {"change": {"about": "", "picture": SHA256}}),
        ("change_profile", {"change": {"about": "", "picture": None}}),
    ]
    refused = await run(gateway, *words, "--picture", str(no_jpeg), status=1)
    assert refused == "A picture is a JPEG. (422)\n"
    both = await run(gateway, *words, "--picture", str(file), "--no-picture", status=1)
    assert both == "A picture is given or removed, not both.\n"
    assert len(owner.asked) == 4


async def test_a_group_has_a_picture(gateway: Gateway, owner: Able, tmp_path: Path) -> None:
    file = tmp_path / "us.jpg"
    file.write_bytes(JPEG)
    words = ("groups", "set", "shop", GROUP)
    assert await run(gateway, *words, "--picture", str(file)) == ""
    assert await run(gateway, *words, "--subject", "Us", "--no-picture", "--yes") == ""
    assert owner.asked == [
        ("set_picture", {"chat": GROUP, "sha256": SHA256}),
        ("change_group", {"chat": GROUP, "change": {"subject": "Us"}}),
        ("set_picture", {"chat": GROUP, "sha256": None}),
    ]
