"""Defines pydantic field types for WhatsApp addresses in requests: phone number, person, or any chat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.schemas import addresses

if TYPE_CHECKING:
    from collections.abc import Callable

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
            "maxLength": addresses.LONGEST,
            "pattern": pattern,
            "description": f"{_NUMBER}{others}",
            "examples": examples,
        }
    )


Address = Annotated[
    str,
    _read(addresses.canonical),
    _described(
        addresses.PATTERN,
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
