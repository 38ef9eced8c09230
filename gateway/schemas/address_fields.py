"""Defines pydantic field types for WhatsApp addresses in requests: phone number, person, any chat, or mentions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from actors.messages.content import EVERYBODY, MOST_MENTIONS
from actors.runtime.text_pattern import TextPattern
from gateway.schemas import addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NUMBER = "An international phone number of 7 to 15 digits (with at most +, spaces, dashes and parentheses)"


def _read(reader: Callable[[str], str]) -> AfterValidator:
    def read(written: str) -> str:
        try:
            return reader(written)
        except addresses.InvalidAddress as error:
            raise PydanticCustomError(error.code, "{reason}", {"reason": str(error)}) from None

    return AfterValidator(read)


def _described(pattern: str, others: str, examples: list[str]) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "type": "string",
            "minLength": 7,
            "maxLength": addresses.MAX_ADDRESS_CHARACTERS,
            "pattern": pattern,
            "description": f"{_NUMBER}{others}",
            "examples": examples,
        }
    )


Address = Annotated[
    str,
    _read(addresses.canonical),
    _described(
        addresses.PHONE_PATTERN,
        ", or a canonical address.",
        ["15550100002", "+1 (555) 010-0002", "15550100002@s.whatsapp.net"],
    ),
]
Person = Annotated[
    str,
    _read(addresses.person),
    _described(
        addresses.PERSON_PATTERN,
        ", a canonical address, or a LID (…@lid).",
        ["15550100002", "90000000000002@lid"],
    ),
]
Chat = Annotated[
    str,
    _read(addresses.chat),
    _described(
        addresses.CHAT_PATTERN,
        ", a canonical address, a LID (…@lid), or a group's.",
        ["15550100002", "90000000000002@lid", "120363000000000001@g.us"],
    ),
]


_ONE = addresses.PERSON_PATTERN[1:-1]
People = Annotated[
    str,
    TextPattern(
        f"^{_ONE}(,{_ONE})*$",
        "write phone numbers or addresses with commas between, as in 15550100002,15550100003",
    ),
]
"""Persons in a query parameter."""


def _mentioned(given: Any, read: Callable[[Any], Sequence[str]], info: ValidationInfo) -> Any:
    """The canonical addresses, each once; None for nobody. Refuses mentions outside of a group."""
    if given != EVERYBODY and not isinstance(given, list):
        raise PydanticCustomError("invalid_field", "list members of the group, or write all")
    found = given if given == EVERYBODY else list(dict.fromkeys(read(given))) or None
    if found is not None and not addresses.is_group(info.data.get("to", "")):
        raise PydanticCustomError("invalid_field", "mention people in groups alone")
    return found


Mentions = Annotated[
    list[Person],
    Field(max_length=MOST_MENTIONS),
    WrapValidator(_mentioned),
    PlainSerializer(lambda found: found),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "array",
                    "items": TypeAdapter(Person).json_schema(),
                    "maxItems": MOST_MENTIONS,
                },
                {"const": EVERYBODY},
            ]
        }
    ),
]
"""Members of the group of the field `to`, which stands before it."""
