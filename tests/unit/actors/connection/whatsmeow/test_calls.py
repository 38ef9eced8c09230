"""Calls of the program: those that are reported, and those that may be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import SendError
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.session.session import Session
from actors.connection.whatsmeow.calls import Calls
from actors.connection.whatsmeow.program.frames import Frame
from actors.connection.whatsmeow.to_nodes import delivery_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from actors.connection.abilities.port import Call

OWN, CALLER = "15550100001:3@s.whatsapp.net", "15550100002@s.whatsapp.net"


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[Calls]:
    session = Session.open(tmp_path / "session.db", 1)
    own = Address.parse("15550100001:7@s.whatsapp.net"), Address.parse("90000000000001:7@lid")
    yield Calls(LidMapping(session, *own))
    session.close()


class Link:
    """The pipe to the program: it keeps the requests, and answers each."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def call(self, kind: str, **more: Any) -> None:
        self.asked.append((kind, more))


def comes(calls: Calls, caller: str, **more: Any) -> Call | None:
    told = {"caller": caller, "call": "A", "at": 7, "state": "offered", **more}
    return calls.call_of(delivery_of(8, "call", Frame(told, b"")))


async def test_a_call_is_refused_once(calls: Calls) -> None:
    link: Any = Link()
    call = comes(calls, CALLER)
    assert call is not None
    assert (call.caller, call.state) == (CALLER, "offered")
    await calls.reject(link, "A")
    assert link.asked == [("reject_call", {"caller": CALLER, "call": "A"})]
    with pytest.raises(SendError, match="unknown_call"):
        await calls.reject(link, "A")


@pytest.mark.parametrize("more", [{}, {"state": "ended"}])
@pytest.mark.parametrize("caller", [OWN, "90000000000001:3@lid"])
async def test_the_accounts_own_calls_are_not_reported(
    calls: Calls, caller: str, more: dict[str, Any]
) -> None:
    assert comes(calls, caller, **more) is None
    with pytest.raises(SendError, match="unknown_call"):
        await calls.reject(Link(), "A")  # type: ignore[arg-type]


@pytest.mark.parametrize("number", ["", "A" * 65])
def test_a_call_without_a_usable_id_is_not_reported(calls: Calls, number: str) -> None:
    assert comes(calls, CALLER, call="A" * 64) is not None
    assert comes(calls, CALLER, call=number) is None
