"""Answers clients' `encrypt` queries as the server: upload, count, digest, fetch of prekeys; warns when few are left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from simulator.contacts.signal_endpoints import Bundle, SignalEndpoints
from simulator.server import stanzas
from simulator.server.query_errors import QueryError, users_of
from simulator.wire.protocol_library import Node, bytes_of, jid_of, number_bytes, xeddsa_verify

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.faults import Faults
    from simulator.server.companions import Companion, Companions
    from simulator.server.notifications import Notifications

# The server notifies below this number. whatsmeow uploads below 5.
LOW: Final = 5


class Prekeys:
    """Answers `encrypt` queries, and hands out bundles to encrypting devices."""

    def __init__(
        self,
        people: People,
        endpoints: SignalEndpoints,
        companions: Companions,
        notifications: Notifications,
        faults: Faults,
    ) -> None:
        self._people = people
        self._endpoints = endpoints
        self._companions = companions
        self._notifications = notifications
        self._faults = faults

    def answer(self, companion: Companion, query: Any) -> list[Any]:
        """The content of the answer to an `encrypt` query. Raises QueryError."""
        tags = [child.tag for child in query.get_children()]
        if query.attrs.get("type") == "set":
            return self._set(companion, query, tags)
        if "count" in tags:
            return [Node("count", {"value": self._companions.prekey_count(companion)})]
        if "digest" in tags:
            return [self._digest(companion)]
        if "key" in tags:
            refused = self._faults.strike(companion.number, "refuse_prekeys")
            if refused is not None:
                raise QueryError(refused.code or 503, "service-unavailable")
            requested = users_of(query.get_child("key"))
            return [
                Node("list", {}, [self._bundle_node(jid_of(user, "jid")) for user in requested])
            ]
        raise QueryError(400, "bad-request")

    def take(self, companion: Companion) -> Bundle:
        """Returns a bundle for a session with the companion; notifies it when few prekeys are left."""
        bundle = self._companions.take_bundle(companion)
        left = self._companions.prekey_count(companion)
        if left < LOW:
            self._notifications.prekeys(companion, left)
        return bundle

    def from_retry(self, companion: Companion, receipt: Any) -> Bundle | None:
        """Returns the bundle in a retry receipt.

        None without a bundle, or with one of another device.
        """
        keys = receipt.get_child("keys")
        if keys is None:
            return None
        try:
            identity = bytes_of(keys, "identity")
            skey = _signed(keys, identity)
            one = keys.get_child("key")
            prekey = None if one is None else _key(one)
        except (ValueError, QueryError):
            return None
        if identity != companion.identity:
            return None
        return Bundle(
            companion.registration,
            identity,
            *skey,
            None if prekey is None else prekey[0],
            None if prekey is None else prekey[1],
        )

    def trim(self, companion: Companion, kept: int) -> int:
        """Deletes all but `kept` of the companion's one-time prekeys, and notifies it."""
        self._companions.trim_prekeys(companion, kept)
        left = self._companions.prekey_count(companion)
        self._notifications.prekeys(companion, left, again=True)
        return left

    def _set(self, companion: Companion, query: Any, tags: list[str]) -> list[Any]:
        try:
            if "list" in tags:
                if bytes_of(query, "identity") != companion.identity:
                    raise QueryError(406, "not-acceptable")
                keys = dict(_key(one) for one in query.get_child("list").get_children("key"))
                self._companions.upload(companion, keys)
            source = query.get_child("rotate") or query
            if source.get_child("skey") is not None:
                self._companions.rotate(companion, *_signed(source, companion.identity))
            elif "list" not in tags:
                raise QueryError(400, "bad-request")
        except ValueError as error:
            raise QueryError(400, "bad-request") from error
        return []

    def _digest(self, companion: Companion) -> Any:
        if not companion.uploaded:
            raise QueryError(404, "item-not-found")
        ids, digest = self._companions.digest(companion)
        keys = stanzas.bundle_keys(
            Bundle(
                companion.registration,
                companion.identity,
                companion.skey_id,
                companion.skey,
                companion.skey_signature,
            )
        )
        return Node(
            "digest",
            {},
            [
                Node("registration", {}, number_bytes(companion.registration, 4)),
                *keys,
                Node("list", {}, [Node("id", {}, number_bytes(one, 3)) for one in ids]),
                Node("hash", {}, digest),
            ],
        )

    def _bundle_node(self, jid: Any) -> Any:
        missing = Node(
            "user", {"jid": jid}, [Node("error", {"code": 404, "text": "item-not-found"})]
        )
        person = self._people.at(jid)
        if person is None or not person.registered:
            return missing
        companion = self._companions.get(person.number, jid.device)
        identity: list[Any] = []
        if companion is not None:
            bundle = self.take(companion)
            identity = [Node("device-identity", {}, companion.adv)]
        else:
            endpoint = self._endpoints.get(person.number, jid.device)
            if endpoint is None:
                return missing
            bundle = endpoint.bundle(with_prekey=self._people.takes_prekey(person.number))
            if endpoint.adv:
                identity = [Node("device-identity", {}, endpoint.adv)]
        return Node(
            "user",
            {"jid": jid, "t": int(time.time())},
            [
                Node("registration", {}, number_bytes(bundle.registration, 4)),
                *stanzas.bundle_keys(bundle),
                *identity,
            ],
        )


def _key(node: Any) -> tuple[int, bytes]:
    key_id, public = bytes_of(node, "id"), bytes_of(node, "value")
    if len(key_id) != 3 or len(public) != 32:
        raise ValueError("bad prekey")
    return int.from_bytes(key_id, "big"), public


def _signed(parent: Any, identity: bytes) -> tuple[int, bytes, bytes]:
    """Returns the signed prekey below `parent`. Raises QueryError when its signature does not verify."""
    key_id, public = _key(parent.get_child("skey"))
    signature = bytes_of(parent, "skey", "signature")
    if not xeddsa_verify(identity, b"\x05" + public, signature):
        raise QueryError(406, "not-acceptable")
    return key_id, public, signature
