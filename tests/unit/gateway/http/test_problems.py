from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.http.problems import PROBLEM_KINDS, Problem, from_validation
from gateway.schemas.content.outbound_messages import NewMessage, StandaloneMessage
from gateway.schemas.request_models import ListMessages

MINE = "shop.3EB0A1B2C3D4E5F6A7B8C9"
GOOD = {"connection": "shop", "to": "15550100002", "text": "hi"}


def refusal(content: str | bytes) -> Problem:
    with pytest.raises(ValidationError) as refused:
        NewMessage.model_validate_json(content)
    return from_validation(refused.value, NewMessage)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"to": "nobody"}, "invalid_number", "to"),
        ({"to": "1@g.us"}, "unsupported_chat", "to"),
        ({"to": 15550100002}, "invalid_field", "to"),
        ({"text": ""}, "text_empty", "text"),
        ({"text": "x" * 65537}, "text_too_long", "text"),
        ({"text": "a\0"}, "control_character", "text"),
        ({"text": None}, "invalid_field", "text"),
        ({"type": "hologram"}, "unsupported_type", "type"),
        ({"type": ["text"]}, "unsupported_type", "type"),
        ({"type": None}, "unsupported_type", "type"),
        ({"type": "location"}, "missing_field", "latitude"),
        ({"type": "edit"}, "missing_field", "message"),
        ({"type": "edit", "message": "shop.3EB0"}, "invalid_field", "message"),
        ({"type": "edit", "message": MINE, "priority": 1}, "unknown_field", "priority"),
        ({"reply_to": "x"}, "invalid_field", "reply_to"),
        ({"priority": "5"}, "invalid_field", "priority"),
        ({"priority": 10}, "invalid_field", "priority"),
        ({"priority": True}, "invalid_field", "priority"),
        ({"connection": "No Such"}, "invalid_field", "connection"),
        ({"send_at": "2030-01-01T00:00:00"}, "invalid_field", "send_at"),
        ({"send_at": 1893456000}, "invalid_field", "send_at"),
        ({"webhook": "x"}, "unknown_field", "webhook"),
    ],
)
def test_each_refusal_names_its_field(change: dict[str, Any], code: str, field: str) -> None:
    problem = refusal(json.dumps({**GOOD, **change}))
    assert problem.kind.code == code
    assert problem.kind.status == 422
    assert problem.extra["errors"][0]["field"] == field
    assert field in problem.detail


@pytest.mark.parametrize(
    "written",
    [
        "2030-01-01T09:00:00Z",
        "2030-01-01t09:00:00.5z",
        "2030-01-01 09:00:00.123456789+05:30",
        "2028-02-29T23:59:59-23:59",
    ],
)
def test_times_that_are_taken(written: str) -> None:
    taken = NewMessage.model_validate_json(json.dumps({**GOOD, "send_at": written})).root
    assert isinstance(taken, StandaloneMessage)
    assert taken.send_at is not None
    assert taken.send_at.utcoffset() is not None


@pytest.mark.parametrize(
    "written",
    ["2030-02-30T00:00:00Z", "2030-01-01T24:01:00Z", "2030-01-01T00:00:00+25:00", "1893456000"],
)
def test_times_that_are_none(written: str) -> None:
    assert refusal(json.dumps({**GOOD, "send_at": written})).extra["errors"] == [
        {
            "field": "send_at",
            "code": "invalid_field",
            "message": "write a time with a zone, as in 2030-01-01T09:00:00Z",
        }
    ]


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (
            {},
            [
                "it is needed, as in shop",
                "it is needed, as in 15550100002",
                "it is needed, as in hi",
            ],
        ),
        (
            {
                "connection": "shop",
                "to": "15550100002",
                "type": "delete",
                "message": MINE,
                "foo": 1,
            },
            ["there is none of this name; known: connection, to, message, type"],
        ),
        (
            {"connection": "shop", "to": "15550100002", "type": "poll", "question": "Tea?"},
            ['it is needed, as in ["tea", "coffee"]'],
        ),
        (
            {**GOOD, "connection": "No"},
            ["a connection's id has lower-case letters, digits, - and _, as in shop-2"],
        ),
    ],
)
def test_a_message_has_the_example_of_its_field(body: Any, messages: list[str]) -> None:
    """A pattern's text has one of its own."""
    with pytest.raises(ValidationError) as refused:
        NewMessage.model_validate(body)
    problem = from_validation(refused.value, NewMessage)
    assert [each["message"] for each in problem.extra["errors"]] == messages


def test_everything_that_is_wrong_is_listed() -> None:
    problem = refusal('{"to": 5}')
    assert {(each["field"], each["code"]) for each in problem.extra["errors"]} == {
        ("connection", "missing_field"),
        ("to", "invalid_field"),
        ("text", "missing_field"),
    }


@pytest.mark.parametrize(
    "content", ["", "{", "{'a': 1}", b"\xff\xfe", '{"text": "\\ud800"}', "[" * 5000]
)
def test_what_is_not_json(content: str | bytes) -> None:
    problem = refusal(content)
    assert (problem.kind.code, problem.kind.status) == ("malformed_json", 400)


@pytest.mark.parametrize("content", ["[]", "null", '"text"', "5"])
def test_json_that_is_no_object(content: str) -> None:
    assert refusal(content).kind.code == "invalid_field"


def test_refused_values_are_never_repeated() -> None:
    secret = "15550100002 said something"
    problem = refusal(json.dumps({"connection": secret, "to": secret, "text": [secret]}))
    assert secret not in bytes(problem.response().body).decode()


def test_a_long_unknown_name_is_cut() -> None:
    problem = refusal(json.dumps({**GOOD, "x" * 10_000: 1}))
    assert len(problem.response().body) < 1000


def test_an_unknown_parameter_differs_from_a_wrong_one() -> None:
    for given, code in (({"konnection": "shop"}, "unknown_parameter"), ({"limit": "x"}, None)):
        with pytest.raises(ValidationError) as refused:
            ListMessages.model_validate(given)
        problem = from_validation(refused.value, parameters=True)
        assert problem.kind.code == (code or "invalid_parameter")


def test_the_form_of_a_problem() -> None:
    response = Problem("redis_away", "Gone.", headers={"X-A": "b"}, more=1).response()
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) > 0
    assert response.headers["x-a"] == "b"
    assert json.loads(bytes(response.body)) == {
        "type": "/docs#redis_away",
        "title": "Redis does not answer",
        "status": 503,
        "code": "redis_away",
        "detail": "Gone.",
        "more": 1,
    }


def test_titles_differ() -> None:
    assert len({kind.title for kind in PROBLEM_KINDS.values()}) == len(PROBLEM_KINDS)
