"""Declares the fields of documents of contacts, chats and labels in SQLite or Firestore."""

from __future__ import annotations

from typing import Any, TypedDict


class NotedSetting(TypedDict):
    """A setting as it was last noted. Of two the one with the greater pair of `epoch` and `key` is the later one."""

    value: Any
    """As in the table of settings; null where it is gone, or a full sync of its collection left it out."""
    at: float
    """WhatsApp's time of it, or when it arrived."""
    collection: str
    """The collection of WhatsApp's app state that it is in."""
    noted_as: str | None
    """The address that WhatsApp used."""
    epoch: int
    key: int
    """The place in the order of changes; the greater pair is the later one."""


class AccountDocument(TypedDict, total=False):
    """The part that contacts, chats and labels have in common."""

    connection: str
    """The connection's id."""
    settings: dict[str, NotedSetting]
    """Each setting that was ever noted, by name. A document whose settings are all gone names nobody, and no list shows it."""


class ContactDocument(AccountDocument, total=False):
    """A person in the address book of the account's phone, or whose picture changed."""

    address: str
    """The person."""
    sort_name: str
    """Of one in the address book: the name by which lists are sorted."""
    picture: str | None
    """As of a chat."""


class ChatDocument(AccountDocument, total=False):
    """A chat with settings, or with a stored message."""

    chat: str
    """Its address."""
    at: float
    """The latest `at` of its settings but those of a group, by which lists are sorted."""
    archived: bool
    pinned: bool
    unread: bool
    """Settings by which lists are filtered."""
    active_at: float
    """`at` of its newest message (no reaction, pin, vote, edit or delete), by which the list of chats is sorted. Written in the batch that stores the message; a chat without one has none of the fields from here on."""
    last: str | None
    """The id of that message; null where the chat got another address since."""
    unread_count: int
    """Messages that arrived since the account last wrote in the chat, or since a read mark through this service reached WhatsApp; of messages from before chats were listed, and of a history sync, 0. Messages that were read on the phone alone still count, on either engine."""
    name: str | None
    """The name as it was known when a message last arrived: the subject of the group, the name of the person in the address book (an engine that has app state), else the push name; null where none was."""
    picture: str | None
    """The SHA-256 of the picture that it was last seen with; null or missing where there was none, and until somebody asked for it; gone when WhatsApp reports another one."""


class LabelDocument(AccountDocument, total=False):
    """A label of chats."""

    label: str
    """WhatsApp's id of it."""
