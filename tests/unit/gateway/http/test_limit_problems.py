"""Each limit answers in one form and is counted, in every part of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.config.settings import SECTIONS, Settings
from actors.media.store import StoreFull, StoreUnavailable
from actors.metrics.counters import Measures
from gateway.http import limit_problems
from gateway.http.limit_problems import LIMITS_METRIC, expect, limit_problem

if TYPE_CHECKING:
    from actors.runtime.limits.limits import Limit, Scope

LIMITS = Settings.model_validate({}).limits
OF_THE_INSTANCE = ("MAX_", "MEDIA_LIMIT", "DISK_RESERVE")


def scopes(limit: Limit) -> tuple[Scope, ...]:
    """The scopes that a limit may be reached for, by the scheme of the settings' names."""
    if limit.setting.startswith(OF_THE_INSTANCE):
        return ("instance",)
    return ("connection", "key")


def counted(measures: Measures, setting: str) -> float | None:
    """The count of refusals by this limit; None where the metrics have no series of it."""
    for name, labels, value in measures.samples:
        if name == LIMITS_METRIC and labels == {"limit": setting}:
            assert isinstance(value, float | int)
            return float(value)
    return None


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.setting)
def test_a_limit_answers_by_its_scope_and_names_its_setting(limit: Limit) -> None:
    for scope in scopes(limit):
        problem = limit_problem(limit.reached(scope))
        assert problem.kind.status == (503 if scope == "instance" else 429)
        assert problem.headers == {"Retry-After": str(limit.retry_after)}
        assert problem.extra == {"setting": limit.setting, "limit": limit.size, "of": scope}
        assert f"et {limit.setting} to " in problem.detail
        assert str(limit.size) in problem.detail
        assert "{" not in problem.detail


def test_a_refusal_names_the_size_that_would_do() -> None:
    """A connection may have far more than its limit, where that was lowered."""
    limit = next(each for each in LIMITS if each.setting == "STORED_BYTES_PER_CONNECTION")
    detail = limit_problem(limit.reached("connection", needed=limit.size + 77)).detail
    assert f"et {limit.setting} to {limit.size + 77} or more" in detail
    assert f"to {limit.size + 1} or more" in limit_problem(limit.reached("connection")).detail


def test_each_limit_is_counted_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = Measures()
    monkeypatch.setattr(limit_problems, "measures", fresh)
    expect(LIMITS)
    for limit in LIMITS:
        assert counted(fresh, limit.setting) == 0
        limit_problem(limit.reached(scopes(limit)[0]))
        assert counted(fresh, limit.setting) == 1


def test_the_limits_are_the_settings_that_refuse_a_caller() -> None:
    """Files that arrive wait instead."""
    (section,) = (each for each in SECTIONS if each.title == "Limits")
    others = {"MEDIA_DOWNLOADS_PER_CONNECTION", "MEDIA_DOWNLOADS_PER_SENDER"}
    assert {each.setting for each in LIMITS} == {*section.own_fields(), "DISK_RESERVE"} - others


def test_a_full_disk_is_a_limit_and_keeps_its_reason() -> None:
    full = StoreFull("ENOSPC", 5)
    assert isinstance(full, StoreUnavailable)
    assert full.reason == "ENOSPC"
    assert (full.limit.setting, full.limit.size, full.scope) == ("DISK_RESERVE", 5, "instance")
    assert limit_problem(full).kind.code == full.code == "disk_reserve"
