"""Stores the text of each person's status ("about") in SQLite, and notifies accounts that know the person of changes.

Shapes after whatsmeow `user.go` (SetStatusMessage), `notification.go` (handleStatusNotification), and Baileys
`Socket/chats.ts` (updateProfileStatus).
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from simulator.server.query_errors import QueryError
from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from simulator.server.companions import Companion
    from simulator.server.notifications import Notifications
    from simulator.server.rules.properties import Properties

MUTATION: Final = "9152604461510864"
"""Id of the query of `w:mex` that sets the text."""
MAX_ABOUT: Final = 139
_TEXT: Final = "about"
_TIME: Final = "about_at"


class Abouts:
    """Texts of all people; they survive a restart."""

    def __init__(self, properties: Properties, notifications: Notifications) -> None:
        self._properties = properties
        self._notifications = notifications

    def of(self, number: str) -> str:
        """Returns the text, empty for people without one."""
        return self._properties.get(number, _TEXT) or ""

    def node(self, number: str) -> Any:
        """Returns the text's node in an answer to a usync query."""
        at = self._properties.get(number, _TIME) or "0"
        return Node("status", {"t": at}, self.of(number).encode())

    def change(self, number: str, text: str) -> None:
        """Replaces the text. Raises QueryError where it is too long."""
        if len(text) > MAX_ABOUT:
            raise QueryError(406, "not-acceptable")
        self._properties.put(number, _TEXT, text or None)
        self._properties.put(number, _TIME, str(int(time.time())))
        self._notifications.profile(number, "status", Node("set", {}, text.encode()))

    def answer(self, companion: Companion, query: Any) -> list[Any]:
        """Answers a query of the namespace `status`, which sets the text. Raises QueryError."""
        status = query.get_child("status")
        if status is not None:
            try:
                self.change(companion.number, status.content_bytes().decode())
            except UnicodeDecodeError as error:
                raise QueryError(400, "bad-request") from error
        return []

    def answer_mutation(self, companion: Companion, query: Any) -> list[Any]:
        """Answers the query of `w:mex` that sets the text. Raises QueryError."""
        try:
            text = json.loads(query.content_bytes())["variables"]["input"].get("text") or ""
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise QueryError(400, "bad-request") from error
        if not isinstance(text, str):
            raise QueryError(400, "bad-request")
        self.change(companion.number, text)
        data = {"xwa2_update_text_status": {"result": "SUCCESS"}}
        return [Node("result", {}, json.dumps({"data": data}).encode())]
