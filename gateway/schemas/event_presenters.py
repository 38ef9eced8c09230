"""Converts events, webhooks and deliveries to answer models and event JSON (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from actors.runtime.connection_ids import name_of
from actors.state.events.deliveries import OPEN
from actors.state.events.event import EVENT_TYPES, UNREADABLE_TYPE
from gateway.http.response_base import rfc3339
from gateway.schemas import account, presenters
from gateway.schemas import events as answers
from gateway.schemas import webhooks as webhook_models
from gateway.schemas.content.content_presenters import author, media_url
from gateway.schemas.people import group_events
from gateway.schemas.people.people import changed_picture, person
from gateway.schemas.webhook_headers import MASK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.state.documents import Document
    from actors.state.events.deliveries import Attempt, Delivery
    from actors.state.events.outbox import NumberedEvent
    from actors.state.webhooks import Webhook
    from gateway.http.response_base import Answer
    from gateway.schemas.people.people import Person


class UnreadableEvent(ValueError):
    """An event that another release wrote, of which this one can make nothing."""


@dataclass(frozen=True, slots=True)
class PairingText:
    """The QR or code of a ``connection.qr``, or the reason for its absence."""

    text: str | None = field(default=None, repr=False)
    withheld: answers.Withheld | None = "expired"


VOID: Final = PairingText()


def event(numbered: NumberedEvent, pairing: PairingText = VOID) -> answers.EventAnswer:
    """The event as webhooks and readers get it. Raises `UnreadableEvent`."""
    try:
        return _event(numbered, pairing)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # Its text could quote a message.
        raise UnreadableEvent(type(error).__name__) from None


def _event(numbered: NumberedEvent, pairing: PairingText) -> answers.EventAnswer:
    happened = numbered.event
    document = happened.data
    common: dict[str, Any] = {
        "id": happened.id,
        "seq": numbered.seq,
        "timestamp": rfc3339(happened.at),
        "connection": presenters.named(happened.connection),
        "incarnation": happened.connection,
        "cut": numbered.cut,
        "type": happened.type,
    }
    if happened.type in _PLAIN:
        model, present = _PLAIN[happened.type]
        return cast("answers.EventAnswer", model(**common, data=present(document)))
    match happened.type:
        case "message.received":
            return answers.ReceivedEvent(**common, data=_received(document))
        case "connection.qr":
            return answers.PairingEvent(**common, data=_pairing(document, pairing))
        case "alert.raised" | "alert.repeated" | "alert.cleared":
            return answers.AlertEvent(**common, data=presenters.alert(_readable(document), {}))
    return answers.StepEvent(**common, data=_step(numbered))


def written(numbered: NumberedEvent, pairing: PairingText = VOID) -> bytes:
    """The event as JSON, on one line. Raises `UnreadableEvent`."""
    found = event(numbered, pairing)
    return found.__pydantic_serializer__.to_json(found)


def with_file(
    numbered: NumberedEvent, base64: str | None, omitted: Literal["too_large", "unavailable"] | None
) -> bytes:
    """A ``message.received`` as JSON, with its file as `base64` or the reason why that is `omitted`. Raises `UnreadableEvent`."""
    found = event(numbered)
    if isinstance(found, answers.ReceivedEvent) and found.data.media is not None:
        found.data.media.base64, found.data.media.base64_omitted = base64, omitted
    return found.__pydantic_serializer__.to_json(found)


def webhook(stored: Webhook, seq: int) -> dict[str, Any]:
    """The fields of `response_models.Webhook`; `seq` is the number of the last event."""
    progress = stored.progress
    return {
        "id": stored.id,
        "url": stored.url,
        "events": None if stored.events is None else list(stored.events),
        "connections": presenters.limited(stored.connections, stored.ended),
        "enabled": stored.off is None and stored.ended_at is None,
        "disabled_because": "ended" if stored.ended_at is not None else stored.off,
        "created_at": rfc3339(stored.created_at),
        "headers": dict.fromkeys(stored.headers, MASK),
        "media": "apart" if stored.media_wait is None else "wait",
        "media_wait": stored.media_wait,
        "base64": stored.base64_limit is not None,
        "base64_limit": stored.base64_limit,
        "waiting": stored.behind(seq),
        "held_chats": progress.held,
        "failing_since": rfc3339(progress.failing_since),
        "attempts": progress.attempts,
        "error": progress.error,
        "retry_at": rfc3339(progress.retry_at),
        "delivered_at": rfc3339(progress.delivered_at),
        "missed": progress.missed,
    }


def attempt(made: Attempt) -> webhook_models.Attempt:
    """One request, as deliveries and tests show it."""
    return webhook_models.Attempt(
        at=rfc3339(made.at) or "",
        http_status=made.status,
        error=made.error,
        seconds=made.seconds,
    )


def trial(stored: Webhook, identity: str, now: float) -> answers.TestEvent:
    """The event of a test, as its endpoint gets it."""
    return answers.TestEvent(
        id=identity,
        seq=0,
        timestamp=rfc3339(now) or "",
        connection=None,
        incarnation=None,
        cut=False,
        type="webhook.test",
        data=answers.TestedWebhook(webhook=stored.id),
    )


def delivery(
    numbered: NumberedEvent, stored: Webhook, kept: Delivery | None, first: Attempt | None
) -> webhook_models.Delivery:
    """The progress of an event's delivery: one that is `kept` has a document of its own.

    `first` is the attempt at one that got through at once.
    """
    common: dict[str, Any] = {
        "id": str(numbered.seq),
        "event_id": numbered.event.id,
        "type": numbered.event.type if numbered.event.type in EVENT_TYPES else UNREADABLE_TYPE,
        "connection": presenters.named(numbered.event.connection),
        "at": rfc3339(numbered.event.at),
    }
    if kept is not None:
        last = kept.tries[-1] if kept.tries else None
        return webhook_models.Delivery(
            **common,
            status="waiting"
            if kept.status in OPEN
            else cast("webhook_models.Progress", kept.status),
            attempts=kept.attempts,
            error=None if last is None else last.error,
            tried_at=None if last is None else rfc3339(last.at),
            retry_at=rfc3339(kept.retry_at),
            tries=[attempt(each) for each in kept.tries],
        )
    waiting = first is None and not stored.progress.dealt(numbered.seq)
    return webhook_models.Delivery(
        **common,
        status="waiting" if waiting else "delivered",
        attempts=0 if waiting else None if first is None else 1,
        error=None,
        tried_at=None if first is None else rfc3339(first.at),
        retry_at=None,
        tries=[] if first is None else [attempt(first)],
    )


def _readable(document: Document) -> Document:
    return {**document, "reason": document["reason"] or ""}


def _step(numbered: NumberedEvent) -> answers.MessageStep:
    document = numbered.event.data
    return answers.MessageStep(
        id=document["id"],
        message_id=document["message_id"],
        connection=name_of(document["connection"]),
        chat=document["chat"],
        type=document["type"],
        status=cast("answers.Step", numbered.event.type.partition(".")[2]),
        at=rfc3339(numbered.event.at) or "",
        attempts=document.get("attempts") or 0,
        error=document.get("error"),
        uncertain=bool(document.get("uncertain")),
    )


def _received(document: Document) -> answers.ReceivedMessage:
    message = presenters.stored(document)
    media = None
    if message.media is not None:
        media = answers.ReceivedFile(**dict(message.media), base64=None, base64_omitted=None)
    # Each field was validated for the message.
    return answers.ReceivedMessage.model_construct(**{**dict(message), "media": media})


def _change(data: Document) -> answers.MessageChange:
    names = ("id", "message_id", "chat", "change", "by")
    return answers.MessageChange(
        **{name: data[name] for name in names},
        connection=name_of(data["connection"]),
        author=author(data["by"], data),
        at=rfc3339(data["at"]) or "",
        emoji=data.get("emoji"),
        pinned_until=rfc3339(data["at"] + data["seconds"]) if data.get("seconds") else None,
        text=data.get("text"),
        options=data.get("options"),
    )


def _media(data: Document) -> answers.MessageMediaOutcome:
    file: Document = (data["content"] or {}).get("file") or {}
    media = data["media"]
    names = ("id", "message_id", "chat", "direction", "type")
    return answers.MessageMediaOutcome(
        **{name: data[name] for name in names},
        connection=name_of(data["connection"]),
        author=person(data.get("sender"), data),
        media=answers.MessageFile(
            state=media["state"],
            error=media["error"],
            sha256=file.get("sha256"),
            size=file.get("size"),
            mime=file.get("mime"),
            name=file.get("name"),
            url=media_url(data["id"]),
        ),
    )


def _state(data: Document) -> answers.ConnectionState:
    return answers.ConnectionState(
        id=name_of(data["id"]),
        state=data["state"],
        cause=data["cause"],
        epoch=data["epoch"] or 0,
        since=rfc3339(data["since"]),
        account=data["account"],
        retry_at=rfc3339(data["retry_at"]),
    )


def _limit(data: Document) -> answers.ConnectionLimit:
    return answers.ConnectionLimit(
        id=name_of(data["id"]),
        limited_until=rfc3339(data["until"]),
        limit_reason=data["reason"],
        since=rfc3339(data["at"]) or "",
    )


def _pairing(data: Document, pairing: PairingText) -> answers.PairingShown:
    names = ("kind", "number", "epoch")
    return answers.PairingShown(
        **{name: data[name] for name in names},
        id=name_of(data["id"]),
        expires_at=rfc3339(data["expires_at"]) or "",
        qr=pairing.text if data["kind"] == "qr" else None,
        code=pairing.text if data["kind"] == "code" else None,
        withheld=pairing.withheld,
    )


def _passkey(data: Document) -> answers.PasskeyAsked:
    return answers.PasskeyAsked(
        id=name_of(data["id"]),
        number=data["number"],
        epoch=data["epoch"],
        expires_at=rfc3339(data["expires_at"]) or "",
    )


def _call(data: Document) -> answers.CallState:
    names = ("id", "caller", "state", "video", "group")
    return answers.CallState(
        **{name: data[name] for name in names},
        connection=name_of(data["connection"]),
        author=cast("Person", person(data["caller"], data)),
        at=rfc3339(data["at"]) or "",
    )


def _renamed(data: Document) -> answers.RenamedChat:
    return answers.RenamedChat(
        connection=name_of(data["connection"]),
        chat=data["chat"],
        former=data["former"],
        at=rfc3339(data["at"]) or "",
    )


_PLAIN: Final[Mapping[str, tuple[Any, Callable[[Document], Answer]]]] = {
    "message.changed": (answers.ChangedEvent, _change),
    "message.media": (answers.MediaEvent, _media),
    "connection.state": (answers.StateEvent, _state),
    "connection.limited": (answers.LimitedEvent, _limit),
    "connection.passkey": (answers.PasskeyEvent, _passkey),
    "call.received": (answers.CallEvent, _call),
    "chat.updated": (answers.ChatEvent, account.changed_chat),
    "chat.renamed": (answers.RenamedEvent, _renamed),
    "group.updated": (answers.GroupEvent, group_events.changed),
    "group.participants": (answers.GroupMembersEvent, group_events.members_changed),
    "contact.updated": (answers.ContactEvent, account.changed_contact),
    "contact.picture": (answers.PictureEvent, changed_picture),
}
"""Events of which the data says it all."""
