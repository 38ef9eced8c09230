"""Headers that a webhook may have: nothing that ends a line, and none that Teimoso sets itself."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from gateway.http import problems
from gateway.schemas.request_models import ChangedWebhook, NewWebhook
from gateway.schemas.webhook_headers import from_lines


def test_headers_are_read_from_lines_and_a_refusal_repeats_none() -> None:
    found = from_lines(["Authorization: Bearer a:b\n", "", "  X-One:1 "])
    assert found == {"Authorization": "Bearer a:b", "X-One": "1"}
    with pytest.raises(
        ValueError,
        match=r"^Line 2 of the headers has no colon; write it as in Authorization: Bearer s3cret\.$",
    ):
        from_lines(["X-One: 1", "s3cret"])


def new(headers: dict[str, str]) -> NewWebhook:
    return NewWebhook.model_validate({"url": "https://example.com/hook", "headers": headers})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer a.b.c=="},
        {"X-Api_Key": "k", "x-other": "two words", "Cookie": "a=b; c=d"},
        {f"X-{number}": "x" * 1024 for number in range(20)},
    ],
)
def test_headers_that_can_be_used(headers: dict[str, str]) -> None:
    assert new(headers).headers == headers
    assert ChangedWebhook.model_validate({"headers": headers}).headers == headers


@pytest.mark.parametrize(
    "headers",
    [
        {f"X-{number}": "x" for number in range(21)},
        {"X-Key": "psst", "x-key": "psst"},
        {"": "psst"},
        {"X Key": "psst"},
        {"X-Key:": "psst"},
        {"X-Key\r\nX-Other": "psst"},
        {"X-Kéy": "psst"},
        {"__x__": "psst"},
        {"X" * 65: "psst"},
        {"X-Key": ""},
        {"X-Key": " psst"},
        {"X-Key": "psst\r\nX-Other: psst"},
        {"X-Key": "psst\n"},
        {"X-Key": "pss\x00t"},
        {"X-Key": "psst\x7f"},
        {"X-Key": "psst é"},
        {"X-Key": "psst" * 300},
        {"X-Key": "***"},
        *({name: "psst"} for name in ("Host", "host", "Content-Length", "Content-Type")),
        *(
            {name: "psst"}
            for name in ("Transfer-Encoding", "Connection", "TE", "Upgrade", "Expect")
        ),
        *({name: "psst"} for name in ("User-Agent", "Accept", "Proxy-Authorization", "Trailer")),
        *({name: "psst"} for name in ("webhook-id", "Webhook-Signature", "webhook-timestamp")),
    ],
)
def test_headers_that_cannot_be_used(headers: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        new(headers)
    answer = problems.from_validation(refused.value)
    assert answer.kind.code == "invalid_field"
    assert "psst" not in json.dumps([answer.detail, answer.extra]), "a refusal repeats no secret"


def test_no_repr_has_a_value() -> None:
    assert "psst" not in repr(new({"X-Key": "psst"}))
