from __future__ import annotations

import pytest

from actors.connection.protocol.online_visibility import Visibility


@pytest.mark.parametrize(
    ("always", "asked", "available", "active"),
    [
        (False, None, False, False),
        (False, True, True, True),
        (False, False, False, False),
        (True, None, True, True),
        (True, True, True, True),
        (True, False, False, True),
    ],
)
def test_visibility(always: bool, asked: bool | None, available: bool, active: bool) -> None:
    shown = Visibility(always, asked)
    assert (shown.available, shown.active) == (available, active)


@pytest.mark.parametrize("asked", [None, True, False])
def test_other_settings_undo_only_that_it_seems_away(asked: bool | None) -> None:
    shown = Visibility(always=True, requested=asked)
    shown.configure(always=False)
    assert shown == Visibility(always=False, requested=asked or None)
