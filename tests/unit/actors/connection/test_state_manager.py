"""The way to the StateManager: each call of the port is a method that the StateManager has."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from actors.connection.state_manager.port import State, StateAway, StateRefused
from actors.connection.state_manager.remote import RemoteState
from actors.state.actor import StateManager
from actors.state.documents import WriteRefused

CALLS = [name for name, _ in inspect.getmembers(State, inspect.isfunction) if name[0] != "_"]


class Handle:
    """Stands for Ray's handle of a StateManager: notes calls, and answers with `answer`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        self.answer: Any = True

    def __getattr__(self, name: str) -> Any:
        handle = self

        class Method:
            @staticmethod
            async def remote(*arguments: Any) -> Any:
                handle.asked.append((name, arguments))
                if isinstance(handle.answer, Exception):
                    raise handle.answer
                return handle.answer

        return Method()


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_arrives_with_its_arguments(name: str) -> None:
    state, handle = RemoteState(), Handle()
    names = list(inspect.signature(getattr(State, name)).parameters)[1:]
    assert names == list(inspect.signature(getattr(StateManager, name)).parameters)[1:]
    given = [[each] if each == "items" else each for each in names]
    with pytest.raises(StateAway):
        await getattr(state, name)(*given)
    state.handle = handle
    assert await getattr(state, name)(*given) in {True, None}
    assert handle.asked == [(name, tuple(given))]
    handle.answer = ValueError("its words are nobody's")
    with pytest.raises(StateAway, match="ValueError"):
        await getattr(state, name)(*given)
    handle.answer = WriteRefused("too large")
    with pytest.raises(StateRefused):
        await getattr(state, name)(*given)


def test_there_are_calls() -> None:
    assert len(CALLS) == 10
    assert {"note_app_state", "clear_app_state"} <= set(CALLS)
