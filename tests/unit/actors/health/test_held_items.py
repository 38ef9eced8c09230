"""Reasons for items that are stored and cannot go on: in the mirror, or a session."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.health.checks import judge
from actors.health.samples import ConnectionSample
from actors.redis.leases.lease_record import HeldItems
from tests.unit.actors.health.well import THRESHOLDS, WELL


def test_a_view_that_nobody_read_is_not_judged() -> None:
    unknown = judge(replace(WELL, mirror=None), THRESHOLDS)
    assert unknown.reasons == ()
    assert "queue_differs" in unknown.unknown


@pytest.mark.parametrize(
    ("held", "sends", "how_many"), [(0, 1, "1 document "), (2, 0, "2 doc"), (2, 1, "3 doc")]
)
def test_sent_and_received_documents_are_one_reason(held: int, sends: int, how_many: str) -> None:
    seen = ConnectionSample("running", "open", held=HeldItems(held), refused_sends=sends)
    (reason,) = judge(replace(WELL, connections={"x": seen}), THRESHOLDS).reasons
    assert (reason.name, reason.subject) == ("document_refused", "x")
    assert how_many in reason.detail


@pytest.mark.parametrize(("full", "what"), [(False, "the rest goes on"), (True, "nothing that")])
def test_refused_documents_without_room_for_more_are_urgent(full: bool, what: str) -> None:
    seen = ConnectionSample("running", "open", held=HeldItems(2, refused_full=full))
    (reason,) = judge(replace(WELL, connections={"x": seen}), THRESHOLDS).reasons
    assert (reason.name, reason.subject, reason.urgent) == ("document_refused", "x", full)
    assert what in reason.detail
