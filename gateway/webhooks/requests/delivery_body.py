"""Makes a webhook delivery's body; for webhooks with `media: wait`, adds the message's file once that is stored or failed."""

from __future__ import annotations

import asyncio
import os
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from actors.connection.backup.bucket.port import BucketAway
from actors.media.store import StoreUnavailable
from actors.runtime.limits.quotas import SHARED_UNIT
from actors.state.documents import MESSAGES
from gateway.schemas import event_presenters
from gateway.webhooks.requests import event_body
from gateway.webhooks.requests.body import DeliveryBody

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.media.local_files import LocalFiles
    from actors.redis.leases.leases import Leases
    from actors.state.documents import Documents
    from actors.state.events.outbox import NumberedEvent
    from actors.state.webhooks import Webhook

_OPEN: Final = frozenset({"pending", "deferred"})


@dataclass(frozen=True, slots=True)
class FileAwaited:
    """In place of a body: the file is on its way, and is waited for until a time (epoch) at most."""

    until: float


class DeliveryBodies:
    """A message with a file costs a webhook that waits one document more, the message's, for each look."""

    def __init__(self, documents: Documents, leases: Leases, files: LocalFiles) -> None:
        self._documents, self._leases, self._files = documents, leases, files

    async def of(
        self, numbered: NumberedEvent, webhook: Webhook, now: float, *, may_wait: bool
    ) -> DeliveryBody | FileAwaited:
        """The body, which its caller closes; `FileAwaited` only where the delivery `may_wait`.

        Raises `Unreadable`, `StoreAway`, and `RedisAway` where a QR or a code cannot be looked up.
        """
        data = numbered.event.data
        media = data.get("media") if numbered.event.type == "message.received" else None
        if webhook.media_wait is None or media is None:
            # Only an admin sets up a webhook, so that it may get what links an account.
            return DeliveryBody(await event_body.body(numbered, self._leases, may_link=True))
        if media["state"] in _OPEN:
            stored = await self._file_state(data["id"])
            # A clock that was set back has nothing wait for longer.
            waits = may_wait and abs(now - numbered.at) < webhook.media_wait
            if waits and stored is not None and stored["state"] in _OPEN:
                return FileAwaited(min(numbered.at, now) + webhook.media_wait)
            media = stored or media
            numbered = replace(
                numbered, event=replace(numbered.event, data={**data, "media": media})
            )
        file = (data.get("content") or {}).get("file")
        if webhook.base64_limit is None or media["state"] != "stored" or file is None:
            return DeliveryBody(event_presenters.written(numbered))
        return await self._with_file(numbered, file["sha256"], webhook.base64_limit)

    async def _file_state(self, message: str) -> Mapping[str, Any] | None:
        """The state of its file now; None where the message was deleted, or is another chat's."""
        found = await self._documents.get(MESSAGES, message)
        return None if found is None else found.get("media")

    async def _with_file(self, numbered: NumberedEvent, sha256: str, limit: int) -> DeliveryBody:
        """The event with the file, or with the reason why its address alone is there."""
        file = await self._opened(sha256, numbered.event.connection or SHARED_UNIT)
        if file is None:
            return DeliveryBody(event_presenters.with_file(numbered, None, "unavailable"))
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            file.close()
            return DeliveryBody(event_presenters.with_file(numbered, None, "too_large"))
        mark = secrets.token_hex(16)
        start, _, end = event_presenters.with_file(numbered, mark, None).partition(mark.encode())
        return DeliveryBody(start, file, size, end)

    async def _opened(self, sha256: str, unit: str) -> BinaryIO | None:
        try:
            path = await self._files.find(sha256, unit)
            return None if path is None else await asyncio.to_thread(path.open, "rb")
        except (BucketAway, StoreUnavailable, OSError):
            return None
