"""Reasons for items that are stored and cannot go on: in the spool, the mirror, or a session."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.health.checks import judge
from actors.health.samples import (
    ConnectionSample,
    Mirror,
    Spools,
)
from actors.redis.leases.lease_record import HeldItems
from tests.unit.actors.health.well import THRESHOLDS, WELL


@pytest.mark.parametrize(
    ("name", "spools"), [("stuck", Spools(stuck=2)), ("unreadable", Spools(unreadable=2))]
)
def test_what_cannot_leave_the_spool_is_a_reason(name: str, spools: Spools) -> None:
    (reason,) = judge(replace(WELL, spools=spools), THRESHOLDS).reasons
    assert (reason.name, reason.status, reason.subject) == (f"spool_{name}", "degraded", None)
    unknown = judge(replace(WELL, spools=None), THRESHOLDS)
    assert unknown.reasons == ()
    assert f"spool_{name}" in unknown.unknown  # an alert that is active stays


def test_a_refused_document_of_the_view_is_a_reason_for_a_day() -> None:
    (reason,) = judge(replace(WELL, mirror=Mirror(refused_at=999.0)), THRESHOLDS).reasons
    assert (reason.name, reason.status) == ("mirror_refused", "healthy")
    assert not judge(replace(WELL, mirror=Mirror(refused_at=1000.0 - 86_400)), THRESHOLDS).reasons
    unknown = judge(replace(WELL, mirror=None), THRESHOLDS)
    assert unknown.reasons == ()
    assert unknown.unknown >= {"mirror_refused", "queue_differs"}


@pytest.mark.parametrize(("full", "what"), [(False, "the rest goes on"), (True, "nothing that")])
def test_refused_documents_without_room_for_more_are_urgent(full: bool, what: str) -> None:
    seen = ConnectionSample("running", "open", held=HeldItems(2, refused_full=full))
    (reason,) = judge(replace(WELL, connections={"x": seen}), THRESHOLDS).reasons
    assert (reason.name, reason.subject, reason.urgent) == ("document_refused", "x", full)
    assert what in reason.detail
