"""Defines models of the list of people, and builds them from documents of SQLite or Firestore (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from actors.state.account.app_state import shown
from gateway.http.response_base import Answer
from gateway.schemas.people.chats import SEARCHED, SEARCHED_CHATS
from gateway.schemas.people.people import Person, PictureId, person
from gateway.schemas.request_models import ConnectionId, Limit, ListQuery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.state.documents import Document


class ListedContact(Person):
    """A person whom the account knows; `name` is as it is known now."""

    picture: PictureId
    saved: bool = Field(
        description="Whether the person is in the address book of the account's phone."
    )
    full_name: str | None = Field(examples=["Ana Pereira"])
    first_name: str | None = Field(examples=["Ana"])


class ListedContacts(Answer):
    """A page of the people whom an account knows."""

    items: list[ListedContact]
    next: str | None


class ListAllContacts(ListQuery):
    """A page of the people whom an account knows, or of those that a search finds."""

    connection: ConnectionId = Field(description="The connection whose people are listed.")
    limit: Limit = Field(50, ge=1, le=200, description="The most items to give.")
    search: Annotated[str, SEARCHED] | None = Field(
        None,
        description="Only people with this in the name or the number, in any case, with accents or without"
        f" them. A page looks at {SEARCHED_CHATS} people at most: with fewer items than `limit`, or none, `next` goes on.",
        examples=["ana"],
    )


def saved(document: Document) -> ListedContact | None:
    """A person by the document of the address book; None for one who is in it no more."""
    name = shown(document).get("name")
    if name is None:
        return None
    names = name["value"]
    saved_name = names["full_name"] or names["first_name"]
    return _listed(document, document["address"], saved_name, saved=True, names=names)


def of_chat(document: Document) -> ListedContact:
    """A person by the document of the chat with them, who is not in the address book."""
    return _listed(document, document["chat"], document.get("name"), saved=False)


def _listed(
    document: Document,
    address: str,
    name: str | None,
    *,
    saved: bool,
    names: Mapping[str, Any] | None = None,
) -> ListedContact:
    found = person(address, {"sender_name": name})
    assert found is not None
    names = names or {"full_name": None, "first_name": None}
    return ListedContact(
        **dict(found),
        picture=document.get("picture"),
        saved=saved,
        full_name=names["full_name"],
        first_name=names["first_name"],
    )
