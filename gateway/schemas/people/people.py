"""Defines the model of a person in answers and events, and builds it from fields of documents (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from actors.runtime.connection_ids import name_of
from gateway.http.response_base import Answer, Time, rfc3339
from gateway.schemas.addresses import PERSON
from gateway.schemas.examples import FILE_EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Mapping

PictureId = Annotated[
    str | None,
    Field(
        description="The SHA-256 of the picture, as the `ETag` of `GET /api/chats/{connection}/{chat}/picture`, which"
        " gives it; null where there is none, and until that request was made once.",
        examples=[FILE_EXAMPLE],
    ),
]


class Person(Answer):
    """A person by all that is known of them; an account, where it is the own one."""

    address: str = Field(
        description="By which the service names the person: of the number, or of the LID while no number is known.",
        examples=["15550100002@s.whatsapp.net"],
    )
    number: str | None = Field(
        description="The phone number, digits alone; null where only a LID is known.",
        examples=["15550100002"],
    )
    lid: str | None = Field(
        description="The LID, where it is known.", examples=["90000000000002@lid"]
    )
    name: str | None = Field(
        description="The name in the address book of the account's phone, else the name that the person shows, else"
        " the number with a `+`; as it was known when this arrived. null where there is none.",
        examples=["Ana Pereira"],
    )


class ChangedPicture(Person):
    """A person with another picture."""

    connection: str = Field(examples=["shop"])
    picture_id: str | None = Field(
        description="WhatsApp's id of the picture, which `GET /api/chats/{connection}/{chat}/picture` gives from now on;"
        " null where the person has none any more.",
        examples=["1893456000"],
    )
    at: Time = Field(description="WhatsApp's time of it.")


def person(address: str | None, named: Mapping[str, Any]) -> Person | None:
    """The person of an address, by the fields `sender_name` and `sender_lid`; None for no address.

    `push_name` stands in for a name that is missing.
    """
    if address is None:
        return None
    user, _, server = address.partition("@")
    number = user if server == PERSON else None
    name = named.get("sender_name") or named.get("push_name")
    return Person(
        address=address,
        number=number,
        lid=address if server == "lid" else named.get("sender_lid"),
        name=name or (None if number is None else f"+{number}"),
    )


def changed_picture(data: Mapping[str, Any]) -> ChangedPicture:
    """A person with another picture, as an event has it."""
    picture = data["picture"]
    found = person(data["address"], picture)
    assert found is not None
    return ChangedPicture(
        **dict(found),
        connection=name_of(data["connection"]),
        picture_id=picture["id"] or None,
        at=rfc3339(data["at"]) or "",
    )
