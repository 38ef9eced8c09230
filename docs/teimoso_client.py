"""Calls the API of Teimoso: types of all requests and answers, in one file that needs no other package.

Made of the OpenAPI document by `make docs`; docs/client.md shows its use. Licensed under Apache-2.0.
"""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict
from urllib.parse import quote, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Code = Literal[
    "already_linked",
    "body_timeout",
    "body_too_large",
    "connection_busy",
    "connection_deleted",
    "connection_exists",
    "connection_forbidden",
    "connection_not_open",
    "control_character",
    "conversion_unavailable",
    "cross_site",
    "delete_too_late",
    "disk_reserve",
    "duplicate_field",
    "edit_too_late",
    "group_full",
    "head_timeout",
    "head_too_large",
    "idempotency_conflict",
    "instance_limit_reached",
    "internal_error",
    "invalid_cursor",
    "invalid_field",
    "invalid_idempotency_key",
    "invalid_number",
    "invalid_parameter",
    "invalid_proxy",
    "invalid_url",
    "invite_revoked",
    "malformed_json",
    "malformed_request",
    "media_empty",
    "media_failed",
    "media_gone",
    "media_pending",
    "media_refused",
    "media_too_large",
    "media_type_mismatch",
    "media_unavailable",
    "media_unreachable",
    "message_cancelled",
    "message_dead",
    "method_not_allowed",
    "missing_field",
    "missing_scope",
    "no_media",
    "no_pairing_code",
    "no_passkey_challenge",
    "no_picture",
    "not_a_poll",
    "not_acceptable",
    "not_allowed",
    "not_answered",
    "not_cancellable",
    "not_dead",
    "not_editable",
    "not_forwardable",
    "not_found",
    "not_incoming",
    "not_on_whatsapp",
    "not_own_message",
    "not_pairing",
    "not_sent",
    "nothing_to_scan",
    "other_account",
    "pairing_code_limited",
    "pairing_code_refused",
    "passkey_refused",
    "poll_unreadable",
    "private_url",
    "queue_disabled",
    "queue_full",
    "quota_reached",
    "range_not_satisfiable",
    "rate_limited",
    "redis_away",
    "redis_full",
    "still_waiting",
    "store_away",
    "store_full",
    "target_deleted",
    "target_elsewhere",
    "target_not_sent",
    "test_running",
    "text_empty",
    "text_too_long",
    "too_many_connections",
    "too_many_options",
    "unauthorized",
    "unknown_call",
    "unknown_connection",
    "unknown_delivery",
    "unknown_document",
    "unknown_field",
    "unknown_group",
    "unknown_invite",
    "unknown_key",
    "unknown_media",
    "unknown_message",
    "unknown_option",
    "unknown_parameter",
    "unknown_target",
    "unknown_webhook",
    "unsupported_chat",
    "unsupported_media_type",
    "unsupported_type",
    "upload_budget_reached",
    "vault_away",
    "whatsapp_away",
    "whatsapp_limited",
    "whatsapp_refused",
]
"""Reasons of a refusal; none ever changes its meaning."""


class Accepted(TypedDict):
    """The message is on disk and will be sent."""

    id: str
    message_id: str
    status: Literal["queued", "waiting", "sending", "sent", "delivered", "read", "dead", "cancelled", "received"]
    error: str | None


class AccountPacing(TypedDict):
    """The number of messages that the service lets an account send; those beyond it wait in their order."""

    reason: Literal["new_account", "settings"] | None
    messages_per_minute: int | None
    messages_per_day: int | None
    new_chats_per_day: int | None
    day: int | None
    new_for_days: int | None
    linked_at: str | None


class AddedConnection(TypedDict):
    """The connection, and the webhook that was asked for with it."""

    id: str
    incarnation: str
    state: Literal["pairing", "connecting", "open", "reconnecting", "stopped", "failed", "logged_out"]
    cause: str | None
    epoch: int
    restarts: int
    breaker: Literal["closed", "open", "half_open"]
    since: str | None
    retry_at: str | None
    version_ends_at: str | None
    pairing_step: Literal["qr", "code", "passkey"] | None
    limited_until: str | None
    limit_reason: Literal["time_lock", "new_chats_capped"] | None
    pacing: AccountPacing
    refused_documents: int
    deferred_files: int
    over_budget_files: int
    account: str | None
    show_online: bool
    proxy: str | None
    reject_calls: bool
    reject_calls_text: str | None
    desired: Literal["running", "stopped", "logged_out"]
    created_at: str | None
    webhook: AddedWebhook


class AddedKey(TypedDict):
    """The key, which nothing shows again."""

    id: str
    name: str
    scopes: list[Literal["admin", "send", "read", "metrics"]]
    connections: list[str] | None
    created_at: str
    ended_at: str | None
    key: str


class AddedWebhook(TypedDict):
    """The endpoint with its secret, which nothing shows again."""

    id: str
    url: str
    events: list[Literal["message.received", "message.sent", "message.delivered", "message.read", "message.dead", "message.cancelled", "message.changed", "message.media", "connection.state", "connection.limited", "connection.qr", "connection.passkey", "call.received", "chat.updated", "chat.renamed", "group.updated", "group.participants", "contact.updated", "contact.picture", "alert.raised", "alert.repeated", "alert.cleared"]] | None
    connections: list[str] | None
    enabled: bool
    disabled_because: Literal["paused", "gone", "ended"] | None
    created_at: str
    headers: dict[str, str]
    media: Literal["apart", "wait"]
    media_wait: int | None
    base64: bool
    base64_limit: int | None
    waiting: int
    held_chats: int
    failing_since: str | None
    attempts: int
    error: str | None
    retry_at: str | None
    delivered_at: str | None
    missed: int
    secret: str


class Alert(TypedDict):
    """An alert, also one that is over."""

    name: str
    connection: str | None
    incarnation: str | None
    severity: Literal["warning", "critical"]
    reason: str
    raised_at: str
    id: str
    active: bool
    cleared_at: str | None
    told_at: str | None
    repeats: int


class AlertAnswer(TypedDict):
    """A lasting condition that somebody should know of. It is cleared once it is over."""

    name: str
    connection: str | None
    incarnation: str | None
    severity: Literal["warning", "critical"]
    reason: str
    raised_at: str


class AlertEvent(TypedDict):
    """Something lasting that somebody should know of began, lasts, or is over."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["alert.raised", "alert.repeated", "alert.cleared"]
    data: Alert


class Alerts(TypedDict):
    """A page of alerts, the newest first."""

    items: list[Alert]
    next: str | None


class Alive(TypedDict):
    """The process of the gateway answers; it looked at no other part."""

    status: NotRequired[Literal["alive"]]


class ApiKey(TypedDict):
    """An API key, but for what it is."""

    id: str
    name: str
    scopes: list[Literal["admin", "send", "read", "metrics"]]
    connections: list[str] | None
    created_at: str
    ended_at: str | None


class ApiKeys(TypedDict):
    """All API keys, without the keys themselves."""

    items: list[ApiKey]
    next: NotRequired[None]


class Assertion(TypedDict):
    """A WebAuthn assertion, as `PublicKeyCredential.toJSON()` gives it."""

    id: str
    rawId: str
    type: str
    response: Signed
    authenticatorAttachment: NotRequired[str | None]
    clientExtensionResults: NotRequired[dict[str, Any] | None]


class Attempt(TypedDict):
    """One request to an endpoint."""

    at: str
    http_status: int | None
    error: str | None
    seconds: float


class AudioContent(TypedDict):
    """AudioContent"""

    type: NotRequired[Literal["audio"]]
    voice: bool
    seconds: int | None


class Blocked(TypedDict):
    """The people whom the account blocks."""

    items: list[str]
    next: NotRequired[None]


class CallEvent(TypedDict):
    """A call to the account; once more when it is over, by either side or on another device."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["call.received"]
    data: CallState


class CallState(TypedDict):
    """A call that rings, or is over."""

    id: str
    connection: str
    caller: str
    author: Person
    state: Literal["offered", "ended"]
    at: str
    video: bool
    group: str | None


class ChangedChat(TypedDict):
    """A chat with its settings after the change."""

    chat: str
    archived: bool
    pinned: bool
    unread: bool
    muted: bool
    muted_until: str | None
    labels: list[str]
    cleared_at: str | None
    connection: str


class ChangedContact(TypedDict):
    """A contact as it is now."""

    address: str
    connection: str
    name: str | None
    full_name: str | None
    first_name: str | None


class ChangedEvent(TypedDict):
    """A reaction, a pin, an edit, a delete or a vote. It is no message besides."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["message.changed"]
    data: MessageChange


class ChangedGroup(TypedDict):
    """A setting of a group after its change."""

    connection: str
    chat: str
    author: Person | None
    at: str
    setting: Literal["subject", "description", "announce", "locked", "ephemeral_seconds", "member_add_mode", "approval", "picture"]
    value: str | bool | int


class ChangedMembers(TypedDict):
    """People who came into a group or left it, or became admins or were it."""

    connection: str
    chat: str
    author: Person | None
    at: str
    change: Literal["added", "removed", "promoted", "demoted"]
    people: list[Person]


class ChangedPicture(TypedDict):
    """A person with another picture."""

    address: str
    number: str | None
    lid: str | None
    name: str | None
    connection: str
    picture_id: str | None
    at: str


class ChangedWebhook(TypedDict):
    """Changes; fields that are not named stay."""

    media: NotRequired[Literal["apart", "wait"] | None]
    media_wait: NotRequired[int | None]
    base64: NotRequired[bool | None]
    base64_limit: NotRequired[int | None]
    url: NotRequired[str | None]
    enabled: NotRequired[bool | None]
    headers: NotRequired[dict[str, str] | None]


class Chat(TypedDict):
    """The activity of a contact now."""

    chat: str
    presence: Literal["available", "unavailable", "unknown"]
    last_seen: str | None
    typing: Literal["composing", "recording"] | None
    at: str | None
    participants: list[Typist]


class ChatChange(TypedDict):
    """Settings of a chat to change, one at least; the others stay."""

    archived: NotRequired[bool | None]
    pinned: NotRequired[bool | None]
    unread: NotRequired[bool | None]
    muted: NotRequired[bool | None]
    muted_until: NotRequired[str | None]


class ChatEvent(TypedDict):
    """Settings of a chat changed, on whatever device of the account."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["chat.updated"]
    data: ChangedChat


class ChatState(TypedDict):
    """A chat with its settings."""

    chat: str
    archived: bool
    pinned: bool
    unread: bool
    muted: bool
    muted_until: str | None
    labels: list[str]
    cleared_at: str | None
    name: str | None
    changed_at: str | None


class ChatStates(TypedDict):
    """A page of the chats of an account that have settings."""

    items: list[ChatState]
    next: str | None


class Connection(TypedDict):
    """A connection as it should be (`desired`) and as it is (`state` and what follows)."""

    id: str
    incarnation: str
    state: Literal["pairing", "connecting", "open", "reconnecting", "stopped", "failed", "logged_out"]
    cause: str | None
    epoch: int
    restarts: int
    breaker: Literal["closed", "open", "half_open"]
    since: str | None
    retry_at: str | None
    version_ends_at: str | None
    pairing_step: Literal["qr", "code", "passkey"] | None
    limited_until: str | None
    limit_reason: Literal["time_lock", "new_chats_capped"] | None
    pacing: AccountPacing
    refused_documents: int
    deferred_files: int
    over_budget_files: int
    account: str | None
    show_online: bool
    proxy: str | None
    reject_calls: bool
    reject_calls_text: str | None
    desired: Literal["running", "stopped", "logged_out"]
    created_at: str | None


class ConnectionCounts(TypedDict):
    """The numbers of connections."""

    total: int
    open: int
    failed: int
    recovering: int
    active: int


class ConnectionLimit(TypedDict):
    """The limit of an account as WhatsApp reported it."""

    id: str
    limited_until: str | None
    limit_reason: Literal["time_lock", "new_chats_capped"] | None
    since: str


class ConnectionSettings(TypedDict):
    """Settings that change from now on, without a new login but for `proxy`; the others stay."""

    show_online: NotRequired[bool | None]
    proxy: NotRequired[str | None]
    reject_calls: NotRequired[bool | None]
    reject_calls_text: NotRequired[str | None]


class ConnectionState(TypedDict):
    """The state that a connection entered."""

    id: str
    state: Literal["pairing", "connecting", "open", "reconnecting", "stopped", "failed", "logged_out"]
    cause: str | None
    epoch: int
    since: str | None
    account: str | None
    retry_at: str | None


class Connections(TypedDict):
    """A page of connections, by id."""

    items: list[Connection]
    next: str | None


class Contact(TypedDict):
    """A person in the address book of the account's phone."""

    address: str
    name: str
    full_name: str | None
    first_name: str | None
    changed_at: str


class ContactContent(TypedDict):
    """ContactContent"""

    type: NotRequired[Literal["contact"]]
    contacts: list[SentCard]


class ContactEvent(TypedDict):
    """A contact has other names, or is in the address book of the account's phone no more."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["contact.updated"]
    data: ChangedContact


class Contacts(TypedDict):
    """A page of the contacts of an account."""

    items: list[Contact]
    next: str | None


class Crash(TypedDict):
    """The process of a connection ended while it was sending the message."""

    sending_at: str | None
    noticed_at: str | None
    epoch: int
    cause: str


class CreatedGroup(TypedDict):
    """The new group; people who are refused are not in it."""

    chat: str
    subject: str
    participants: list[Participant]


class DeleteContent(TypedDict):
    """DeleteContent"""

    type: NotRequired[Literal["delete"]]
    message: Referred


class Deliveries(TypedDict):
    """A page of the deliveries of a webhook."""

    items: list[Delivery]
    next: str | None


class Delivery(TypedDict):
    """An event on its way to an endpoint."""

    id: str
    event_id: str
    type: Literal["message.received", "message.sent", "message.delivered", "message.read", "message.dead", "message.cancelled", "message.changed", "message.media", "connection.state", "connection.limited", "connection.qr", "connection.passkey", "call.received", "chat.updated", "chat.renamed", "group.updated", "group.participants", "contact.updated", "contact.picture", "alert.raised", "alert.repeated", "alert.cleared"] | Literal["unreadable"]
    connection: str | None
    status: Literal["waiting", "delivered", "dead"]
    at: str
    attempts: int | None
    error: str | None
    tried_at: str | None
    retry_at: str | None
    tries: list[Attempt]


class EditContent(TypedDict):
    """The new words are the `text` of the message that was edited."""

    type: NotRequired[Literal["edit"]]
    message: Referred


class FieldError(TypedDict):
    """A field or parameter that is wrong: its place, a stable code, and a sentence."""

    field: str
    code: str
    message: str


class Former(TypedDict):
    """A text before an edit."""

    text: str
    until: str


class FullHealth(TypedDict):
    """The health of the service, as a caller with a key sees it."""

    status: Literal["healthy", "degraded", "unhealthy"]
    uptime: int
    connections: ConnectionCounts
    queue: QueueCounts
    resources: Resources
    reasons: list[str]
    alerts: list[AlertAnswer]
    breakers: dict[str, Literal["closed", "open", "half_open"]]
    redis: RedisHealth
    store: StoreHealth
    items: list[Connection]


class Given(TypedDict):
    """A file: one that was uploaded, by its SHA-256, or where it can be fetched."""

    sha256: NotRequired[str]
    url: NotRequired[str]


class Group(TypedDict):
    """A group with its members."""

    chat: str
    subject: str
    members: list[GroupMember]


class GroupChange(TypedDict):
    """Settings of a group to change, one at least; the others stay."""

    subject: NotRequired[str | None]
    description: NotRequired[str | None]
    announce: NotRequired[bool | None]
    locked: NotRequired[bool | None]
    ephemeral_seconds: NotRequired[Literal[0, 86400, 604800, 7776000] | None]
    member_add_mode: NotRequired[Literal["admins", "all"] | None]
    approval: NotRequired[bool | None]


class GroupEvent(TypedDict):
    """A setting of a group changed, or the account came into the group and learnt it."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["group.updated"]
    data: ChangedGroup


class GroupMember(TypedDict):
    """A member of a group, and whether an admin of it."""

    address: str
    admin: bool


class GroupMembersEvent(TypedDict):
    """Members of a group came or went, or are admins or not."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["group.participants"]
    data: ChangedMembers


class Groups(TypedDict):
    """The groups that the account is in."""

    items: list[Group]
    next: NotRequired[None]


class Health(TypedDict):
    """The health of the service, as anybody may see it."""

    status: Literal["healthy", "degraded", "unhealthy"]
    uptime: int
    connections: ConnectionCounts
    queue: QueueCounts
    resources: Resources


class Invitation(TypedDict):
    """An invitation to a group that the account accepts."""

    connection: str
    invite: str


class Invite(TypedDict):
    """The invitation to a group: everybody who has it can join."""

    code: str
    link: str


class InvitedGroup(TypedDict):
    """The group of an invitation."""

    chat: str
    subject: str
    description: str
    size: int | None


class JoinedGroup(TypedDict):
    """The group that the account joined, or asked to join."""

    chat: str
    pending: bool


class Label(TypedDict):
    """A label that chats may have."""

    id: str
    name: str
    colour: int | None


class Labels(TypedDict):
    """All labels of an account."""

    items: list[Label]
    next: NotRequired[None]


class Lane(TypedDict):
    """The queue of one connection."""

    connection: str
    waiting: int
    active: int
    delayed: int
    dead: int
    oldest_at: str | None


class LimitedEvent(TypedDict):
    """WhatsApp lets the account write to nobody new for a while, for another time, or again."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["connection.limited"]
    data: ConnectionLimit


class ListedChat(TypedDict):
    """A chat with its newest message."""

    chat: str
    name: str | None
    last_message: Message | None
    found_message: Message | None
    active_at: str
    picture: str | None
    unread: int
    muted: bool
    archived: bool
    pinned: bool


class ListedChats(TypedDict):
    """A page of the chats of a connection, the newest first."""

    items: list[ListedChat]
    texts_since: str | None
    next: str | None


class ListedContact(TypedDict):
    """A person whom the account knows; `name` is as it is known now."""

    address: str
    number: str | None
    lid: str | None
    name: str | None
    picture: str | None
    saved: bool
    full_name: str | None
    first_name: str | None


class ListedContacts(TypedDict):
    """A page of the people whom an account knows."""

    items: list[ListedContact]
    next: str | None


class Load(TypedDict):
    """The resources that the machine and this instance used at one moment."""

    at: str
    cpu: float
    memory: float
    own_cpu: float
    own_memory: int
    processes: int
    disk: int | None


class Loads(TypedDict):
    """The load of the last looks at the machine."""

    items: list[Load]
    next: NotRequired[None]


class LocationContent(TypedDict):
    """LocationContent"""

    type: NotRequired[Literal["location"]]
    latitude: float
    longitude: float
    name: str | None
    address: str | None


class Marked(TypedDict):
    """A read mark, or a change of a chat, on its way; `GET /api/messages/{id}` follows it for a week."""

    id: str
    status: Literal["queued", "waiting", "sending", "sent", "delivered", "read", "dead", "cancelled", "received"]
    error: str | None


class MediaEvent(TypedDict):
    """The file of a message is stored, or cannot be had. It comes behind the message's own event."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["message.media"]
    data: MessageMediaOutcome


class Members(TypedDict):
    """People who become members, or admins."""

    participants: list[str]


class Memory(TypedDict):
    """The machine's memory in use."""

    percentage: float


class Message(TypedDict):
    """A message, sent or received, with the time at which it entered each status."""

    id: str
    message_id: str
    connection: str
    chat: str
    chat_name: str | None
    sender: str | None
    author: Person | None
    direction: Literal["in", "out"]
    source: Literal["api", "live", "offline", "history"]
    at: str | None
    whatsapp_at: str | None
    type: str
    text: str | None
    content: LocationContent | ContactContent | VideoContent | AudioContent | StickerContent | PollContent | PollVoteContent | ReactionContent | PinContent | EditContent | DeleteContent | None
    media: MessageMedia | None
    reply_to: Referred | None
    quoted: Quoted | None
    forwarding_score: int | None
    mentions: list[str] | Literal["all"]
    link_preview: ShownPreview | None
    reactions: list[MessageReaction]
    votes: list[Vote]
    pinned_until: str | None
    edits: list[Former]
    edited_at: str | None
    deleted_at: str | None
    status: Literal["queued", "waiting", "sending", "sent", "delivered", "read", "dead", "cancelled", "received"]
    attempts: int
    error: str | None
    uncertain: bool
    crashes: list[Crash]
    accepted_at: str | None
    send_at: str | None
    queued_at: str | None
    waiting_at: str | None
    sending_at: str | None
    sent_at: str | None
    delivered_at: str | None
    read_at: str | None
    dead_at: str | None
    cancelled_at: str | None
    received_at: str | None


class MessageChange(TypedDict):
    """The change of a message; the fields of other kinds of changes are null."""

    id: str
    message_id: str
    connection: str
    chat: str
    change: Literal["reaction", "pin", "edit", "delete", "vote"]
    by: str
    author: Person | None
    at: str
    emoji: str | None
    pinned_until: str | None
    text: str | None
    options: list[str] | None


class MessageFile(TypedDict):
    """The final state of a file; a message that names none has the code `media_unusable` alone."""

    state: Literal["stored", "failed"]
    error: str | None
    sha256: str | None
    size: int | None
    mime: str | None
    name: str | None
    url: str


class MessageMedia(TypedDict):
    """The file that a message brings."""

    sha256: str
    size: int
    mime: str
    name: str | None
    state: Literal["pending", "deferred", "stored", "failed"]
    error: str | None
    url: str


class MessageMediaOutcome(TypedDict):
    """A message whose file is stored, or failed."""

    id: str
    message_id: str
    connection: str
    chat: str
    direction: Literal["in", "out"]
    type: str
    author: Person | None
    media: MessageFile


class MessageReaction(TypedDict):
    """The reaction of one person to a message."""

    by: str
    author: Person | None
    emoji: str
    at: str


class MessageStep(TypedDict):
    """A message at the status that it entered."""

    id: str
    message_id: str
    connection: str
    chat: str
    type: str
    status: Literal["sent", "delivered", "read", "dead", "cancelled"]
    at: str
    attempts: int
    error: str | None
    uncertain: bool


class Messages(TypedDict):
    """A page of messages."""

    items: list[Message]
    next: str | None


class NamedGroup(TypedDict):
    """A group that the account is in."""

    chat: str
    name: str | None
    description: str
    announce: bool
    locked: bool
    ephemeral_seconds: int
    member_add_mode: Literal["admins", "all"]
    approval: bool
    members: list[NamedMember]


class NamedMember(TypedDict):
    """A member of a group."""

    address: str
    number: str | None
    lid: str | None
    name: str | None
    admin: bool


class NewAudio(TypedDict):
    """Sound to send, of 16 MB at most."""

    connection: str
    to: str
    priority: NotRequired[int]
    send_at: NotRequired[str | None]
    reply_to: NotRequired[str | None]
    media: Given
    mime: NotRequired[str | None]
    type: Literal["audio"]
    voice: NotRequired[bool]
    seconds: NotRequired[int | None]


class NewConnection(TypedDict):
    """A WhatsApp account to hold open. It asks for a QR to be scanned as soon as it runs."""

    id: str
    show_online: NotRequired[bool]
    proxy: NotRequired[str | None]
    reject_calls: NotRequired[bool]
    reject_calls_text: NotRequired[str | None]
    webhook: NotRequired[str | None]


class NewContact(TypedDict):
    """People to send, each with a phone number or a vCard."""

    connection: str
    to: str
    priority: NotRequired[int]
    send_at: NotRequired[str | None]
    reply_to: NotRequired[str | None]
    type: Literal["contact"]
    contacts: list[NumberCard | VcardCard]


class NewDelete(TypedDict):
    """Take back, for everyone, a message that was sent within the last 60 hours."""

    connection: str
    to: str
    message: str
    type: Literal["delete"]


class NewDocument(TypedDict):
    """Any file to send, of 100 MB at most."""

    connection: str
    to: str
    priority: NotRequired[int]
    send_at: NotRequired[str | None]
    reply_to: NotRequired[str | None]
    mentions: NotRequired[list[str] | Literal["all"] | None]
    media: Given
    mime: NotRequired[str | None]
    type: Literal["document"]
    name: NotRequired[str | None]
    caption: NotRequired[str | None]


class NewEdit(TypedDict):
    """Other words for a text that was sent within the last 15 minutes."""

    connection: str
    to: str
    message: str
    type: Literal["edit"]
    text: str


class NewForward(TypedDict):
    """The chat that a message is forwarded to."""

    priority: NotRequired[int]
    send_at: NotRequired[str | None]
    connection: NotRequired[str | None]
    to: str


class NewGroup(TypedDict):
    """A group to create; the account is in it, as an admin."""

    connection: str
    subject: str
    participants: list[str]


class NewImage(TypedDict):
    """A picture to send, of 16 MB at most."""

    connection: str
    to: str
    priority: NotRequired[int]
    send_at: NotRequired[str | None]
    reply_to: NotRequired[str | None]
    mentions: NotRequired[list[str] | Literal["all"] | None]
    media: Given
    mime: NotRequired[str | None]
    type: Literal["image"]
    caption: NotRequired[str | None]


class NewKey(TypedDict):
    """An API key. It is shown once, and kept as a hash."""

    name: str
    scopes: list[Literal["admin", "send", "read", "metrics"]]
    connections: NotRequired[list[str] | None]


class NewLocation(TypedDict):
    """A place to send."""

    connection: str
    to: str
    priority: NotRequired[int]
    send_at: NotRequired[str | None]
    reply_to: NotRequired[str | None]
    type: Literal["location"]
    latitude: float
    longitude: float
    name: NotRequired[str | None]
    address: NotRequired[str | None]


class NewPicture(TypedDict):
    """The picture of a group: a JPEG that was uploaded (`POST /api/media`)."""

    picture: str


class NewPin(TypedDict):
    """A message shown at the top of its chat, for everyone in it; the next pin of it replaces this one."""

    connection: str
    to: str
    message: str
    type: Literal["pin"]
    seconds: NotRequired[Literal[0, 86400, 604800, 2592000]]


class NewPoll(TypedDict):
    """A question with options to choose from."""

    connection: str
    to: str
    priority: NotRequired[int]
    send_at: NotRequired[str | None]
    reply_to: NotRequired[str | None]
    type: Literal["poll"]
    question: str
    options: list[str]
    choices: NotRequired[int]


class NewPollVote(TypedDict):
    """The account's choice in a poll, in place of an earlier one."""

    connection: str
    to: str
    message: str
    type: Literal["poll_vote"]
    options: list[str]


class NewReaction(TypedDict):
    """A reaction to a message; the next one replaces it."""

    connection: str
    to: str
    message: str
    type: Literal["reaction"]
    emoji: str


class NewSticker(TypedDict):
    """A sticker to send: WebP, of 512 kB at most."""

    connection: str
    to: str
    priority: NotRequired[int]
    send_at: NotRequired[str | None]
    reply_to: NotRequired[str | None]
    media: Given
    mime: NotRequired[str | None]
    type: Literal["sticker"]
    animated: NotRequired[bool]


class NewText(TypedDict):
    """A text to send."""

    connection: str
    to: str
    priority: NotRequired[int]
    send_at: NotRequired[str | None]
    reply_to: NotRequired[str | None]
    mentions: NotRequired[list[str] | Literal["all"] | None]
    type: NotRequired[Literal["text"]]
    text: str
    link_preview: NotRequired[bool]


class NewVideo(TypedDict):
    """A film to send, of 16 MB at most."""

    connection: str
    to: str
    priority: NotRequired[int]
    send_at: NotRequired[str | None]
    reply_to: NotRequired[str | None]
    mentions: NotRequired[list[str] | Literal["all"] | None]
    media: Given
    mime: NotRequired[str | None]
    type: Literal["video"]
    caption: NotRequired[str | None]
    seconds: NotRequired[int | None]


class NewWebhook(TypedDict):
    """An endpoint that gets events from now on."""

    media: NotRequired[Literal["apart", "wait"] | None]
    media_wait: NotRequired[int | None]
    base64: NotRequired[bool | None]
    base64_limit: NotRequired[int | None]
    url: str
    events: NotRequired[list[Literal["message.received", "message.sent", "message.delivered", "message.read", "message.dead", "message.cancelled", "message.changed", "message.media", "connection.state", "connection.limited", "connection.qr", "connection.passkey", "call.received", "chat.updated", "chat.renamed", "group.updated", "group.participants", "contact.updated", "contact.picture", "alert.raised", "alert.repeated", "alert.cleared"]] | None]
    connections: NotRequired[list[str] | None]
    headers: NotRequired[dict[str, str] | None]


class Number(TypedDict):
    """A phone number, and whether it is on WhatsApp."""

    number: str
    on_whatsapp: bool
    chat: str | None


class NumberCard(TypedDict):
    """A person by name and phone number."""

    name: str
    phone: str


class Outcomes(TypedDict):
    """The outcome for each person, in the order of the request."""

    participants: list[Participant]


class PairingCode(TypedDict):
    """The code to type on the phone: Linked devices, Link a device, Link with phone number instead."""

    code: str
    expires_at: str


class PairingEvent(TypedDict):
    """A QR or a pairing code is shown, by which the account can be linked.  Stored without it: the QR or code is added when the event is delivered, while it is valid, for webhooks and for readers with an admin's key."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["connection.qr"]
    data: PairingShown


class PairingShown(TypedDict):
    """A QR or a pairing code, valid until `expires_at`."""

    id: str
    kind: Literal["qr", "code"]
    number: int
    epoch: int
    expires_at: str
    qr: str | None
    code: str | None
    withheld: Literal["expired", "missing_scope", "redis_away"] | None


class Participant(TypedDict):
    """The outcome for one person of a request."""

    address: str
    outcome: Literal["done", "unchanged", "refused"]
    error: str | None


class Passkey(TypedDict):
    """The step that linking by passkey waits for."""

    step: Literal["assertion", "confirmation"]
    options: dict[str, Any] | None
    code: str | None
    expires_at: str


class PasskeyAsked(TypedDict):
    """The step of linking that waits for a passkey, until `expires_at`."""

    id: str
    number: int
    epoch: int
    expires_at: str


class PasskeyEvent(TypedDict):
    """Linking waits for the account's passkey, or for a code to be compared: `GET …/passkey` has it."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["connection.passkey"]
    data: PasskeyAsked


class Person(TypedDict):
    """A person by all that is known of them; an account, where it is the own one."""

    address: str
    number: str | None
    lid: str | None
    name: str | None


class Phone(TypedDict):
    """On which phone the code is going to be typed."""

    phone: str


class PictureEvent(TypedDict):
    """A person whom the account knows has another picture, or none any more; the account itself too."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["contact.picture"]
    data: ChangedPicture


class PinContent(TypedDict):
    """PinContent"""

    type: NotRequired[Literal["pin"]]
    message: Referred
    seconds: int


class PollContent(TypedDict):
    """PollContent"""

    type: NotRequired[Literal["poll"]]
    question: str
    options: list[str]
    choices: int


class PollVoteContent(TypedDict):
    """PollVoteContent"""

    type: NotRequired[Literal["poll_vote"]]
    message: Referred
    options: list[str] | None


class Presence(TypedDict):
    """The presence to show."""

    presence: Literal["available", "unavailable"]


class Profile(TypedDict):
    """The account as others see it."""

    name: str | None
    about: str


class ProfileChange(TypedDict):
    """Changes of the account as others see it, one field at least; the others stay."""

    name: NotRequired[str | None]
    about: NotRequired[str | None]
    picture: NotRequired[str | None]


class Qr(TypedDict):
    """The code that the phone has to scan."""

    qr: str
    expires_at: str


class Queue(TypedDict):
    """The queue of all connections, and of each."""

    waiting: int
    active: int
    delayed: int
    dead: int
    items: list[Lane]
    next: NotRequired[None]


class QueueCounts(TypedDict):
    """The numbers of messages in the queue."""

    waiting: int
    active: int
    dead: int
    failed: int


class Quoted(TypedDict):
    """The message that another one answers, as that quotes it."""

    id: str
    message_id: str
    author: Person | None
    type: str | None
    excerpt: str | None


class ReactionContent(TypedDict):
    """ReactionContent"""

    type: NotRequired[Literal["reaction"]]
    message: Referred
    emoji: str


class ReadUntil(TypedDict):
    """Up to when the chat was read."""

    until: NotRequired[str | None]


class Ready(TypedDict):
    """Whether Redis and the state store answer."""

    status: Literal["ready", "not_ready"]
    redis: bool
    store: bool


class ReceivedEvent(TypedDict):
    """A message arrived; once more where one that could not be read at first now can be."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["message.received"]
    data: ReceivedMessage


class ReceivedFile(TypedDict):
    """The file that a message brings; a webhook that asks for it gets the file itself, too."""

    sha256: str
    size: int
    mime: str
    name: str | None
    state: Literal["pending", "deferred", "stored", "failed"]
    error: str | None
    url: str
    base64: str | None
    base64_omitted: Literal["too_large", "unavailable"] | None


class ReceivedMessage(TypedDict):
    """The message, as `GET /api/messages/{id}` has it."""

    id: str
    message_id: str
    connection: str
    chat: str
    chat_name: str | None
    sender: str | None
    author: Person | None
    direction: Literal["in", "out"]
    source: Literal["api", "live", "offline", "history"]
    at: str | None
    whatsapp_at: str | None
    type: str
    text: str | None
    content: LocationContent | ContactContent | VideoContent | AudioContent | StickerContent | PollContent | PollVoteContent | ReactionContent | PinContent | EditContent | DeleteContent | None
    media: ReceivedFile | None
    reply_to: Referred | None
    quoted: Quoted | None
    forwarding_score: int | None
    mentions: list[str] | Literal["all"]
    link_preview: ShownPreview | None
    reactions: list[MessageReaction]
    votes: list[Vote]
    pinned_until: str | None
    edits: list[Former]
    edited_at: str | None
    deleted_at: str | None
    status: Literal["queued", "waiting", "sending", "sent", "delivered", "read", "dead", "cancelled", "received"]
    attempts: int
    error: str | None
    uncertain: bool
    crashes: list[Crash]
    accepted_at: str | None
    send_at: str | None
    queued_at: str | None
    waiting_at: str | None
    sending_at: str | None
    sent_at: str | None
    delivered_at: str | None
    read_at: str | None
    dead_at: str | None
    cancelled_at: str | None
    received_at: str | None


class Recovered(TypedDict):
    """The connections that were asked to recover."""

    items: list[str]
    next: NotRequired[None]


class Recovery(TypedDict):
    """The connection to recover; without one, all that should run."""

    connection: NotRequired[str | None]


class RecoveryAction(TypedDict):
    """A recovery of a part that fell."""

    id: str
    role: str
    connection: str | None
    incarnation: str | None
    cause: str
    action: Literal["restarted", "recovered", "gave_up"]
    before: str | None
    after: str | None
    epoch_before: int | None
    epoch_after: int | None
    seconds: float
    at: str


class RecoveryActions(TypedDict):
    """A page of recoveries, the newest first."""

    items: list[RecoveryAction]
    next: str | None


class RedisHealth(TypedDict):
    """Redis, as the gateway finds it."""

    up: bool
    durable: bool | None
    reason: str | None
    memory: int | None
    memory_limit: int | None


class Redrive(TypedDict):
    """A filter of the dead letters to send again: those that match every given field."""

    connection: NotRequired[str | None]
    chat: NotRequired[str | None]
    code: NotRequired[str | None]
    died_after: NotRequired[str | None]
    died_before: NotRequired[str | None]
    ids: NotRequired[list[str] | None]
    limit: NotRequired[int]


class Redriven(TypedDict):
    """The outcome of a redrive, of the dead letters that one request looks at."""

    redriven: int
    next: str | None


class Referred(TypedDict):
    """Another message of the same chat."""

    id: str
    message_id: str


class RefusedDocument(TypedDict):
    """A received item or a sent message whose document the state store does not take, or not with its words."""

    id: str
    kind: str
    chat: str
    sender: str
    message_id: str
    type: str
    at: str | None
    refused_at: str | None
    size: int
    excerpt: str | None


class RefusedDocuments(TypedDict):
    """A page of them: those that were sent, then those that arrived, each in their order."""

    items: list[RefusedDocument]
    next: str | None


class RenamedChat(TypedDict):
    """The addresses of a chat, until now and from now on."""

    connection: str
    chat: str
    former: str
    at: str


class RenamedEvent(TypedDict):
    """A chat goes by another address from now on, since two addresses are one person's."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["chat.renamed"]
    data: RenamedChat


class Resources(TypedDict):
    """The machine's load, in percent."""

    cpu: float
    memory: Memory


class Retried(TypedDict):
    """The outcome of a retry."""

    retried: int


class Retry(TypedDict):
    """The connection whose dead letters are sent again; without one, those of all."""

    connection: NotRequired[str | None]


class Rotated(TypedDict):
    """The new secret, which nothing shows again."""

    secret: str


class SentCard(TypedDict):
    """A person by a vCard."""

    name: str
    vcard: str


class ShownPreview(TypedDict):
    """Title and description of the page that a text links to."""

    url: str
    title: str
    description: str | None
    has_thumbnail: bool


class Signed(TypedDict):
    """The data that the authenticator signed, and its signature; other fields of a browser are left out."""

    clientDataJSON: str
    authenticatorData: str
    signature: str
    userHandle: NotRequired[str | None]


class StateEvent(TypedDict):
    """A connection is in another state, or in it for another cause."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["connection.state"]
    data: ConnectionState


class StepEvent(TypedDict):
    """A message that this service, or the account's phone, sent got further, or ended."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["message.sent", "message.delivered", "message.read", "message.dead", "message.cancelled"]
    data: MessageStep


class StickerContent(TypedDict):
    """StickerContent"""

    type: NotRequired[Literal["sticker"]]
    animated: bool


class StoreHealth(TypedDict):
    """The state store, as the gateway finds it."""

    up: bool


class Subscription(TypedDict):
    """The chat whose presence is subscribed to."""

    chat: str


class TestEvent(TypedDict):
    """A test that a person asked for; it is no part of the log, and its `seq` is 0."""

    id: str
    seq: int
    timestamp: str
    connection: str | None
    incarnation: str | None
    cut: bool
    type: Literal["webhook.test"]
    data: TestedWebhook


class Tested(TypedDict):
    """Outcome of a test event."""

    at: str
    http_status: int | None
    error: str | None
    seconds: float
    event_id: str
    delivered: bool


class TestedWebhook(TypedDict):
    """The endpoint that is tested."""

    webhook: str


class Trace(TypedDict):
    """State of a connection's flight recorder."""

    tracing: bool
    file: str
    lines: int
    dropped: int
    error: str | None


class TypingChange(TypedDict):
    """The activity to show in a chat."""

    state: Literal["composing", "recording", "paused"]


class Typist(TypedDict):
    """A member who types in a group."""

    participant: str
    typing: Literal["composing", "recording"]
    at: str


class Uploaded(TypedDict):
    """A file that is kept, for messages to name by its SHA-256."""

    sha256: str
    size: int
    mime: str
    name: str | None


class VcardCard(TypedDict):
    """A person by a vCard."""

    name: str
    vcard: str


class VideoContent(TypedDict):
    """VideoContent"""

    type: NotRequired[Literal["video"]]
    seconds: int | None


class Vote(TypedDict):
    """The options that one person chose in a poll."""

    by: str
    author: Person | None
    options: list[str]
    at: str


class Webhook(TypedDict):
    """An endpoint that gets events."""

    id: str
    url: str
    events: list[Literal["message.received", "message.sent", "message.delivered", "message.read", "message.dead", "message.cancelled", "message.changed", "message.media", "connection.state", "connection.limited", "connection.qr", "connection.passkey", "call.received", "chat.updated", "chat.renamed", "group.updated", "group.participants", "contact.updated", "contact.picture", "alert.raised", "alert.repeated", "alert.cleared"]] | None
    connections: list[str] | None
    enabled: bool
    disabled_because: Literal["paused", "gone", "ended"] | None
    created_at: str
    headers: dict[str, str]
    media: Literal["apart", "wait"]
    media_wait: int | None
    base64: bool
    base64_limit: int | None
    waiting: int
    held_chats: int
    failing_since: str | None
    attempts: int
    error: str | None
    retry_at: str | None
    delivered_at: str | None
    missed: int


class Webhooks(TypedDict):
    """All webhooks, without their secrets."""

    items: list[Webhook]
    next: NotRequired[None]


class Gap(TypedDict):
    """Events of the log that were gone before they could be read: those between two numbers."""

    type: Literal["gap"]
    after: int
    before: int


NewMessage = NewText | NewLocation | NewContact | NewPoll | NewImage | NewVideo | NewAudio | NewDocument | NewSticker | NewPollVote | NewReaction | NewPin | NewEdit | NewDelete
Event = ReceivedEvent | StepEvent | ChangedEvent | MediaEvent | StateEvent | LimitedEvent | PairingEvent | PasskeyEvent | CallEvent | ChatEvent | RenamedEvent | GroupEvent | GroupMembersEvent | ContactEvent | PictureEvent | AlertEvent | TestEvent


class Problem(Exception):
    """A refusal. Nothing was done, unless it is `uncertain`: then it may have been done all the same.

    `errors` names the fields that are wrong; `retry_after` is in seconds, None where nothing says when to try again.
    """

    def __init__(self, body: Mapping[str, Any], retry_after: int | None) -> None:
        super().__init__(f"{body['detail'] or body['title']} ({body['status']}, {body['code']})")
        self.status: int = body["status"]
        self.code: Code = body["code"]
        self.title: str = body["title"]
        self.detail: str = body["detail"]
        self.uncertain: bool = body.get("uncertain", False)
        self.errors: list[FieldError] = body.get("errors") or []
        self.retry_after = retry_after


class _Transport:
    """Requests over HTTP, each on a connection of its own, so that threads may share a client.

    Raises `Problem` for a refusal, and `OSError` or `http.client.HTTPException` where nobody answers, or not the service.
    """

    def __init__(self, url: str, key: str, *, timeout: float = 75.0) -> None:
        """`url` as in ``http://127.0.0.1:8090``; `timeout` in seconds, longer than the longest `wait`."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or parts.hostname is None:
            raise ValueError("the address of an instance begins with http:// or https://")
        https = parts.scheme == "https"
        self._connect = http.client.HTTPSConnection if https else http.client.HTTPConnection
        self._address = parts.hostname, parts.port
        self._above = parts.path.rstrip("/")
        self._key = key
        self._timeout = timeout

    def _json(self, method: str, path: str, **given: Any) -> Any:
        """The answer as JSON; None where it is empty."""
        with self._open(method, path, **given) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def _bytes(self, method: str, path: str, *, accept: str = "*/*", **given: Any) -> bytes:
        with self._open(method, path, accept=accept, **given) as answer:
            return answer.read()

    def _events(self, method: str, path: str, **given: Any) -> Iterator[Any]:
        """The data of each event of a stream, until it ends."""
        with self._open(method, path, accept="text/event-stream", **given) as answer:
            fields: dict[str, str] = {}
            for line in answer:
                name, _, value = line.decode().rstrip("\r\n").partition(": ")
                if name:
                    fields[name] = value
                    continue
                if "data" in fields:
                    data = json.loads(fields["data"])
                    yield {"type": "gap", **data} if fields.get("event") == "gap" else data
                fields = {}

    def _open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None,
        body: object = None,
        content: bytes | None = None,
        accept: str = "application/json",
    ) -> http.client.HTTPResponse:
        """The answer, which is no refusal. A parameter or header that is None is left out."""
        sent = {"X-Api-Key": self._key, "Accept": accept, "Connection": "close"}
        sent |= {name: value for name, value in (headers or {}).items() if value is not None}
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        asked = urlencode(
            {
                name: str(value).lower() if isinstance(value, bool) else value
                for name, value in (query or {}).items()
                if value is not None
            }
        )
        connection = self._connect(*self._address, timeout=self._timeout)
        try:
            whole = f"{self._above}{path}?{asked}" if asked else f"{self._above}{path}"
            connection.request(method, whole, body=content, headers=sent)
            answer = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        if answer.status < 300:
            return answer
        with answer:
            raise _problem(answer)


def _problem(answer: http.client.HTTPResponse) -> Exception:
    """The refusal; `http.client.HTTPException` for an answer that is not the service's."""
    media_type = answer.headers.get_content_type()
    if media_type != "application/problem+json":
        return http.client.HTTPException(f"status {answer.status} with {media_type}")
    retry_after = answer.headers["Retry-After"]
    return Problem(json.loads(answer.read()), None if retry_after is None else int(retry_after))


class Teimoso(_Transport):
    """The operations of an instance. Fields of requests and answers: docs/api.md, or `/docs` of the instance."""

    def send_message(
        self,
        body: NewMessage,
        *,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> Accepted:
        """Send a message. Needs a key with the scope `send` or `admin`."""
        found: Accepted = self._json("POST", "/api/messages", body=body, query={"wait": wait}, headers={"Idempotency-Key": idempotency_key})
        return found

    def list_messages(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        connection: str | None = None,
        chat: str | None = None,
        direction: Literal["in", "out"] | None = None,
        status: Literal["queued", "waiting", "sending", "sent", "delivered", "read", "dead", "cancelled", "received"] | None = None,
        order: Literal["newest", "oldest"] | None = None,
    ) -> Messages:
        """Messages that went out and came in. Needs a key with the scope `read` or `admin`."""
        found: Messages = self._json("GET", "/api/messages", query={"after": after, "limit": limit, "connection": connection, "chat": chat, "direction": direction, "status": status, "order": order})
        return found

    def get_message(
        self,
        id: str,
    ) -> Message:
        """One message. Needs a key with the scope `read` or `admin`."""
        found: Message = self._json("GET", f"/api/messages/{quote(id, safe='')}")
        return found

    def cancel_message(
        self,
        id: str,
    ) -> Message:
        """Cancel a message that is not being sent yet. Needs a key with the scope `send` or `admin`."""
        found: Message = self._json("DELETE", f"/api/messages/{quote(id, safe='')}")
        return found

    def mark_message_read(
        self,
        id: str,
        *,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> Marked:
        """Mark a message that arrived as read. Needs a key with the scope `send` or `admin`."""
        found: Marked = self._json("POST", f"/api/messages/{quote(id, safe='')}/read", query={"wait": wait}, headers={"Idempotency-Key": idempotency_key})
        return found

    def mark_chat_read(
        self,
        connection: str,
        chat: str,
        body: ReadUntil | None = None,
        *,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> Marked:
        """Mark what arrived in a chat as read. Needs a key with the scope `send` or `admin`."""
        found: Marked = self._json("POST", f"/api/chats/{quote(connection, safe='')}/{quote(chat, safe='')}/read", body=body, query={"wait": wait}, headers={"Idempotency-Key": idempotency_key})
        return found

    def forward_message(
        self,
        id: str,
        body: NewForward,
        *,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> Accepted:
        """Forward a message to another chat. Needs a key with the scope `send` or `admin`."""
        found: Accepted = self._json("POST", f"/api/messages/{quote(id, safe='')}/forward", body=body, query={"wait": wait}, headers={"Idempotency-Key": idempotency_key})
        return found

    def star_message(
        self,
        id: str,
        *,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> Marked:
        """Star a message on all devices of the account. Needs a key with the scope `send` or `admin`."""
        found: Marked = self._json("PUT", f"/api/messages/{quote(id, safe='')}/star", query={"wait": wait}, headers={"Idempotency-Key": idempotency_key})
        return found

    def unstar_message(
        self,
        id: str,
        *,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> Marked:
        """Take the star from a message. Needs a key with the scope `send` or `admin`."""
        found: Marked = self._json("DELETE", f"/api/messages/{quote(id, safe='')}/star", query={"wait": wait}, headers={"Idempotency-Key": idempotency_key})
        return found

    def upload_media(
        self,
        content: bytes,
        *,
        content_type: str = "application/octet-stream",
        name: str | None = None,
    ) -> Uploaded:
        """Upload a file, for messages to bring. Needs a key with the scope `send` or `admin`."""
        found: Uploaded = self._json("POST", "/api/media", content=content, query={"name": name}, headers={"Content-Type": content_type})
        return found

    def get_message_media(
        self,
        id: str,
    ) -> bytes:
        """The file of a message. Needs a key with the scope `read` or `admin`."""
        return self._bytes("GET", f"/api/messages/{quote(id, safe='')}/media")

    def create_connection(
        self,
        body: NewConnection,
    ) -> Connection | AddedConnection:
        """Add an account; it runs at once and asks for its QR to be scanned. Needs a key with the scope `admin`."""
        found: Connection | AddedConnection = self._json("POST", "/api/connections", body=body)
        return found

    def list_connections(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> Connections:
        """All connections, by id. Needs a key with the scope `read` or `admin`."""
        found: Connections = self._json("GET", "/api/connections", query={"after": after, "limit": limit})
        return found

    def recover_connections(
        self,
        body: Recovery | None = None,
    ) -> Recovered:
        """Recover now, without waiting for backoff or restart intensity. Needs a key with the scope `admin`."""
        found: Recovered = self._json("POST", "/api/connections/recover", body=body)
        return found

    def get_connection(
        self,
        connection: str,
    ) -> Connection:
        """One connection. Needs a key with the scope `read` or `admin`."""
        found: Connection = self._json("GET", f"/api/connections/{quote(connection, safe='')}")
        return found

    def configure_connection(
        self,
        connection: str,
        body: ConnectionSettings,
    ) -> Connection:
        """Change the settings of a connection. Needs a key with the scope `admin`."""
        found: Connection = self._json("PATCH", f"/api/connections/{quote(connection, safe='')}", body=body)
        return found

    def delete_connection(
        self,
        connection: str,
    ) -> None:
        """Remove a connection with its session and its queue. Needs a key with the scope `admin`."""
        self._json("DELETE", f"/api/connections/{quote(connection, safe='')}")

    def start_connection(
        self,
        connection: str,
    ) -> Connection:
        """Let it run. Needs a key with the scope `admin`."""
        found: Connection = self._json("POST", f"/api/connections/{quote(connection, safe='')}/start")
        return found

    def stop_connection(
        self,
        connection: str,
    ) -> Connection:
        """Let it stop; its session stays. Needs a key with the scope `admin`."""
        found: Connection = self._json("POST", f"/api/connections/{quote(connection, safe='')}/stop")
        return found

    def restart_connection(
        self,
        connection: str,
    ) -> Connection:
        """Start it anew. Needs a key with the scope `admin`."""
        found: Connection = self._json("POST", f"/api/connections/{quote(connection, safe='')}/restart")
        return found

    def logout_connection(
        self,
        connection: str,
    ) -> Connection:
        """Unlink the device; start then shows a QR. Needs a key with the scope `admin`."""
        found: Connection = self._json("POST", f"/api/connections/{quote(connection, safe='')}/logout")
        return found

    def get_qr(
        self,
        connection: str,
    ) -> Qr:
        """The QR to scan, as JSON, PNG or SVG by Accept. Needs a key with the scope `admin`."""
        found: Qr = self._json("GET", f"/api/connections/{quote(connection, safe='')}/qr")
        return found

    def request_pairing_code(
        self,
        connection: str,
        body: Phone,
    ) -> PairingCode:
        """A code to type on the phone in place of scanning; the one before is void. Needs a key with the scope `admin`."""
        found: PairingCode = self._json("POST", f"/api/connections/{quote(connection, safe='')}/pairing-code", body=body)
        return found

    def get_pairing_code(
        self,
        connection: str,
    ) -> PairingCode:
        """The code that is open. Needs a key with the scope `admin`."""
        found: PairingCode = self._json("GET", f"/api/connections/{quote(connection, safe='')}/pairing-code")
        return found

    def get_passkey(
        self,
        connection: str,
    ) -> Passkey:
        """The step that linking by passkey waits for. Needs a key with the scope `admin`."""
        found: Passkey = self._json("GET", f"/api/connections/{quote(connection, safe='')}/passkey")
        return found

    def answer_passkey(
        self,
        connection: str,
        body: Assertion,
    ) -> None:
        """Answer the challenge with the assertion of the account's passkey. Needs a key with the scope `admin`."""
        self._json("POST", f"/api/connections/{quote(connection, safe='')}/passkey", body=body)

    def confirm_passkey(
        self,
        connection: str,
    ) -> None:
        """Confirm that the phone shows the same code. Needs a key with the scope `admin`."""
        self._json("POST", f"/api/connections/{quote(connection, safe='')}/passkey/confirm")

    def request_resend(
        self,
        id: str,
    ) -> None:
        """Ask the account's phone for a message that came without its content. Needs a key with the scope `send` or `admin`."""
        self._json("POST", f"/api/messages/{quote(id, safe='')}/request-resend")

    def sync_app_state(
        self,
        connection: str,
    ) -> None:
        """Ask WhatsApp for the account's state anew: names, mutes, pins, labels. Needs a key with the scope `admin`."""
        self._json("POST", f"/api/connections/{quote(connection, safe='')}/app-state")

    def reject_call(
        self,
        connection: str,
        call: str,
    ) -> None:
        """Refuse a call that rings. Needs a key with the scope `send` or `admin`."""
        self._json("POST", f"/api/connections/{quote(connection, safe='')}/calls/{quote(call, safe='')}/reject")

    def list_contacts(
        self,
        connection: str,
        *,
        after: str | None = None,
        limit: int | None = None,
        name: str | None = None,
        addresses: str | None = None,
    ) -> Contacts:
        """People in the address book of the account's phone, by name. Needs a key with the scope `read` or `admin`."""
        found: Contacts = self._json("GET", f"/api/connections/{quote(connection, safe='')}/contacts", query={"after": after, "limit": limit, "name": name, "addresses": addresses})
        return found

    def list_chats(
        self,
        connection: str,
        *,
        after: str | None = None,
        limit: int | None = None,
        archived: bool | None = None,
        pinned: bool | None = None,
        unread: bool | None = None,
    ) -> ChatStates:
        """Chats that have a setting in force, the last that was changed first. Needs a key with the scope `read` or `admin`."""
        found: ChatStates = self._json("GET", f"/api/connections/{quote(connection, safe='')}/chats", query={"after": after, "limit": limit, "archived": archived, "pinned": pinned, "unread": unread})
        return found

    def get_chat(
        self,
        connection: str,
        chat: str,
    ) -> ChatState:
        """The settings of a chat. Needs a key with the scope `read` or `admin`."""
        found: ChatState = self._json("GET", f"/api/connections/{quote(connection, safe='')}/chats/{quote(chat, safe='')}")
        return found

    def change_chat(
        self,
        connection: str,
        chat: str,
        body: ChatChange,
        *,
        wait: float | None = None,
        idempotency_key: str | None = None,
    ) -> Marked:
        """Archive, pin or mute a chat on all devices, or mark it as read or unread. Needs a key with the scope `send` or `admin`."""
        found: Marked = self._json("PATCH", f"/api/connections/{quote(connection, safe='')}/chats/{quote(chat, safe='')}", body=body, query={"wait": wait}, headers={"Idempotency-Key": idempotency_key})
        return found

    def list_labels(
        self,
        connection: str,
    ) -> Labels:
        """Labels that the account's chats may have. Needs a key with the scope `read` or `admin`."""
        found: Labels = self._json("GET", f"/api/connections/{quote(connection, safe='')}/labels")
        return found

    def list_all_chats(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        connection: str,
        search: str | None = None,
    ) -> ListedChats:
        """The chats of a connection, that with the newest message first. Needs a key with the scope `read` or `admin`."""
        found: ListedChats = self._json("GET", "/api/chats", query={"after": after, "limit": limit, "connection": connection, "search": search})
        return found

    def list_all_contacts(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        connection: str,
        search: str | None = None,
    ) -> ListedContacts:
        """People whom the account knows: of the address book by name, then others with a chat, the newest first. Needs a key with the scope `read` or `admin`."""
        found: ListedContacts = self._json("GET", "/api/contacts", query={"after": after, "limit": limit, "connection": connection, "search": search})
        return found

    def create_group(
        self,
        body: NewGroup,
    ) -> CreatedGroup:
        """Create a group. Needs a key with the scope `send` or `admin`."""
        found: CreatedGroup = self._json("POST", "/api/groups", body=body)
        return found

    def join_group(
        self,
        body: Invitation,
    ) -> JoinedGroup:
        """Join the group of an invitation. Needs a key with the scope `send` or `admin`."""
        found: JoinedGroup = self._json("POST", "/api/groups/join", body=body)
        return found

    def preview_invite(
        self,
        code: str,
        *,
        connection: str,
    ) -> InvitedGroup:
        """The group of an invitation. Needs a key with the scope `send` or `admin`."""
        found: InvitedGroup = self._json("GET", f"/api/groups/invites/{quote(code, safe='')}", query={"connection": connection})
        return found

    def change_group(
        self,
        group: str,
        body: GroupChange,
        *,
        connection: str,
    ) -> None:
        """Change settings of a group. Needs a key with the scope `send` or `admin`."""
        self._json("PATCH", f"/api/groups/{quote(group, safe='')}", body=body, query={"connection": connection})

    def leave_group(
        self,
        group: str,
        *,
        connection: str,
    ) -> None:
        """Leave a group. Needs a key with the scope `send` or `admin`."""
        self._json("DELETE", f"/api/groups/{quote(group, safe='')}", query={"connection": connection})

    def get_group(
        self,
        group: str,
        *,
        connection: str,
    ) -> NamedGroup:
        """A group that the account is in, with its settings and the names of its members. Needs a key with the scope `read` or `admin`."""
        found: NamedGroup = self._json("GET", f"/api/groups/{quote(group, safe='')}", query={"connection": connection})
        return found

    def add_members(
        self,
        group: str,
        body: Members,
        *,
        connection: str,
    ) -> Outcomes:
        """Add members to a group. Needs a key with the scope `send` or `admin`."""
        found: Outcomes = self._json("POST", f"/api/groups/{quote(group, safe='')}/participants", body=body, query={"connection": connection})
        return found

    def remove_members(
        self,
        group: str,
        *,
        connection: str,
        participants: str,
    ) -> Outcomes:
        """Remove members from a group. Needs a key with the scope `send` or `admin`."""
        found: Outcomes = self._json("DELETE", f"/api/groups/{quote(group, safe='')}/participants", query={"connection": connection, "participants": participants})
        return found

    def promote_members(
        self,
        group: str,
        body: Members,
        *,
        connection: str,
    ) -> Outcomes:
        """Make members of a group admins. Needs a key with the scope `send` or `admin`."""
        found: Outcomes = self._json("POST", f"/api/groups/{quote(group, safe='')}/admins", body=body, query={"connection": connection})
        return found

    def demote_members(
        self,
        group: str,
        *,
        connection: str,
        participants: str,
    ) -> Outcomes:
        """Make admins of a group plain members. Needs a key with the scope `send` or `admin`."""
        found: Outcomes = self._json("DELETE", f"/api/groups/{quote(group, safe='')}/admins", query={"connection": connection, "participants": participants})
        return found

    def get_invite(
        self,
        group: str,
        *,
        connection: str,
    ) -> Invite:
        """The invitation to a group. Needs a key with the scope `send` or `admin`."""
        found: Invite = self._json("GET", f"/api/groups/{quote(group, safe='')}/invite", query={"connection": connection})
        return found

    def revoke_invite(
        self,
        group: str,
        *,
        connection: str,
    ) -> Invite:
        """Void the invitation to a group; it gets another one. Needs a key with the scope `send` or `admin`."""
        found: Invite = self._json("DELETE", f"/api/groups/{quote(group, safe='')}/invite", query={"connection": connection})
        return found

    def get_picture(
        self,
        connection: str,
        chat: str,
    ) -> bytes:
        """The picture of a person or group, an hour old at most. Needs a key with the scope `read` or `admin`."""
        return self._bytes("GET", f"/api/chats/{quote(connection, safe='')}/{quote(chat, safe='')}/picture")

    def set_group_picture(
        self,
        group: str,
        body: NewPicture,
        *,
        connection: str,
    ) -> None:
        """Give a group a picture. Needs a key with the scope `send` or `admin`."""
        self._json("PUT", f"/api/groups/{quote(group, safe='')}/picture", body=body, query={"connection": connection})

    def remove_group_picture(
        self,
        group: str,
        *,
        connection: str,
    ) -> None:
        """Remove the picture of a group. Needs a key with the scope `send` or `admin`."""
        self._json("DELETE", f"/api/groups/{quote(group, safe='')}/picture", query={"connection": connection})

    def get_profile(
        self,
        connection: str,
    ) -> Profile:
        """The account's own name and text. Needs a key with the scope `read` or `admin`."""
        found: Profile = self._json("GET", f"/api/connections/{quote(connection, safe='')}/profile")
        return found

    def change_profile(
        self,
        connection: str,
        body: ProfileChange,
    ) -> None:
        """Change the account's own name, text or picture. Needs a key with the scope `admin`."""
        self._json("PATCH", f"/api/connections/{quote(connection, safe='')}/profile", body=body)

    def list_blocked(
        self,
        connection: str,
    ) -> Blocked:
        """The people whom the account blocks. Needs a key with the scope `read` or `admin`."""
        found: Blocked = self._json("GET", f"/api/contacts/{quote(connection, safe='')}/blocked")
        return found

    def block_person(
        self,
        connection: str,
        person: str,
    ) -> None:
        """Block a person. Needs a key with the scope `send` or `admin`."""
        self._json("PUT", f"/api/contacts/{quote(connection, safe='')}/blocked/{quote(person, safe='')}")

    def unblock_person(
        self,
        connection: str,
        person: str,
    ) -> None:
        """Block a person no more. Needs a key with the scope `send` or `admin`."""
        self._json("DELETE", f"/api/contacts/{quote(connection, safe='')}/blocked/{quote(person, safe='')}")

    def list_refused_documents(
        self,
        connection: str,
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> RefusedDocuments:
        """Items received and messages sent that the state store refuses for good. Needs a key with the scope `read` or `admin`."""
        found: RefusedDocuments = self._json("GET", f"/api/connections/{quote(connection, safe='')}/refused-documents", query={"after": after, "limit": limit})
        return found

    def retry_refused_document(
        self,
        connection: str,
        document: str,
    ) -> None:
        """Store it again, after what refused it has changed. Needs a key with the scope `admin`."""
        self._json("POST", f"/api/connections/{quote(connection, safe='')}/refused-documents/{quote(document, safe='')}/retry")

    def discard_refused_document(
        self,
        connection: str,
        document: str,
    ) -> None:
        """Forget it for good. Needs a key with the scope `admin`."""
        self._json("DELETE", f"/api/connections/{quote(connection, safe='')}/refused-documents/{quote(document, safe='')}")

    def check_number(
        self,
        connection: str,
        number: str,
    ) -> Number:
        """Whether a number is on WhatsApp. Needs a key with the scope `send` or `admin`."""
        found: Number = self._json("GET", f"/api/connections/{quote(connection, safe='')}/numbers/{quote(number, safe='')}")
        return found

    def list_groups(
        self,
        connection: str,
    ) -> Groups:
        """The groups that the account is in. Needs a key with the scope `read` or `admin`."""
        found: Groups = self._json("GET", f"/api/connections/{quote(connection, safe='')}/groups")
        return found

    def set_presence(
        self,
        connection: str,
        body: Presence,
    ) -> None:
        """Show the account as online, or not. Needs a key with the scope `send` or `admin`."""
        self._json("POST", f"/api/connections/{quote(connection, safe='')}/presence", body=body)

    def set_typing(
        self,
        connection: str,
        chat: str,
        body: TypingChange,
    ) -> None:
        """Show in a chat that the account writes, or records, or stopped. Needs a key with the scope `send` or `admin`."""
        self._json("POST", f"/api/connections/{quote(connection, safe='')}/chats/{quote(chat, safe='')}/typing", body=body)

    def subscribe_presence(
        self,
        connection: str,
        body: Subscription,
    ) -> None:
        """Ask WhatsApp to tell of a person's presence, for 24 hours. Needs a key with the scope `send` or `admin`."""
        self._json("POST", f"/api/connections/{quote(connection, safe='')}/subscriptions", body=body)

    def get_presence(
        self,
        connection: str,
        who: str,
    ) -> Chat:
        """Whether a person is online, and who types. Needs a key with the scope `read` or `admin`."""
        found: Chat = self._json("GET", f"/api/connections/{quote(connection, safe='')}/presence/{quote(who, safe='')}")
        return found

    def start_trace(
        self,
        connection: str,
    ) -> Trace:
        """Record the shape of its traffic with WhatsApp. Needs a key with the scope `admin`."""
        found: Trace = self._json("POST", f"/api/connections/{quote(connection, safe='')}/trace")
        return found

    def stop_trace(
        self,
        connection: str,
    ) -> Trace:
        """Record no more; the file stays. Needs a key with the scope `admin`."""
        found: Trace = self._json("DELETE", f"/api/connections/{quote(connection, safe='')}/trace")
        return found

    def get_trace(
        self,
        connection: str,
    ) -> Trace:
        """Whether its traffic is recorded, and into which file. Needs a key with the scope `admin`."""
        found: Trace = self._json("GET", f"/api/connections/{quote(connection, safe='')}/trace")
        return found

    def get_queue(
        self,
    ) -> Queue:
        """Waiting messages, in all and per connection. Needs a key with the scope `read` or `admin`."""
        found: Queue = self._json("GET", "/api/queue")
        return found

    def list_dead(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        connection: str | None = None,
    ) -> Messages:
        """Dead letters, with the reason. Needs a key with the scope `read` or `admin`."""
        found: Messages = self._json("GET", "/api/queue/dead", query={"after": after, "limit": limit, "connection": connection})
        return found

    def redrive_dead(
        self,
        id: str,
    ) -> Message:
        """Send a dead letter again, behind what waits for its chat. Needs a key with the scope `send` or `admin`."""
        found: Message = self._json("POST", f"/api/queue/dead/{quote(id, safe='')}/redrive")
        return found

    def redrive(
        self,
        body: Redrive | None = None,
        *,
        after: str | None = None,
    ) -> Redriven:
        """Send again the dead letters that fit what is given. Needs a key with the scope `send` or `admin`."""
        found: Redriven = self._json("POST", "/api/queue/redrive", body=body, query={"after": after})
        return found

    def get_health(
        self,
    ) -> Health | FullHealth:
        """Health of the service; with a key, its reasons."""
        found: Health | FullHealth = self._json("GET", "/health")
        return found

    def get_live(
        self,
    ) -> Alive:
        """Whether the process runs."""
        found: Alive = self._json("GET", "/health/live")
        return found

    def get_ready(
        self,
    ) -> Ready:
        """Whether a send would be accepted."""
        found: Ready = self._json("GET", "/health/ready")
        return found

    def get_load(
        self,
    ) -> Loads:
        """Resources that machine and service used within the last hour, for each round of the monitor. Needs a key with the scope `read` or `admin`."""
        found: Loads = self._json("GET", "/api/system/metrics")
        return found

    def get_metrics(
        self,
    ) -> bytes:
        """Series for Prometheus. Needs a key with the scope `metrics` or `admin`."""
        return self._bytes("GET", "/metrics")

    def list_alerts(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        connection: str | None = None,
        active: bool | None = None,
    ) -> Alerts:
        """Alerts, active and past, the newest first. Needs a key with the scope `read` or `admin`."""
        found: Alerts = self._json("GET", "/api/alerts", query={"after": after, "limit": limit, "connection": connection, "active": active})
        return found

    def list_recoveries(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        connection: str | None = None,
    ) -> RecoveryActions:
        """Falls and recoveries, the newest first. Needs a key with the scope `read` or `admin`."""
        found: RecoveryActions = self._json("GET", "/api/recoveries", query={"after": after, "limit": limit, "connection": connection})
        return found

    def create_webhook(
        self,
        body: NewWebhook,
    ) -> AddedWebhook:
        """Add an endpoint that gets events from now on. Needs a key with the scope `admin`."""
        found: AddedWebhook = self._json("POST", "/api/webhooks", body=body)
        return found

    def list_webhooks(
        self,
    ) -> Webhooks:
        """All webhooks. Needs a key with the scope `admin`."""
        found: Webhooks = self._json("GET", "/api/webhooks")
        return found

    def get_webhook(
        self,
        webhook: str,
    ) -> Webhook:
        """One webhook. Needs a key with the scope `admin`."""
        found: Webhook = self._json("GET", f"/api/webhooks/{quote(webhook, safe='')}")
        return found

    def change_webhook(
        self,
        webhook: str,
        body: ChangedWebhook,
    ) -> Webhook:
        """Pause it, let it go on, or give it another address, other headers, or files another way. Needs a key with the scope `admin`."""
        found: Webhook = self._json("PATCH", f"/api/webhooks/{quote(webhook, safe='')}", body=body)
        return found

    def delete_webhook(
        self,
        webhook: str,
    ) -> None:
        """Tell it nothing more. Needs a key with the scope `admin`."""
        self._json("DELETE", f"/api/webhooks/{quote(webhook, safe='')}")

    def rotate_secret(
        self,
        webhook: str,
    ) -> Rotated:
        """Sign by a new secret, and for a day by the one before too. Needs a key with the scope `admin`."""
        found: Rotated = self._json("POST", f"/api/webhooks/{quote(webhook, safe='')}/secret")
        return found

    def test_webhook(
        self,
        webhook: str,
    ) -> Tested:
        """Send it a test event, signed as all are, and say what came of it. Needs a key with the scope `admin`."""
        found: Tested = self._json("POST", f"/api/webhooks/{quote(webhook, safe='')}/test")
        return found

    def list_deliveries(
        self,
        webhook: str,
        *,
        after: str | None = None,
        limit: int | None = None,
        status: Literal["waiting", "delivered", "dead"] | None = None,
    ) -> Deliveries:
        """Its deliveries, the newest first. Needs a key with the scope `admin`."""
        found: Deliveries = self._json("GET", f"/api/webhooks/{quote(webhook, safe='')}/deliveries", query={"after": after, "limit": limit, "status": status})
        return found

    def redeliver(
        self,
        webhook: str,
        delivery: str,
    ) -> Delivery:
        """Deliver once more, now, what is dead or was delivered. Needs a key with the scope `admin`."""
        found: Delivery = self._json("POST", f"/api/webhooks/{quote(webhook, safe='')}/deliveries/{quote(delivery, safe='')}/redeliver")
        return found

    def create_key(
        self,
        body: NewKey,
    ) -> AddedKey:
        """Make an API key. Needs a key with the scope `admin`."""
        found: AddedKey = self._json("POST", "/api/keys", body=body)
        return found

    def list_keys(
        self,
    ) -> ApiKeys:
        """All API keys, without what they are. Needs a key with the scope `admin`."""
        found: ApiKeys = self._json("GET", "/api/keys")
        return found

    def revoke_key(
        self,
        key: str,
    ) -> None:
        """Take an API key back; other gateway processes refuse it within seconds. Needs a key with the scope `admin`."""
        self._json("DELETE", f"/api/keys/{quote(key, safe='')}")

    def read_events(
        self,
        *,
        connection: str | None = None,
        events: str | None = None,
        last_event_id: str | None = None,
    ) -> Iterator[Event | Gap]:
        """Events as server-sent events, until the reader leaves. Needs a key with the scope `read` or `admin`."""
        return self._events("GET", "/api/events", query={"connection": connection, "events": events}, headers={"Last-Event-ID": last_event_id})
