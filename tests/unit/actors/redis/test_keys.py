from __future__ import annotations

import dataclasses
import re
from importlib.resources import files

import pytest
from redis.crc import key_slot

from actors.redis import keys

SHOP = keys.of("shop")


def every_key(of: keys.ConnectionKeys) -> list[str]:
    return [
        *dataclasses.astuple(of),
        of.lane("15550100002@s.whatsapp.net"),
        of.lane("a}{b"),
        of.message("3EB0"),
        of.command("1"),
        of.answer("1"),
        of.presence("15550100002@s.whatsapp.net"),
        of.typing("a}{b"),
        of.idempotency("any key } {"),
    ]


@pytest.mark.parametrize("connection", ["shop", "a", "0", "my-shop_2", "x" * 64])
def test_all_keys_of_a_connection_share_a_slot(connection: str) -> None:
    of = keys.of(connection)
    slots = {key_slot(key.encode()) for key in every_key(of) if key != of.base}
    assert slots == {key_slot(connection.encode())}


def test_no_two_keys_are_the_same() -> None:
    assert len(set(every_key(SHOP))) == len(every_key(SHOP))


@pytest.mark.parametrize(
    "connection", ["", "Shop", "a}b", "{a}", "a*", "a b", "-a", "x" * 65, "a\n"]
)
def test_what_is_no_connection_id_has_no_keys(connection: str) -> None:
    with pytest.raises(ValueError, match="not a connection id"):
        keys.of(connection)


def test_the_scripts_name_their_keys_as_they_are_named_here() -> None:
    rooms = (("actors.redis", "transitions.lua"), ("actors.queue.scripts", "bytes.lua"))
    text = "".join((files(room) / name).read_text() for room, name in rooms)
    made = set(re.findall(r"BASE \.\. '(:[a-z_]+)'", text))
    assert made == {key.removeprefix(SHOP.base) for key in SHOP.scripted}
    lines = "".join(re.findall(r"^local [A-Z_, ]+ = BASE.*$", text, re.MULTILINE))
    named = ", ".join(re.findall(r"local ([A-Z_, ]+) =", lines)).lower().split(", ")
    assert [f":{name}" for name in named] == re.findall(r"':?(:[a-z_]+)'", lines)


def test_the_documentation_lists_every_key() -> None:
    documented = set(re.findall(r"teimoso:\{shop\}:(\w+)", keys.__doc__ or ""))
    assert documented == {
        key.removeprefix(f"{SHOP.base}:").split(":")[0]
        for key in every_key(SHOP)
        if key != SHOP.base
    }


def test_an_idempotency_key_is_stored_hashed() -> None:
    assert "secret" not in SHOP.idempotency("secret")
    assert SHOP.idempotency("a") != SHOP.idempotency("b")
