"""Defines models of contacts, chats and labels, and converts state-store documents to the models (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, StrictBool

from actors.messages.field_types import Line  # noqa: TC001 - pydantic reads it
from actors.runtime.connection_ids import name_of
from actors.state.account.app_state import without_group
from actors.state.fields import LABEL_OF_CHAT
from gateway.http.response_base import Answer, Time, rfc3339
from gateway.schemas.address_fields import People  # noqa: TC001 - pydantic reads it
from gateway.schemas.request_models import Body, ListQuery, Moment, truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.state.documents import Document

MOST_ADDRESSES = 100


class Contact(Answer):
    """A person in the address book of the account's phone."""

    address: str = Field(description="As `chat` and `sender` of messages.")
    name: str = Field(
        description="The full name, or else the first name.", examples=["Ana Pereira"]
    )
    full_name: str | None = Field(examples=["Ana Pereira"])
    first_name: str | None = Field(examples=["Ana"])
    changed_at: Time


class Contacts(Answer):
    """A page of the contacts of an account."""

    items: list[Contact]
    next: str | None


class ChangedContact(Answer):
    """A contact as it is now."""

    address: str
    connection: str
    name: str | None = Field(
        description="null: it is in the address book no more.", examples=["Ana Pereira"]
    )
    full_name: str | None = Field(examples=["Ana Pereira"])
    first_name: str | None = Field(examples=["Ana"])


class ChatSettings(Answer):
    """Settings of a chat, the same on all devices of the account."""

    chat: str
    archived: bool
    pinned: bool
    unread: bool = Field(description="Somebody marked it as unread.")
    muted: bool
    muted_until: Time | None = Field(description="null: it is not muted, or without an end.")
    labels: list[str] = Field(description="Ids of its labels.", examples=[["5"]])
    cleared_at: Time | None = Field(
        description="When it was cleared, or deleted, on a device of the account; what is stored here stays."
    )


class ChatState(ChatSettings):
    """A chat with its settings."""

    name: str | None = Field(
        description="The contact's; null for a group, and where there is none.",
        examples=["Ana Pereira"],
    )
    changed_at: Time | None = Field(
        description="When the last of its settings was made that is in force; null: none is."
    )


class ChatStates(Answer):
    """A page of the chats of an account that have settings."""

    items: list[ChatState]
    next: str | None


class ChangedChat(ChatSettings):
    """A chat with its settings after the change."""

    connection: str


class Label(Answer):
    """A label that chats may have."""

    id: str = Field(examples=["5"])
    name: str = Field(examples=["New customer"])
    colour: int | None = Field(description="WhatsApp's number of it.", examples=[2])


class Labels(Answer):
    """All labels of an account."""

    items: list[Label]
    next: None = None


class ListContacts(ListQuery):
    """A page of contacts, or those of given addresses."""

    name: Line | None = Field(
        None, description="Only those whose name begins so, in any case.", examples=["ana"]
    )
    addresses: People | None = Field(
        None,
        description=f"Only these, {MOST_ADDRESSES} at most, with commas between; what is no contact is left"
        " out. Nothing else is looked at then.",
        examples=["15550100002,15550100003"],
    )


Flag = Annotated[StrictBool | None, BeforeValidator(truth)]


class ListChats(ListQuery):
    """A page of chats, perhaps of those alone that have certain settings."""

    archived: Flag = Field(None, description="Only those that are archived, or are not.")
    pinned: Flag = Field(None, description="Only those that are pinned, or are not.")
    unread: Flag = Field(None, description="Only those that are marked as unread, or are not.")


class ChatChange(Body):
    """Settings of a chat to change, one at least; the others stay."""

    archived: bool | None = Field(
        None, description="Whether it is in the archive of the account's apps.", examples=[True]
    )
    pinned: bool | None = Field(None, description="Whether it stands above all others there.")
    unread: bool | None = Field(
        None, description="`true` marks it as unread, `false` as read; no sender learns of it."
    )
    muted: bool | None = Field(None, description="`true`: until `muted_until`, or without an end.")
    muted_until: Moment | None = Field(None, description="With `muted`: until when.")


def contact(document: Document) -> Contact:
    """A contact as the state store has it."""
    noted = document["settings"]["name"]
    return Contact(
        address=document["address"],
        changed_at=rfc3339(noted["at"]) or "",
        **_names(noted["value"]),
    )


def changed_contact(data: Mapping[str, Any]) -> ChangedContact:
    """A contact as an event has it."""
    names = _names((data["settings"].get("name") or {}).get("value") or {})
    connection = name_of(data["connection"])
    return ChangedContact(address=data["address"], connection=connection, **names)


def chat(address: str, settings: Mapping[str, Any], name: str | None, now: float) -> ChatState:
    """A chat by its settings that are in force."""
    changed_at = max((one["at"] for one in without_group(settings).values()), default=None)
    return ChatState(**_settings(address, settings, now), name=name, changed_at=rfc3339(changed_at))


def changed_chat(data: Mapping[str, Any]) -> ChangedChat:
    """A chat as an event has it."""
    settings = _settings(data["chat"], data["settings"], data["at"])
    return ChangedChat(**settings, connection=name_of(data["connection"]))


def label(id: str, settings: Mapping[str, Any]) -> Label:  # noqa: A002 - the field's word
    """A label by its settings."""
    return Label(id=id, **settings["definition"]["value"])


def _names(names: Mapping[str, Any]) -> dict[str, Any]:
    full, first = names.get("full_name"), names.get("first_name")
    return {"name": full or first, "full_name": full, "first_name": first}


def _settings(address: str, settings: Mapping[str, Any], now: float) -> dict[str, Any]:
    mute = (settings.get("mute") or {}).get("value")
    until = None if mute is None else mute["until"]
    muted = mute is not None and (until is None or until > now)
    return {
        "chat": address,
        "archived": "archived" in settings,
        "pinned": "pinned" in settings,
        "unread": "unread" in settings,
        "muted": muted,
        "muted_until": rfc3339(until) if muted else None,
        "labels": sorted(
            name.removeprefix(LABEL_OF_CHAT) for name in settings if name.startswith(LABEL_OF_CHAT)
        ),
        "cleared_at": rfc3339((settings.get("emptied") or {}).get("at")),
    }
