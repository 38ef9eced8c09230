"""Stores webhooks in SQLite or Firestore: endpoint, subscriptions, signing secrets and position in the event log.

The API writes all fields of a webhook but its `progress`, which the delivery worker alone writes. A webhook and
the request to write events for it are one batch: it gets each event from then on.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from actors.state.connections import requiring
from actors.state.documents import (
    BATCH_LIMIT,
    DELIVERED,
    DELIVERIES,
    EVENT_LOG,
    HEAD,
    WEBHOOKS,
    Order,
    Where,
    Write,
)
from actors.state.events.outbox import Head
from actors.state.tenants.quota_inserts import add

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.runtime.limits.quotas import Quota
    from actors.state.documents import Document, Documents
    from actors.state.events.event import Event

OLD_SECRET = 86_400.0
"""Seconds for which the secret before the last one signs too."""

Why = Literal["paused", "gone"]


class WebhookNotFound(LookupError):
    """There is no such webhook, or it was deleted."""


class Overtaken(Exception):
    """Another process is further with this webhook, or it began anew."""


class WebhookEnded(Exception):
    """Every connection that the webhook was for is deleted: nothing turns it on again."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret."""

    secret: str = field(repr=False)
    """The secret itself."""
    until: float | None = None
    """When it signs no more; null while it is the newest."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The place of a webhook in the log of events."""

    cursor: int = 0
    """Number of an event: none up to it has to be read again."""
    attempts: int = 0
    """Failed attempts at the oldest delivery that waits."""
    error: str | None = None
    """The code of the last failed attempt at any."""
    retry_at: float | None = None
    """When the next attempt is due."""
    failing_since: float | None = None
    """Time since which nothing got through."""
    delivered_at: float | None = None
    """When something last got through."""
    missed: int = 0
    """Events that were gone before they were delivered."""
    done: tuple[int, ...] = ()
    """Ranges beyond the cursor, ascending, first and last numbers in one row: their events were delivered, were not wanted, or have a document in `webhook_deliveries`."""
    held: int = 0
    parked: int = 0
    """Chats with deliveries that wait, and number of these."""

    @classmethod
    def of(cls, document: Document) -> Progress:
        return cls(**{**document, "done": tuple(document["done"])})

    @property
    def document(self) -> Document:
        return {**asdict(self), "done": list(self.done)}

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The ranges of `done`."""
        return list(zip(self.done[::2], self.done[1::2], strict=True))

    def dealt(self, seq: int) -> bool:
        """Whether the event of this number need not be read again."""
        return seq <= self.cursor or any(first <= seq <= last for first, last in self.ranges)

    def behind(self, seq: int) -> int:
        """Events that still have to be dealt with, where `seq` is the number of the last one."""
        done = sum(last - first + 1 for first, last in self.ranges)
        return max(0, seq - self.cursor - done) + self.parked


@dataclass(frozen=True, slots=True)
class Webhook:
    """One endpoint."""

    id: str
    url: str
    """Its address."""
    secrets: tuple[Secret, ...]
    """The secrets that sign, the newest first."""
    created_at: float
    """When it was registered."""
    events: tuple[str, ...] | None = None
    connections: tuple[str, ...] | None = None
    """Types of events and ids of connections that it is for; null for all."""
    off: Why | None = None
    """`paused` or `gone`; null where it is on."""
    begun: int = 0
    """The number of the last event before its first one."""
    asked: int = 0
    """Rises when something is to be tried now: a delivery that is to be repeated, or the next one."""
    progress: Progress = Progress()
    """Its place in the log."""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    """Headers that go with each delivery, by name; their values are secrets."""
    ended: tuple[str, ...] = ()
    """Those of `connections` that were deleted."""
    ended_at: float | None = None
    """When the last one was deleted; the newest 50 such webhooks stay."""
    ended_seq: int = 0
    """The number of the last event that it gets then."""
    media_wait: int | None = None
    """Seconds that a message waits for its file at most; null where it does not."""
    base64_limit: int | None = None
    """Bytes of a file that comes as base64 at most; null where none does."""

    @classmethod
    def of(cls, document: Document) -> Webhook:
        """The webhook that a document of ``webhooks`` describes."""
        events, connections = document["events"], document["connections"]
        return cls(
            id=document["id"],
            url=document["url"],
            secrets=tuple(Secret(**each) for each in document["secrets"]),
            created_at=document["created_at"],
            events=None if events is None else tuple(events),
            connections=None if connections is None else tuple(connections),
            off=document["off"],
            begun=document["begun"],
            asked=document["asked"],
            progress=Progress.of(document["progress"]),
            headers=document["headers"],
            ended=tuple(document["ended"]),
            ended_at=document["ended_at"],
            ended_seq=document["ended_seq"],
            media_wait=document["media_wait"],
            base64_limit=document["base64_limit"],
        )

    @property
    def document(self) -> Document:
        fields: dict[str, Any] = asdict(self)
        fields["secrets"] = list(fields["secrets"])
        for name in ("events", "connections"):
            fields[name] = None if fields[name] is None else list(fields[name])
        fields["ended"] = list(fields["ended"])
        fields["progress"] = self.progress.document
        return fields

    @property
    def on(self) -> bool:
        """Whether it is delivered to."""
        progress = self.progress
        left = self.ended_at is None or progress.cursor < self.ended_seq or progress.held > 0
        return self.off is None and left

    def behind(self, seq: int) -> int:
        """Return the number of events that are still to be delivered; `seq` is the number of the last one."""
        last = seq if self.ended_at is None else self.ended_seq
        return 0 if self.off == "gone" else self.progress.behind(last)

    def wants(self, event: Event) -> bool:
        """Return whether it gets this event."""
        if self.events is not None and event.type not in self.events:
            return False
        return self.connections is None or event.connection in self.connections

    def signs(self, now: float) -> list[str]:
        """The secrets that sign now, the newest first."""
        return [each.secret for each in self.secrets if each.until is None or now < each.until]


class Webhooks:
    """The webhooks. Every method raises `StoreAway` when the store cannot answer."""

    def __init__(self, documents: Documents, *, clock: Callable[[], float] = time.time) -> None:
        self._documents = documents
        self._clock = clock

    async def list(self) -> list[Webhook]:
        """All of them, by id."""
        page = await self._documents.query(WEBHOOKS)
        return [Webhook.of(each) for each in page.items]

    async def get(self, webhook: str) -> Webhook | None:
        """A webhook by its id; None where there is none (any more)."""
        found = await self._documents.get(WEBHOOKS, webhook)
        return None if found is None else Webhook.of(found)

    async def create(self, webhook: Webhook, *, quota: Quota) -> None:
        """Raises `LimitReached`, and `ConnectionNotFound` where one of its connections is deleted."""
        # As many as a batch has room for beside the webhook.
        required = [requiring(each) for each in webhook.connections or ()][: BATCH_LIMIT - 3]
        writes = [*required, *creating(webhook)]
        await add(self._documents, WEBHOOKS, webhook.connections, writes, quota=quota)

    async def delete(self, webhook: str) -> None:
        """Delete the webhook and its deliveries. Harmless twice."""
        await self._documents.batch(
            [
                Write("change", EVENT_LOG, HEAD, change=lambda head: unlisted(head, webhook)),
                Write("delete", WEBHOOKS, webhook),
            ]
        )
        for collection, by in ((DELIVERIES, "seq"), (DELIVERED, "at")):
            where, more = [Where("webhook", "==", webhook)], True
            while more:
                page = await self._documents.query(
                    collection, where=where, order=[Order(by)], limit=BATCH_LIMIT
                )
                removed = [Write("delete", collection, each["id"]) for each in page.items]
                await self._documents.batch(removed)
                more = page.next is not None

    async def change(
        self,
        webhook: str,
        *,
        url: str | None = None,
        on: bool | None = None,
        headers: dict[str, str] | None = None,
        files: tuple[int | None, int | None] | None = None,
    ) -> Webhook:
        """Another address; on or off; other headers; `files`: `media_wait` and `base64_limit`.

        Raises `WebhookNotFound`, and `WebhookEnded` for on. Events from its pause are delivered once it is on again. A webhook that was gone begins anew.
        """
        seq = 0

        def listed(head: Document | None) -> Document | None:
            nonlocal seq
            seq = Head.of(head).seq
            return _listed(head, webhook, True) if on else None

        def changed(there: Webhook) -> Webhook:
            if on and there.ended_at is not None:
                raise WebhookEnded
            new = there if url is None else replace(there, url=url)
            new = new if headers is None else replace(new, headers=headers)
            if files is not None:
                new = replace(new, media_wait=files[0], base64_limit=files[1])
            if on or any(each is not None for each in (url, headers, files)):
                progress = replace(new.progress, retry_at=None)
                new = replace(new, asked=there.asked + 1, progress=progress)
            if on is False and there.off is None:
                return replace(new, off="paused")
            if on and there.off == "gone":
                new = replace(new, begun=seq, progress=Progress(cursor=seq))
            return replace(new, off=None) if on else new

        return await self._change(webhook, changed, Write("change", EVENT_LOG, HEAD, change=listed))

    async def rotate(self, webhook: str, secret: str) -> Webhook:
        """Sign by this one from now on, and by the one before for a day. Raises `WebhookNotFound`."""
        now = self._clock()

        def changed(there: Webhook) -> Webhook:
            last = replace(there.secrets[0], until=now + OLD_SECRET)
            return replace(there, secrets=(Secret(secret), last))

        return await self._change(webhook, changed)

    async def request_deliveries(self, webhook: str, *writes: Write) -> None:
        """Request deliveries again: `writes` mark them, and the delivery worker looks for them. As `rotate`."""
        await self._change(webhook, lambda there: replace(there, asked=there.asked + 1), *writes)

    async def gone(self, webhook: str, progress: Progress) -> None:
        """The endpoint said that there is nobody any more: it is off, and events are not for it.

        Not where somebody is further than who heard that: events go on being written for it then.
        """
        ended = False

        def end(there: Document | None) -> Document | None:
            nonlocal ended
            after = _progressed(there, progress, "gone")
            ended = after is not None
            return after

        def listed(head: Document | None) -> Document | None:
            return _listed(head, webhook, False) if ended else None

        await self._documents.batch(
            [
                Write("change", WEBHOOKS, webhook, change=end),
                Write("change", EVENT_LOG, HEAD, change=listed),
            ]
        )

    async def _change(
        self, webhook: str, change: Callable[[Webhook], Webhook], *writes: Write
    ) -> Webhook:
        changed: Webhook | None = None

        def run(document: Document | None) -> Document:
            nonlocal changed
            if document is None:
                raise WebhookNotFound
            changed = change(Webhook.of(document))
            return changed.document

        await self._documents.batch([*writes, Write("change", WEBHOOKS, webhook, change=run)])
        assert changed is not None
        return changed


def creating(webhook: Webhook) -> list[Write]:
    """Return the writes that add it: its events begin behind the last number at that time.

    The first one of a connection always has room: a part of the quota is reserved for it.
    """
    seq = 0

    def listed(head: Document | None) -> Document | None:
        nonlocal seq
        log_head = Head.of(head)
        seq = log_head.seq
        return _listed(head, webhook.id, True)

    def made(there: Document | None) -> Document | None:
        if there is not None:
            return None  # a repeat
        return replace(webhook, begun=seq, progress=Progress(cursor=seq)).document

    return [
        Write("change", EVENT_LOG, HEAD, change=listed),
        Write("change", WEBHOOKS, webhook.id, change=made),
    ]


def unlisted(head: Document | None, webhook: str) -> Document | None:
    """The head of the log once no events are written for the webhook; None where none were."""
    return _listed(head, webhook, False)


def progressing(webhook: str, progress: Progress) -> Write:
    """The write that notes how far it is; one that is gone stays gone.

    Fails its batch with `WebhookNotFound`, and with `Overtaken` where one that is further is noted.
    """

    def note(there: Document | None) -> Document:
        if there is None:
            raise WebhookNotFound
        after = _progressed(there, progress)
        if after is None:
            raise Overtaken
        return after

    return Write("change", WEBHOOKS, webhook, change=note)


def _progressed(
    there: Document | None, progress: Progress, off: Why | None = None
) -> Document | None:
    if there is None or there["progress"]["cursor"] > progress.cursor:
        return None
    return {**there, "progress": progress.document, "off": off or there["off"]}


def _listed(head: Document | None, webhook: str, there: bool) -> Document | None:
    log_head = Head.of(head)
    others = tuple(each for each in log_head.webhooks if each != webhook)
    webhooks = (*others, webhook) if there else others
    return None if webhooks == log_head.webhooks else replace(log_head, webhooks=webhooks).document
