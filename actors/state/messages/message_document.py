"""Declares the fields of a message's document in SQLite or Firestore."""

from __future__ import annotations

from typing import Any, TypedDict


class NotedChange(TypedDict, total=False):
    """A change of a message by another one."""

    at: float
    """Its time."""
    message_id: str
    """WhatsApp's id of the message that made it."""
    at_ms: int
    """Its sender's time in milliseconds, of a reaction, a vote and a pin, where it is known: the greater is the later, since WhatsApp's own times are whole seconds."""
    sender_name: str
    """The name of who reacted or voted, where it is known."""
    sender_lid: str
    """The LID of who reacted or voted, where it is known."""
    emoji: str
    """Of a reaction; empty where it was taken back, so that an older one does not come back."""
    options: list[str]
    """Of a vote: the options that were chosen."""
    seconds: int
    """Of a pin: how long it lasts, 0 where it was taken back."""
    text: str
    """Of an edit: the text from then on."""


class Changes(TypedDict, total=False):
    """The changes of a message, in whatever order and however often they arrived."""

    reactions: dict[str, NotedChange]
    """The last reaction of each person, by address; `me` is the account, through this service or on its phone."""
    votes: dict[str, NotedChange]
    """The last vote of each person in a poll, by address as of reactions."""
    pinned: NotedChange
    """The last pin, of any sender."""
    edits: list[NotedChange]
    """The newest edits, in the order of their time."""
    deleted: NotedChange
    """The deletion: the message's words, its file, and its other changes are gone then."""


class FileState(TypedDict):
    """The state of the file of a message that arrived."""

    state: str
    """`pending` from the moment the message is stored, `deferred` while it waits for room or for the next day, then `stored` or `failed`."""
    error: str | None
    """A stable code of what it waits for or failed by."""


class MessageDocument(TypedDict, total=False):
    """A message, sent or received, by the id that the API gives it."""

    id: str
    message_id: str
    """WhatsApp's id."""
    connection: str
    """The connection's id. In what was written before connections had incarnations, with a `~` behind it once that was deleted."""
    chat: str
    """The address of the chat, as WhatsApp has it."""
    sender: str
    """The address of the sender of what arrived, as WhatsApp has it."""
    direction: str
    """`in` or `out`."""
    type: str
    """The kind of content."""
    text: str | None
    """Its words; null once it is deleted or redacted."""
    content: dict[str, Any] | None
    """All that type and text do not say, a map by the kind; null where they say it all."""
    changes: Changes
    """Changes that others made afterwards; a document with these or `media` alone stands for a message that has not come."""
    media: FileState
    """The state of its file; only of what arrived with a file, and gone when it is deleted."""
    status: str
    """`queued`, `waiting`, `sending`, `sent`, `delivered`, `read`, `dead`, `cancelled`, or `received`."""
    attempts: int
    error: str | None
    uncertain: bool
    crashes: list[dict[str, Any]]
    priority: int
    revision: int
    """Of what went out through the API; as of a job in `message_queue_jobs`."""
    send_at: float | None
    """The time before which it does not leave, of what went out through the API."""
    source: str
    """`api`, `live`, `offline` (it waited at WhatsApp) or `history` (the account's phone sent it later)."""
    push_name: str | None
    """The name that the sender showed with it."""
    sender_name: str
    """The sender's name as it was known when it arrived: in the address book of the account's phone (an engine that has app state), else the push name; missing where neither was."""
    chat_name: str
    """The subject of the group, or the name of the person whose chat it is, as they were known when it arrived; missing where none was, and of what went out through the API."""
    sender_lid: str
    """The LID of a sender with a number, where it is known."""
    from_me: bool
    """Whether it was sent from the account, also from its phone."""
    at: float
    """The time by which lists are sorted: its acceptance; of a live one its arrival; of what waited at WhatsApp, or is of a history sync, WhatsApp's time of it. In a chat it is always behind those that arrived before, whatever clocks do ([architecture](architecture.md))."""
    whatsapp_at: float
    """WhatsApp's time of what did not go out through the API, in whole seconds."""
    queued_at: float
    waiting_at: float
    sending_at: float
    sent_at: float
    delivered_at: float
    read_at: float
    dead_at: float
    cancelled_at: float
    received_at: float
    """When it entered each status."""
