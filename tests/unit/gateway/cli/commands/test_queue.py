"""`teimoso queue`: one message, or those that fit a filter."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.cli.commands import queue


@pytest.mark.parametrize("filters", [{"code": "ack_timeout"}, {"limit": 3}])
def test_one_message_goes_with_no_filter(filters: dict[str, Any]) -> None:
    unset = dict.fromkeys(("connection", "chat", "code", "died_after", "died_before", "limit"))
    with pytest.raises(Exception, match="give no filter with it"):
        queue.redrive("shop.3EB0", **{**unset, **filters})
