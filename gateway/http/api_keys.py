"""Creates and revokes API keys, stored as hashes in SQLite or Firestore; finds a request's key in a memory cache.

Only a SHA-256 of a key is stored. That is enough because a key made here carries 208 random bits:
there is nothing to guess, so a slow hash would only slow the callers down.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypedDict, cast, get_args

import structlog

from actors.runtime.connection_ids import name_of
from actors.runtime.limits.quotas import SHARED_UNIT, units_of
from actors.state import own_mistakes
from actors.state.caches.cached_collection import CachedCollection
from actors.state.caches.local_copies import LocalCopy
from actors.state.connections import requiring
from actors.state.documents import API_KEYS, BATCH_LIMIT, REVOKED_KEYS, StoreAway, Write
from actors.state.tenants.key_issuer import has_issued, issue
from actors.state.tenants.quota_inserts import add
from gateway.wrong_key_limiter import WrongKeyLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from actors.runtime.limits.quotas import Quota
    from actors.state.documents import Document, Documents

log = structlog.get_logger()

Scope = Literal["admin", "send", "read", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

KEYS_FRESH_SECONDS = 5.0  # how late a revoked key is noticed
KEYS_RETRY_PAUSE = 1.0  # seconds between reads of all keys while the store does not answer
_STORE_TIMEOUT = 2.0  # seconds
_GLANCE = 0.5  # seconds that a known key waits for the store, after a time in which nobody asked

_USABLE = re.compile(r"[\x21-\x7e]{8,512}", re.ASCII)


class KeyDocument(TypedDict, total=False):
    """An API key; the key itself is kept nowhere."""

    name: str
    """The name that it was given."""
    created_at: float
    """When it was made."""
    hash: str
    """The SHA-256 of the key."""
    scopes: list[Scope]
    """Its scopes."""
    connections: list[str] | None
    """Ids of connections that it is for; null for all."""
    issued: bool
    """Whether the store made it (`key_issuer`)."""
    ended: list[str]
    ended_at: float
    ended_seq: int
    """As in `webhooks`; once all are deleted, the key lets nobody in."""


class RevokedKeyDocument(TypedDict):
    """An API key that was taken back, where the store did not make it."""

    revoked_at: float
    """When it was, so that no setting brings it back."""


class InvalidKey(ValueError):
    """A key that no header can carry, or that is far too short."""

    code = "invalid_key"


class RevokedKey(ValueError):
    """A key that was taken back, where no other would let anybody in."""

    code = "revoked_key"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored API key; scope ``admin`` holds every scope.

    `connections` are ids; None is all.
    """

    id: str
    hash: str
    scopes: frozenset[Scope]
    connections: frozenset[str] | None
    created_at: float
    name: str
    units: tuple[str, ...] = field(init=False, repr=False)
    """The units that its use of quotas counts for (`actors.runtime.limits.quotas`)."""
    _names: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", units_of(self.connections))
        object.__setattr__(self, "_names", frozenset(map(name_of, self.connections or ())))

    def may_name(self, named: str) -> bool:
        """Whether a connection of that name or id may be the key's; asked for every send."""
        return self.connections is None or name_of(named) in self._names

    @property
    def tenant(self) -> str:
        """The name under which its requests take turns: its first connection, or itself where it is for all."""
        return next(iter(self.units), SHARED_UNIT) or self.id

    def may(self, scope: Scope) -> bool:
        """Whether the key has the scope; `admin` has all."""
        return scope in self.scopes or "admin" in self.scopes

    @property
    def is_admin_of_all(self) -> bool:
        """Whether it may do everything, for every connection."""
        return self.connections is None and self.may("admin")

    def reaches(self, connection: str) -> bool:
        """Whether the key is for the connection, by the connection's id with its incarnation."""
        return self.connections is None or connection in self.connections

    def covers(self, connections: Iterable[str] | None) -> bool:
        """Whether the key is for all of those; None is every connection, also those to come."""
        if self.connections is None or connections is None:
            return self.connections is None
        return all(map(self.reaches, connections))


def digest(token: str) -> str:
    """The stored form of a key."""
    return hashlib.sha256(token.encode()).hexdigest()


def check(token: str) -> None:
    """Raises `InvalidKey`."""
    if not _USABLE.fullmatch(token):
        raise InvalidKey("An API key has 8 to 512 printable ASCII characters without spaces.")


async def ensure_first(documents: Documents, given: str | None) -> str | None:
    """Make sure that somebody can get in; returns a new key in clear, once, if one was made.

    A `given` key (TEIMOSO_API_KEY) is added as an admin key if it is unknown, and then none is
    made. One that was revoked stays revoked, so that a setting that was left does not bring it
    back: others let people in. A key that the store issued is never added: where it is not there, it was revoked,
    or is younger than the backup that the store comes from, which cannot be distinguished.
    Safe to repeat and to run in two processes at once. Raises `InvalidKey`, `RevokedKey` or `StoreAway`.
    """
    if given is None:
        if any(map(_lets_in, (await documents.query(API_KEYS)).items)):
            return None
        token = await issue(documents)
        await documents.batch(_adding(token, name="first", scopes=("admin",), issued=True)[1])
        return token
    check(given)
    own = _id(digest(given))
    if not await has_issued(documents, given) and not await documents.get(REVOKED_KEYS, own):
        await documents.batch(_adding(given, name="TEIMOSO_API_KEY", scopes=("admin",))[1])
        return None
    there = (await documents.query(API_KEYS)).items
    if not any(key["id"] == own or "admin" in key["scopes"] for key in there):
        raise RevokedKey("it was revoked, or made after the restored backup; no other is admin")
    if not any(key["id"] == own for key in there):
        log.warning("TEIMOSO_API_KEY is not added", action="keys.not_added")
    return None


async def create(
    documents: Documents,
    *,
    name: str,
    scopes: Sequence[Scope],
    connections: Sequence[str] | None = None,
    quota: Quota,
) -> tuple[str, str]:
    """Make a key; its id, and the key in clear, which nothing can show again.

    Raises `LimitReached`, and `ConnectionNotFound` where one of the connections is deleted.
    """
    token = await issue(documents)
    identifier, writes = _adding(
        token, name=name, scopes=scopes, connections=connections, issued=True
    )
    await add(documents, API_KEYS, connections, writes, quota=quota)
    return identifier, token


async def revoke(documents: Documents, identifier: str) -> None:
    """Take the key back for good, also where a setting names it. Harmless if there is none.

    A document of it stays, unless the store issued it: that of keys which settings added.
    Callers may make and revoke any number of keys; `ensure_first` recognizes those without a document.
    """
    key = await documents.get(API_KEYS, identifier)
    if key is None:
        return
    writes = [Write("delete", API_KEYS, identifier)]
    if not key.get("issued"):
        revoked: RevokedKeyDocument = {"revoked_at": time.time()}
        writes.append(Write("set", REVOKED_KEYS, identifier, revoked))
    await documents.batch(writes)


def _id(hashed: str) -> str:
    """Of the hash, so that adding the same key twice is one document."""
    return hashed[:16]


def _adding(
    token: str,
    *,
    name: str,
    scopes: Sequence[Scope],
    connections: Sequence[str] | None = None,
    issued: bool = False,
) -> tuple[str, list[Write]]:
    """Return the id of a key, and the writes that add it."""
    hashed = digest(token)
    identifier = _id(hashed)
    document: KeyDocument = {
        "hash": hashed,
        "scopes": list(scopes),
        "connections": None if connections is None else sorted(connections),
        "created_at": time.time(),
        "name": name,
        "issued": issued,
    }
    # As many as a batch has room for beside the key.
    required = [requiring(each) for each in sorted(connections or ())][: BATCH_LIMIT - 2]
    return identifier, [*required, Write("create", API_KEYS, identifier, document)]


async def admits(copy: LocalCopy, given: str | None) -> bool:
    """Whether the `given` key, or any without one, is in the copy: the store may be away then."""
    there = await copy.read() or ()
    return any(given is None or key["hash"] == digest(given) for key in there)


class ApiKeyCache:
    """Finds keys in memory; of a key that is not there it reads the document, and never for a known fresh key.

    While the store is away the keys that were read before stay valid, those of the copy where
    none were. A key that was revoked stops working within `KEYS_FRESH_SECONDS`; a new one works at once.
    """

    def __init__(
        self,
        documents: Documents,
        clock: Callable[[], float] = time.monotonic,
        *,
        copy: LocalCopy | None = None,
    ) -> None:
        self._documents = documents
        self._stored = CachedCollection(
            documents,
            API_KEYS,
            LocalCopy(None) if copy is None else copy,
            self._take,
            within=_STORE_TIMEOUT,
            clock=clock,
        )
        self._clock = clock
        self._misses = WrongKeyLimiter(clock)
        self._keys: dict[str, ApiKey] = {}
        self._tried_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def find(self, token: str, address: str | None = None) -> ApiKey | None:
        """The key, None if there is no such key.

        Raises `StoreAway` when the store cannot say and no keys have ever been read, and the problem
        `rate_limited` where the client `address` had too many keys looked up that are not in memory.
        """
        return await self._find(digest(token), address)

    async def holds(self, key: ApiKey) -> bool:
        """Whether a key that was found is still one; as `find`."""
        return await self._find(key.hash) is not None

    async def renew(self) -> None:
        """Know in this process what was just made or taken back; elsewhere it takes `KEYS_FRESH_SECONDS`.

        While the store does not answer it takes as long here.
        """
        if self._reading is not None:  # the read in flight may predate this change
            await asyncio.shield(self._reading)
        await asyncio.shield(self._refresh())

    async def by_id(self, identifier: str) -> ApiKey | None:
        """The key of that id, None if there is none (any more); as `find`."""
        cached = self._cached(identifier)
        return await (self._look_up(identifier) if cached is None else self._find(cached.hash))

    def _cached(self, identifier: str) -> ApiKey | None:
        return next((key for key in self._keys.values() if key.id == identifier), None)

    async def _find(self, hashed: str, address: str | None = None) -> ApiKey | None:
        found = self._keys.get(hashed)
        if found is None:
            found = await self._look_up(_id(hashed), hashed, address)
        elif self._due(KEYS_FRESH_SECONDS):
            idle = self._idle()
            reading = self._refresh()  # in the background: a known key never waits for the store
            if idle:
                await asyncio.wait({reading}, timeout=_GLANCE)
                found = self._keys.get(hashed)
        return found if found is not None and hmac.compare_digest(found.hash, hashed) else None

    async def _look_up(
        self, identifier: str, hashed: str | None = None, address: str | None = None
    ) -> ApiKey | None:
        """Find a key that is not in memory: by its document, or by all of them while the store has not answered."""
        if self._reading is not None or not self._stored.fresh:
            if self._due(0):
                await asyncio.shield(self._refresh())
            found = self._cached(identifier) if hashed is None else self._keys.get(hashed)
            if found is not None or not self._stored.fresh:
                if self._stored.read_at is None and found is None:
                    raise StoreAway("no keys were read yet")
                return found
        if address is not None:
            self._misses.check(address)
            self._misses.wrong(address)
        keys = self._keys
        try:
            async with asyncio.timeout(_STORE_TIMEOUT):
                document = await self._documents.get(API_KEYS, identifier)
        except (StoreAway, TimeoutError):
            return None
        if document is None or not _lets_in(document):
            return None
        found = _key(document)
        keys[found.hash] = found  # nowhere, where all of them were read since
        return found

    def _due(self, age: float) -> bool:
        """Whether to read: the keys are older than `age`, and the last try `KEYS_RETRY_PAUSE` ago."""
        if self._reading is not None or self._tried_at is None:
            return True
        now = self._clock()
        old = self._stored.read_at is None or now - self._stored.read_at > age
        return old and now - self._tried_at >= KEYS_RETRY_PAUSE

    def _idle(self) -> bool:
        """Whether nobody asked for so long that a key that was revoked may still be known here.

        Never while the store does not answer: only the first request may wait for that.
        """
        if (
            self._stored.read_at is None
            or self._tried_at is None
            or self._tried_at > self._stored.read_at
        ):
            return False
        return self._clock() - self._stored.read_at > 2 * KEYS_FRESH_SECONDS

    def _refresh(self) -> asyncio.Task[None]:
        if self._reading is None:
            self._tried_at = self._clock()
            self._reading = asyncio.create_task(self._read())
        return self._reading

    async def _read(self) -> None:
        try:
            await self._stored.refresh()
        except Exception:  # nobody may wait for the outcome of this task
            log.exception("keys not read", action="read_keys")
            await own_mistakes.note_once(self._documents, "read_keys")
        finally:
            self._reading = None

    def _take(self, documents: Sequence[Document]) -> None:
        self._keys = {key.hash: key for key in map(_key, filter(_lets_in, documents))}


def _lets_in(document: Document) -> bool:
    """Whether the key has not ended with its connections (`actors/state/tenants/ended_grants.py`)."""
    return document.get("ended_at") is None


def _key(document: Document) -> ApiKey:
    connections = document.get("connections")
    return ApiKey(
        id=document["id"],
        hash=document["hash"],
        scopes=frozenset(cast("list[Scope]", document["scopes"])),
        connections=None if connections is None else frozenset(connections),
        created_at=document["created_at"],
        name=document["name"],
    )
