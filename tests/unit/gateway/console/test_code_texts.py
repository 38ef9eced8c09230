"""Codes, addresses, sizes and times in words; each code that a page may meet has some."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from actors.connection.disconnects.causes import Kind
from actors.health import health_texts
from gateway.console import code_texts
from gateway.http.api_keys import SCOPES
from gateway.schemas import request_models
from gateway.schemas.response_models import LimitReason, RecoveryAction, State


def test_every_code_has_words() -> None:
    assert set(code_texts.STATE_TEXTS) == set(get_args(State))
    assert set(code_texts.STATE_TEXTS) <= set(code_texts.TONES)
    assert set(code_texts.STATUSES) == set(get_args(request_models.Status))
    assert set(code_texts.ACTIONS) == set(
        get_args(RecoveryAction.model_fields["action"].annotation)
    )
    assert {str(kind) for kind in Kind} - set(code_texts.CAUSES) == {"closed"}
    assert set(health_texts.CAUSES) | set(health_texts.BY_HAND) <= set(code_texts.CAUSES)
    assert set(code_texts.LIMITS) == set(get_args(LimitReason))
    assert set(code_texts.SCOPES) == set(code_texts.SCOPE_HINTS) == set(SCOPES)


def test_an_attempt_that_failed_has_a_status_or_words() -> None:
    for code, words in (
        ("status_503", "HTTP 503"),
        ("timeout", "No answer in time"),
        ("unreadable", "Unreadable"),
        (None, ""),
    ):
        assert code_texts.attempt_error(code) == words


def test_an_unknown_code_is_its_own_word() -> None:
    assert code_texts.meaning(code_texts.CAUSES, "some_new_code") == "Some new code"
    assert code_texts.meaning(code_texts.CAUSES, None) == ""


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("15550100002@s.whatsapp.net", "+15550100002"),
        ("120363000000000001@g.us", "Group 000001"),
        ("123456789012345@lid", "Hidden number 2345"),
        ("status@broadcast", "status"),
        (None, ""),
    ],
)
def test_an_address_as_a_person_knows_it(address: str | None, shown: str) -> None:
    assert code_texts.number(address) == shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ({"text": " two\n lines "}, "two lines"),
        ({"text": "x" * 100}, "x" * 79 + "…"),
        ({"text": None, "type": "image"}, "Picture"),
        ({"text": None, "type": "something_new"}, "Something new"),
        ({"text": "gone", "deleted_at": "2030-01-01T09:00:00Z"}, "Deleted"),
    ],
)
def test_what_a_message_says_on_a_line(message: dict[str, Any], shown: str) -> None:
    assert code_texts.excerpt({"type": "text", "deleted_at": None, **message}) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (82_000_000_000, "82 GB")]
)
def test_sizes(count: int, shown: str) -> None:
    assert code_texts.size(count) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(0.032, "32 ms"), (5.44, "5.4 s"), (600, "10 min")])
def test_durations(seconds: float, shown: str) -> None:
    assert code_texts.took(seconds) == shown
