"""Builds the StateManager's writes of app-state changes to the contact, chat and label documents (pure).

``settings`` of a document has each setting that was ever noted (`account_documents.NotedSetting`), with its place in the
order of changes. So the result is the same however often a change comes, and an older one never replaces a newer.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, TypeVar

from actors.state.documents import CHATS, CONTACTS, LABELS, Write
from actors.state.events.derivation import of_app_state, of_group_change, of_picture
from actors.state.fields import OF_GROUP, PERSON_PICTURE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.state.documents import Document, EventsOf
    from actors.state.events.event import Event

T = TypeVar("T")

COLLECTIONS: Final[Mapping[str, str]] = {"contact": CONTACTS, "chat": CHATS, "label": LABELS}
"""The collection of documents for each subject."""

_NAMED: Final = {CONTACTS: "address", CHATS: "chat", LABELS: "label"}
"""The field with the subject of a document."""

FLAGS: Final = ("archived", "pinned", "unread")
"""Settings by which chats are found."""


GROUP_SUBJECT: Final = f"{OF_GROUP}subject"
GROUP_PICTURE: Final = f"{OF_GROUP}picture"

ACTIVITY: Final = ("active_at", "last", "unread_count", "name", "picture")
"""Fields of a chat's document that are no settings (`chat_activity`, `pictures`)."""


def document_id(connection: str, subject_id: str) -> str:
    """The id of the document about an address or a label of the connection."""
    return f"{connection}.{hashlib.sha256(subject_id.encode()).hexdigest()[:24]}"


def changing(connection: str, item: Mapping[str, Any]) -> Write:
    """The write that notes a change (the fields of `app_state_changes.InboxAppState`).

    It emits an event, unless it is part of a full sync and the document is new.
    """
    collection, subject_id = COLLECTIONS[str(item["subject"])], str(item["id"])
    name = str(item["setting"])
    fields = ("value", "at", "epoch", "key", "collection", "noted_as")
    noted = {field: item[field] for field in fields}
    if noted["value"] is None:
        noted = _gone(noted)

    def change(there: Document | None) -> Document | None:
        settings = dict((there or {}).get("settings") or {})
        stored = settings.get(name)
        if stored is not None and _order(stored) >= _order(noted):
            return None
        if (
            item["removed"]
            and stored is not None
            and stored["noted_as"] not in {None, item["noted_as"]}
        ):
            return None  # set under another address of the same person
        document = _document(collection, connection, subject_id, {**settings, name: noted}, there)
        if name == GROUP_SUBJECT and "active_at" in document:
            document["name"] = noted["value"]["value"] or document.get("name")
        if name in {GROUP_PICTURE, PERSON_PICTURE}:
            document.pop("picture", None)  # it was another one's
        return document

    events = _events_of(collection, connection, subject_id, item, news=item["news"])
    identity = document_id(connection, subject_id)
    return Write("change", collection, identity, change=change, events=events)


def clearing(
    collection: str, connection: str, document: Document, replaced: Mapping[str, Any]
) -> Write | None:
    """The write that clears in a document what a full sync left out; None where there is nothing.

    `replaced` has the fields of `app_state_changes.InboxReplaced`. A document that names nobody since
    before that full sync is removed.
    """
    if "active_at" not in document and (not document["settings"] or _is_over(document, replaced)):
        return Write("delete", collection, document["id"])
    if _cleared(document, replaced) is None:
        return None
    subject_id = document[_NAMED[collection]]

    def change(there: Document | None) -> Document | None:
        settings = None if there is None else _cleared(there, replaced)
        if settings is None:
            return None
        return _document(collection, connection, subject_id, settings, there)

    events = _events_of(collection, connection, subject_id, replaced, news=True)
    return Write("change", collection, document["id"], change=change, events=events)


def moving(collection: str, connection: str, document: Document, new: str) -> list[Write]:
    """The writes that move a document to the address `new`: of each setting the later one stays.

    The former document names nobody any more. They emit no event.
    """
    moved = {name: one for name, one in document["settings"].items() if one["value"] is not None}

    def join(there: Document | None) -> Document | None:
        stored = (there or {}).get("settings") or {}
        later = {
            name: one
            for name, one in moved.items()
            if name not in stored or _order(one) > _order(stored[name])
        }
        if not later:
            return None
        return _document(collection, connection, new, {**stored, **later}, there)

    def leave(there: Document | None) -> Document | None:
        if there is None:
            return None
        settings = {name: _gone(one) for name, one in there["settings"].items()}
        activity = _activity(there) if collection == CHATS else {}
        return {"connection": connection, "settings": settings, **activity}

    return [
        Write("change", collection, document_id(connection, new), change=join),
        Write("change", collection, document["id"], change=leave),
    ]


def shown(document: Document | None) -> dict[str, dict[str, Any]]:
    """The settings that a document has, by name; those that are gone are not among them."""
    settings = (document or {}).get("settings") or {}
    return {name: one for name, one in settings.items() if one["value"] is not None}


def name_of(document: Document | None) -> str | None:
    """The name of the person that a document of ``whatsapp_contacts`` is about; None for nobody."""
    named = shown(document).get("name")
    return None if named is None else named["value"]["full_name"] or named["value"]["first_name"]


def _document(
    collection: str,
    connection: str,
    subject_id: str,
    settings: Mapping[str, Any],
    there: Document | None,
) -> Document:
    activity = _activity(there)
    document: Document = {"connection": connection, "settings": dict(settings), **activity}
    visible = shown(document)
    if visible or activity:
        document[_NAMED[collection]] = subject_id
    if not visible:
        return document
    if collection == CONTACTS and "name" in visible:
        document["sort_name"] = (name_of(document) or "").casefold()
    elif collection == CHATS and (of_chat := without_group(visible)):
        document["at"] = max(one["at"] for one in of_chat.values())
        document |= {flag: flag in of_chat for flag in FLAGS}
    return document


def without_group(settings: Mapping[str, T]) -> dict[str, T]:
    """The settings of a chat that are its own, not of the group."""
    return {name: one for name, one in settings.items() if not name.startswith(OF_GROUP)}


def _activity(there: Document | None) -> Document:
    """The fields of `ACTIVITY` that a document has."""
    return {name: there[name] for name in ACTIVITY if there is not None and name in there}


def _gone(noted: Mapping[str, Any]) -> dict[str, Any]:
    return {**noted, "value": None, "noted_as": None}


def _order(noted: Mapping[str, Any]) -> tuple[int, int]:
    return noted["epoch"], noted["key"]


def _cleared(document: Document, replaced: Mapping[str, Any]) -> dict[str, Any] | None:
    """The settings once a full sync is complete; None where it left nothing out."""
    settings = {
        name: _gone(one) if _is_left_out(one, replaced) else one
        for name, one in document["settings"].items()
    }
    return None if settings == document["settings"] else settings


def _is_left_out(noted: Mapping[str, Any], replaced: Mapping[str, Any]) -> bool:
    until = (replaced["epoch"], replaced["until"])
    return noted["collection"] == replaced["collection"] and _order(noted) <= until


def _is_over(document: Document, replaced: Mapping[str, Any]) -> bool:
    until = (replaced["epoch"], replaced["until"])
    return not shown(document) and all(
        _order(one) <= until for one in document["settings"].values()
    )


def _events_of(
    collection: str, connection: str, subject_id: str, cause: Mapping[str, Any], *, news: bool
) -> EventsOf | None:
    """Return what derives the event of a visible change of a subject by `cause`; None for labels.

    Where it is no `news`, a subject of which nothing was known has no event. A change of a group, or of a person's
    picture, has one of its own.
    """
    setting = str(cause.get("setting", ""))

    def events(before: Document | None, after: Document | None) -> Sequence[Event]:
        had, has = shown(before), shown(after)
        if _values(had) == _values(has) or not (news or had):
            return ()
        data = {
            "connection": connection,
            _NAMED[collection]: subject_id,
            "at": float(cause["at"]),
        }
        if setting.startswith(OF_GROUP):
            data |= {"setting": setting.removeprefix(OF_GROUP), **cause["value"]}
            return (of_group_change(data, cause["epoch"], cause["key"]),)
        if setting == PERSON_PICTURE:
            data |= {"picture": cause["value"]}
            return (of_picture(data, cause["epoch"], cause["key"]),)
        return (of_app_state({**data, "settings": has}, cause["epoch"], cause["key"]),)

    return None if collection == LABELS else events


def _values(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: one["value"] for name, one in settings.items()}
