"""`teimoso queue`: a former name of a command stays, and is marked as such."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.cli import app
from gateway.cli.commands import queue


@pytest.mark.parametrize("former", ["retry", "retry-failed"])
def test_a_former_name_is_marked(former: str) -> None:
    commands: Any = app.command()
    found = commands.commands["queue"].commands
    assert found[former].deprecated
    assert "former name of `redrive" in found[former].help
    assert not found["redrive"].deprecated


@pytest.mark.parametrize("filters", [{"code": "ack_timeout"}, {"limit": 3}])
def test_one_message_goes_with_no_filter(filters: dict[str, Any]) -> None:
    unset = dict.fromkeys(("connection", "chat", "code", "died_after", "died_before", "limit"))
    with pytest.raises(Exception, match="give no filter with it"):
        queue.redrive("shop.3EB0", **{**unset, **filters})
