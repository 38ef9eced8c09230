"""Answers `iq` queries of companions by their namespace: by a handler of it, or with constants where nothing is stored."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from simulator.media.store import AUTH_SECONDS
from simulator.server.profiles.abouts import MUTATION
from simulator.server.query_errors import QueryError
from simulator.wire.protocol_library import SERVER, Node, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.faults import Fault, Faults
    from simulator.media.store import MediaStore
    from simulator.phones.app_state.app_state import AppState
    from simulator.phones.history_sync import HistorySyncs
    from simulator.server.companions import Companion, Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.groups.queries import GroupQueries
    from simulator.server.logins import Logins
    from simulator.server.prekeys import Prekeys
    from simulator.server.profiles.profiles import Profiles
    from simulator.server.rules.lid_migrations import Migrations
    from simulator.server.rules.new_chat_limits import NewChatLimits
    from simulator.server.rules.privacy import Privacy
    from simulator.server.rules.privacy_tokens import PrivacyTokens
    from simulator.server.usync import UsyncDirectory
    from simulator.store import Store
    from simulator.wire.connection import Connection

log = structlog.get_logger()

_SWITCHED_ON: Final = (10518, 24941)
"""Experiments that are on for clients: privacy tokens in messages to people, and derived ones
(whatsapp-rust `abprops.rs`, which sends none without; Baileys `chats.ts`; whatsmeow always does)."""


def _of_devices(space: str, query: Any) -> bool:
    """Returns whether a query is for devices or prekeys of others."""
    return space == "usync" or (space == "encrypt" and query.get_child("key") is not None)


class Queries:
    """Answers each `iq`: by a result, or by an error for unknown ones."""

    def __init__(
        self,
        *,
        store: Store,
        faults: Faults,
        companions: Companions,
        prekeys: Prekeys,
        directory: UsyncDirectory,
        group_queries: GroupQueries,
        media: MediaStore,
        app_state: AppState,
        history: HistorySyncs,
        logins: Logins,
        migrations: Migrations,
        privacy: Privacy,
        reach_out: NewChatLimits,
        tokens: PrivacyTokens,
        profiles: Profiles,
        switchboard: StanzaRouter,
    ) -> None:
        self._store = store
        self._faults = faults
        self._companions = companions
        self._prekeys = prekeys
        self._directory = directory
        self._media = media
        self._app_state = app_state
        self._history = history
        self._logins = logins
        self._privacy = privacy
        self._tokens = tokens
        self._reach_out = reach_out
        self._abouts = profiles.abouts
        self._switchboard = switchboard
        # handlers whose answer depends on the account, by the namespace of the query
        self._by_account: dict[str, Callable[[Companion, Any], list[Any]]] = {
            "blocklist": profiles.blocklists.answer,
            "status": profiles.abouts.answer,
            "w:profile:picture": profiles.pictures.answer,
            "abt": lambda companion, _: _props(migrations.experiment(companion.number)),
            "encrypt": self._encrypt,
            "privacy": self._private,
            "usync": lambda companion, query: self._directory.answer(companion.number, query),
            "w:g2": group_queries.answer,
            "w:mex": self._mex,
            "w:m": lambda companion, _: [self._media_connection(companion)],
            "w:sync:app:state": app_state.queries.answer,
        }

    def answer(self, connection: Connection, companion: Companion, query: Any) -> None:
        """Answers within the caller's transaction; the answer leaves after its commit."""
        space = str(query.attrs.get("xmlns", ""))
        # Answers come from the group itself: whatsapp-rust matches an answer by its sender.
        attrs = {"from": query.attrs.get("to", SERVER), "id": query.attrs.get("id", "")}
        result = Node("iq", {**attrs, "type": "result"})
        late = self._late(companion, space, query)
        if late is not None:
            loop = asyncio.get_running_loop()
            seconds = late.seconds or 0.0
            self._store.after_commit(
                lambda: (loop.call_later(seconds, connection.push, result), None)[1]
            )
        else:
            # Registered first, so that the answer leaves before notifications of a change.
            connection.send(result)
        try:
            content = self._content(connection, companion, space, query)
        except QueryError as error:
            log.info("query_refused", action="query_refused", xmlns=space, code=error.code)
            refusal = Node("error", {"code": error.code, "text": error.text})
            result.attrs["type"], result.content = "error", [refusal]
            return
        result.content = content or None
        if space == "passive" and query.get_child("active") is not None and not connection.active:
            # After a passive login the queue is sent once the client says that it is ready.
            self._store.after_commit(lambda: self._switchboard.flush(connection))
        if space == "md" and query.get_child("remove-companion-device") is not None:
            self._logins.log_out(companion)

    def _late(self, companion: Companion, space: str, query: Any) -> Fault | None:
        """Returns the fault by which the answer to a query for devices or prekeys of others leaves later."""
        asks = _of_devices(space, query)
        return self._faults.strike(companion.number, "delay_queries") if asks else None

    def _content(
        self, connection: Connection, companion: Companion, space: str, query: Any
    ) -> list[Any]:
        if space in _NOTHING:
            return []
        if space == "w:g2" or _of_devices(space, query):
            limited = self._faults.strike(companion.number, "limit_queries")
            if limited is not None:
                raise QueryError(limited.code or 429, "rate-overlimit")
        if space == "passive":
            if query.get_child("passive") is not None:
                connection.active = False
            # tryx 1.5.0 looks for the mode in the answer; whatsmeow does not read it.
            return [Node(child.tag) for child in query.get_children()]
        if space in self._by_account:
            return self._by_account[space](companion, query)
        fixed = _FIXED.get(space)
        if fixed is None:
            raise QueryError(501, "feature-not-implemented")
        return fixed(query)

    def _encrypt(self, companion: Companion, query: Any) -> list[Any]:
        """Answers about prekeys; after the first upload the phone can write to the companion."""
        answer = self._prekeys.answer(companion, query)
        stored = self._companions.get(*companion.key)
        if stored is not None and stored.uploaded and not companion.uploaded:
            self._app_state.settings.paired(stored)
            self._history.paired(stored)
        return answer

    def _mex(self, companion: Companion, query: Any) -> list[Any]:
        mex_query = query.get_child("query")
        if mex_query is not None and text_of(mex_query, "query_id") == MUTATION:
            return self._abouts.answer_mutation(companion, mex_query)
        return self._reach_out.answer(companion, query)

    def _private(self, companion: Companion, query: Any) -> list[Any]:
        tokens = query.get_child("tokens")
        if tokens is not None:
            return self._tokens.answer(companion, tokens)
        return self._privacy.answer(companion, query)

    def _media_connection(self, companion: Companion) -> Any:
        conn = {
            "auth": self._media.auth(companion, time.time()),
            "ttl": AUTH_SECONDS,
            "auth_ttl": AUTH_SECONDS,
            "max_buckets": 12,
        }
        host = {"hostname": self._media.host, "type": "primary"}
        return Node("media_conn", conn, [Node("host", host)])


def _props(*more: Any) -> list[Any]:
    props = {"protocol": "1", "hash": "1", "refresh": 86400, "refresh_id": 1}
    switched = [Node("prop", {"config_code": code, "config_value": 1}) for code in _SWITCHED_ON]
    return [Node("props", {**props, "ab_key": "simulator"}, [*switched, *more])]


# Queries that need only an empty result.
_NOTHING: Final = frozenset(
    {
        "disappearing_mode",
        "md",
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
    "w": lambda _: _props(),
}
