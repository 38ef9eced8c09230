"""Decides whether an account may begin a chat (time lock, cap), counts new chats in SQLite, notifies devices of limits.

Codes and shapes after Baileys (`messages-recv.ts` handleBadAck, handleMexNotification; `socket.ts`
fetchAccountReachoutTimelock, fetchNewChatMessageCap) and whatsmeow (`notification.go`
handleMexNotification).
"""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from simulator.server.query_errors import QueryError
from simulator.wire.protocol_library import SERVER, Node, text_of

if TYPE_CHECKING:
    from simulator.server.companions import Companion, Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.rules.properties import Properties
    from simulator.store import Store

LOCKED_ERROR: Final = 463
CAPPED: Final = 475
_REFUSED: Final = "refused:"
_BEGUN: Final = "chats_begun"
_LOCK: Final = "NotificationUserReachoutTimelockUpdate"
_CAP: Final = "MessageCappingInfoNotification"
_LOCK_QUERY: Final = "23983697327930364"
_CAP_QUERIES: Final = ("24503548349331633", "27910975521856601")
"""Baileys asks by the former, whatsapp-rust (`mex_operations.rs`) by the latter."""


class NewChatLimits:
    """Decides which chats an account may begin, by its properties; counts survive a restart.

    A chat is begun once one of its two people has written to the other.
    """

    def __init__(
        self,
        store: Store,
        properties: Properties,
        companions: Companions,
        switchboard: StanzaRouter,
    ) -> None:
        self._store = store
        self._properties = properties
        self._companions = companions
        self._switchboard = switchboard

    def refusal(self, account: str, contact: str) -> int | None:
        """Returns the code that refuses a message of the account to the contact; None where it is accepted.

        An attempt while the account is locked may prolong the lock, with a notification to its devices;
        an accepted new chat is counted against the cap. Runs inside its caller's transaction.
        """
        locked, cap = self.is_locked(account), self._value(account, "chat_cap")
        if account == contact or not (locked or cap is not None) or self._begun(account, contact):
            return None
        if locked:
            prolonged = self._value(account, "lock_prolonged_by")
            if prolonged:
                until = self._value(account, "limited_until") + prolonged
                self._properties.change(account, {"limited_until": until})
                self.announce_lock(account)
            return LOCKED_ERROR
        if self.chats_begun(account) >= cap:
            return CAPPED
        self._properties.put(account, _BEGUN, str(self.chats_begun(account) + 1))
        self.announce_cap(account)
        return None

    def is_locked(self, account: str) -> bool:
        """Returns whether the account may begin no chat now."""
        until = self._value(account, "limited_until")
        return until is not None and bool(until > time.time())

    def chats_begun(self, account: str) -> int:
        """Returns the number of chats that the account began while it had a cap."""
        return int(self._properties.get(account, _BEGUN) or 0)

    def count(self, account: str, code: int) -> None:
        """Counts a refused message of the account. Runs inside its caller's transaction."""
        self._store.count(account, f"{_REFUSED}{code}")

    def refused(self, account: str) -> dict[str, int]:
        """Returns the number of the account's refused messages, by code."""
        return self._store.counted_by(account, _REFUSED)

    def announce_lock(self, account: str) -> None:
        """Notifies the account's devices of the lock and its end."""
        self._notify(account, _LOCK, {"xwa2_notify_account_reachout_timelock": self._lock(account)})

    def announce_cap(self, account: str) -> None:
        """Notifies the account's devices of the cap and its use; a new cap is unused."""
        data = {"xwa2_notify_new_chat_messages_capping_info_update": self._cap(account)}
        self._notify(account, _CAP, data)

    def cap_changed(self, account: str) -> None:
        """Resets the count, and notifies the account's devices of the cap."""
        self._properties.put(account, _BEGUN, None)
        self.announce_cap(account)

    def answer(self, companion: Companion, query: Any) -> list[Any]:
        """The answer to a query of `w:mex` for the lock or the cap. Raises QueryError for others."""
        mex_query, account = query.get_child("query"), companion.number
        operation = "" if mex_query is None else text_of(mex_query, "query_id")
        if operation == _LOCK_QUERY:
            data = {"xwa2_fetch_account_reachout_timelock": self._lock(account)}
        elif operation in _CAP_QUERIES:
            data = {"xwa2_message_capping_info": self._cap(account)}
        else:
            raise QueryError(501, "feature-not-implemented")
        return [Node("result", {}, json.dumps({"data": data}).encode())]

    def _lock(self, account: str) -> dict[str, Any]:
        locked = self.is_locked(account)
        return {
            "is_active": locked,
            "time_enforcement_ends": str(
                int(self._value(account, "limited_until")) if locked else 0
            ),
            "enforcement_type": self._value(account, "limit_type") if locked else "DEFAULT",
        }

    def _cap(self, account: str) -> dict[str, Any]:
        cap, used, now = self._value(account, "chat_cap"), self.chats_begun(account), time.time()
        ends = self._value(account, "cap_ends")
        return {
            "total_quota": -1 if cap is None else int(cap),
            "used_quota": used,
            "cycle_start_timestamp": str(int(now)),
            "cycle_end_timestamp": str(int(now if ends is None else ends)),
            "server_sent_timestamp": str(int(now)),
            "ote_status": "NOT_ELIGIBLE",
            "mv_status": "NOT_ELIGIBLE",
            "capping_status": "CAPPED" if cap is not None and used >= cap else "NONE",
        }

    def _notify(self, account: str, operation: str, data: dict[str, Any]) -> None:
        for companion in self._companions.of(account):
            attrs = {"from": SERVER, "type": "mex", "id": secrets.token_hex(8)}
            update = Node("update", {"op_name": operation}, json.dumps({"data": data}).encode())
            stanza = Node("notification", {**attrs, "t": int(time.time())}, [update])
            self._switchboard.deliver(companion.key, stanza)

    def _begun(self, account: str, contact: str) -> bool:
        return (
            self._store.row(
                "SELECT 1 FROM said WHERE number = ?2 AND recipient = ?1"
                " UNION ALL SELECT 1 FROM inbox WHERE number = ?2 AND sender = ?1 AND chat = ?2"
                " OR number = ?1 AND sender = ?2 AND chat = ?1 LIMIT 1",
                account,
                contact,
            )
            is not None
        )

    def _value(self, account: str, name: str) -> Any:
        return self._properties.value(account, name)
