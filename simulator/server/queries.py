"""Answers the queries (iq) of a logged-in companion."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from simulator.media.store import AUTH_SECONDS
from simulator.server.query_errors import QueryError
from simulator.wire.protocol import SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.media.store import MediaStore
    from simulator.phones.app_state.app_state import AppState
    from simulator.phones.history import History
    from simulator.server.companions import Companion, Companions
    from simulator.server.delivery.switchboard import Switchboard
    from simulator.server.groups.queries import GroupQueries
    from simulator.server.logins import Logins
    from simulator.server.prekeys import Prekeys
    from simulator.server.usync import Directory
    from simulator.store import Store
    from simulator.wire.connection import Connection

log = structlog.get_logger()

_PRIVACY = (
    ("readreceipts", "all"),
    ("profile", "all"),
    ("status", "all"),
    ("online", "all"),
    ("last", "all"),
    ("groupadd", "all"),
    ("calladd", "all"),
)


class Queries:
    """Answers every iq: by a result, or by an error that says what is not there."""

    def __init__(
        self,
        *,
        store: Store,
        companions: Companions,
        prekeys: Prekeys,
        directory: Directory,
        group_queries: GroupQueries,
        media: MediaStore,
        app_state: AppState,
        history: History,
        logins: Logins,
        switchboard: Switchboard,
    ) -> None:
        self._store = store
        self._companions = companions
        self._prekeys = prekeys
        self._directory = directory
        self._group_queries = group_queries
        self._media = media
        self._app_state = app_state
        self._history = history
        self._logins = logins
        self._switchboard = switchboard

    def answer(self, connection: Connection, companion: Companion, query: Any) -> None:
        """Answers within the caller's transaction; the answer leaves after its commit."""
        space = str(query.attrs.get("xmlns", ""))
        # Groups answer themselves: whatsapp-rust looks for its answer by its sender.
        attrs = {"from": query.attrs.get("to", SERVER), "id": query.attrs.get("id", "")}
        try:
            content = self._content(connection, companion, space, query)
        except QueryError as error:
            log.info("query_refused", action="query_refused", xmlns=space, code=error.code)
            connection.send(
                Node(
                    "iq",
                    {**attrs, "type": "error"},
                    [Node("error", {"code": error.code, "text": error.text})],
                )
            )
            return
        connection.send(Node("iq", {**attrs, "type": "result"}, content or None))
        if space == "passive" and query.get_child("active") is not None and not connection.active:
            # A passive login is given nothing of what waits until it says that it is ready.
            self._store.after_commit(lambda: self._switchboard.flush(connection))
        if space == "md" and query.get_child("remove-companion-device") is not None:
            self._logins.log_out(companion)

    def _content(
        self, connection: Connection, companion: Companion, space: str, query: Any
    ) -> list[Any]:
        if space in _NOTHING:
            return []
        match space:
            case "encrypt":
                return self._prekey_answer(companion, query)
            case "w:m":
                return [self._media_connection(companion)]
            case "w:g2":
                return self._group_queries.answer(companion, query)
            case "w:sync:app:state":
                return self._app_state.answer(companion, query)
            case "usync":
                return self._directory.answer(query)
            case "passive":
                if query.get_child("passive") is not None:
                    connection.active = False
                # tryx 1.5.0 looks for the mode in the answer; whatsmeow does not read it.
                return [Node(child.tag) for child in query.get_children()]
        fixed = _FIXED.get(space)
        if fixed is None:
            raise QueryError(501, "feature-not-implemented")
        return fixed(query)

    def _prekey_answer(self, companion: Companion, query: Any) -> list[Any]:
        """Answers about prekeys; after the first upload the phone can write to the companion."""
        answer = self._prekeys.answer(companion, query)
        known = self._companions.get(*companion.key)
        if known is not None and known.uploaded and not companion.uploaded:
            self._app_state.paired(known)
            self._history.paired(known)
        return answer

    def _media_connection(self, companion: Companion) -> Any:
        conn = {
            "auth": self._media.auth(companion, time.time()),
            "ttl": AUTH_SECONDS,
            "auth_ttl": AUTH_SECONDS,
            "max_buckets": 12,
        }
        host = {"hostname": self._media.host, "type": "primary"}
        return Node("media_conn", conn, [Node("host", host)])


def _props(_: Any) -> list[Any]:
    props = {"protocol": "1", "hash": "1", "refresh": 86400, "refresh_id": 1}
    return [Node("props", {**props, "ab_key": "simulator"}, [])]


def _no_picture(_: Any) -> list[Any]:
    raise QueryError(404, "item-not-found")


def _privacy(query: Any) -> list[Any]:
    if query.get_child("tokens") is not None:
        return [Node("tokens", {}, [])]
    categories = [Node("category", {"name": name, "value": value}) for name, value in _PRIVACY]
    return [Node("privacy", {}, categories)]


# What needs no more than to be heard.
_NOTHING: Final = frozenset(
    {
        "disappearing_mode",
        "md",
        "status",
        "tos",
        "urn:xmpp:ping",
        "urn:xmpp:whatsapp:account",
        "urn:xmpp:whatsapp:dirty",
        "urn:xmpp:whatsapp:push",
        "w:p",
        "w:stats",
    }
)
_FIXED: Final[dict[str, Callable[[Any], list[Any]]]] = {
    "abt": _props,
    "blocklist": lambda _: [Node("list", {"dhash": "0"}, [])],
    "privacy": _privacy,
    "w": _props,
    "w:profile:picture": _no_picture,
}
