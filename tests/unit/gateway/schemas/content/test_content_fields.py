"""A field of content is declared once: requests, answers and the OpenAPI document follow from that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ValidationError, create_model

from gateway.schemas.content.content_fields import requested, shown

if TYPE_CHECKING:
    from actors.messages.content import Quote, Target
    from actors.messages.field_types import (
        Choices,
        Chosen,
        Emoji,
        Hidden,
        Latitude,
        Options,
        Seconds,
        Words,
    )


@dataclass(frozen=True, slots=True)
class Everything:
    target: Target
    text: Words
    latitude: Latitude
    options: Options
    choices: Choices
    emoji: Emoji
    chosen: Chosen | None = None
    seconds: Seconds = None
    secret: Hidden[str] | None = None
    reply_to: Quote | None = None


GIVEN: dict[str, Any] = {
    "text": "hi",
    "latitude": 1.5,
    "options": ["yes", "no"],
    "emoji": "",
    "chosen": ["yes"],
}


def model(fields: Any) -> type[BaseModel]:
    return create_model("Model", **fields)


def test_a_request_has_what_a_caller_gives() -> None:
    request = model(requested(Everything))
    schema = request.model_json_schema()
    assert set(schema["properties"]) == {*GIVEN, "choices", "seconds"}
    assert set(schema["required"]) == set(GIVEN)
    assert schema["properties"]["latitude"]["maximum"] == 90
    assert schema["properties"]["options"]["uniqueItems"]
    made = request.model_validate(GIVEN)
    assert made.model_dump() == {**GIVEN, "choices": 1, "seconds": None}


@pytest.mark.parametrize(
    "change",
    [
        {"text": " "},
        {"latitude": 91},
        {"options": ["yes"]},
        {"options": ["yes", "yes"]},
        {"choices": 13},
        {"emoji": "a b"},
        {"chosen": None},
        {"seconds": -1},
    ],
)
def test_a_request_has_the_limits_that_are_declared(change: dict[str, Any]) -> None:
    request = model(requested(Everything))
    with pytest.raises(ValidationError):
        request.model_validate({**GIVEN, **change})


def test_an_answer_has_all_that_is_not_elsewhere_and_no_limits() -> None:
    answer = model(shown(Everything))
    schema = answer.model_json_schema(mode="serialization")
    expected = {"latitude", "options", "choices", "emoji", "chosen", "seconds"}
    assert set(schema["properties"]) == set(schema["required"]) == expected
    assert schema["properties"]["emoji"]["description"] == "Empty where a reaction was taken back."
    assert schema["properties"]["latitude"] == {"title": "Latitude", "type": "number"}
    beyond = {
        "latitude": 1e9,
        "options": ["a\n"],
        "choices": 99,
        "emoji": "a b",
        "chosen": None,
        "seconds": -1,
    }
    assert answer.model_validate(beyond).model_dump(mode="json") == beyond
