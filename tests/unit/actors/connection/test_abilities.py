"""Abilities of the engines, and the answers of those that have them not."""

from __future__ import annotations

import inspect
from typing import get_args

import pytest

from actors.connection.abilities.engine_base import EngineBase
from actors.connection.abilities.port import Ability, Account
from actors.connection.engine import ABILITIES, ENGINES, UNSUPPORTED, SendError
from actors.connection.native.engine import NativeEngine
from actors.connection.owner.command_handler import OF_ACCOUNT
from actors.connection.whatsmeow.engine import WhatsmeowEngine

ABLE = {
    "native": set[str](),
    "whatsmeow": {
        "change_chat",
        "confirm_passkey",
        "passkey_assertion",
        "sync_app_state",
    },
}
ENGINE_CLASSES = {"native": NativeEngine, "whatsmeow": WhatsmeowEngine}
METHODS = [name for name in vars(Account) if inspect.iscoroutinefunction(getattr(Account, name))]
REFUSED = sorted(set(METHODS) & set(vars(EngineBase)))
"""Methods that not all engines have."""


def test_each_engine_declares_what_it_can() -> None:
    assert ABILITIES.keys() == ENGINES.keys()
    known = set(get_args(Ability))
    assert all(abilities <= known for abilities in ABILITIES.values())
    for engine in ENGINE_CLASSES.values():
        assert issubclass(engine, EngineBase)


@pytest.mark.parametrize("name", REFUSED)
async def test_an_engine_without_an_ability_refuses_for_good(name: str) -> None:
    method = getattr(EngineBase(), name)
    arguments = ["x" for _ in inspect.signature(method).parameters]
    with pytest.raises(SendError) as refused:
        await method(*arguments)
    assert (refused.value.code, refused.value.permanent) == (UNSUPPORTED, True)
    for kind, engine in ENGINE_CLASSES.items():
        refuses = getattr(engine, name) is getattr(EngineBase, name)
        assert refuses == (name not in ABLE[kind])


def test_each_is_a_command_with_its_arguments() -> None:
    """But for a change of a chat, which waits in the queue, and for the proxy, which is a setting."""
    assert set(OF_ACCOUNT) == set(METHODS) - {"change_chat", "use_proxy"}
    for name, arguments in OF_ACCOUNT.items():
        signature = inspect.signature(getattr(Account, name))
        assert tuple(signature.parameters)[1:] == arguments
