"""When the keeper looks for a newer library, and when it has it tried."""

from __future__ import annotations

from typing import Any

import pytest

from actors.config.sources import resolve_settings
from actors.connection.whatsmeow.program.executable import ProgramChoice
from actors.health.engine_look import EngineLook
from actors.runtime.limits.durations import DAY
from supervision.keeper.engine_updates import due

NOW = 1e9
LOOK, TRY = ("engine",), ("engine", "try", "--unless-refused")
SIMULATED = {"whatsapp_root_key": "ab" * 32}
CANARY = ProgramChoice(canary="shop", candidate="new")


@pytest.mark.parametrize(
    ("settings", "looked", "choice", "words"),
    [
        ({}, None, ProgramChoice(), LOOK),
        ({}, NOW - DAY + 1, ProgramChoice(), ()),
        ({}, NOW - DAY, ProgramChoice(), LOOK),
        ({}, NOW + 1, ProgramChoice(), LOOK),  # by a clock that was ahead
        ({}, NOW, CANARY, ()),  # a person's
        (SIMULATED, None, ProgramChoice(), ()),
        ({"engine_updates": "canary"}, None, ProgramChoice(), TRY),
        ({"engine_updates": "canary"}, NOW, ProgramChoice(), ()),
        ({"engine_updates": "canary"}, NOW, CANARY, TRY),  # it was broken off
        ({"engine_updates": "canary", "ray_address": "host:1"}, None, ProgramChoice(), LOOK),
        ({"engine_updates": "canary", **SIMULATED}, NOW - DAY, ProgramChoice(version="old"), TRY),
    ],
)
def test_a_look_is_due_once_a_day(
    settings: dict[str, Any], looked: float | None, choice: ProgramChoice, words: tuple[str, ...]
) -> None:
    look = None if looked is None else EngineLook(looked, "used")
    assert due(resolve_settings(**settings), look, choice, NOW) == words
