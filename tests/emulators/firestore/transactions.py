"""Open transactions: what each has read, so that its commit can be refused if that changed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.emulators.firestore import queries
from tests.emulators.firestore.refusals import Code, Refused, invalid

if TYPE_CHECKING:
    from tests.emulators.firestore.documents import Documents

_Version = tuple[str, int]


@dataclass(slots=True)
class Transaction:
    """The reads of a transaction: documents and queries with their results."""

    read_only: bool
    documents: dict[str, int | None] = field(default_factory=dict)
    queries: list[tuple[str, Any, list[_Version]]] = field(default_factory=list)


class Transactions:
    """A commit succeeds only if all that its transaction read is still so, else it is aborted.

    That is serializable: the transaction could have happened at the instant of its commit. Google
    reaches the same with locks; which of two that collide is aborted differs.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._open: dict[bytes, Transaction] = {}

    def begin(self, options: Any) -> bytes:
        identity = secrets.token_bytes(8)
        self._open[identity] = Transaction(options.WhichOneof("mode") == "read_only")
        return identity

    def get(self, identity: bytes) -> Transaction:
        found = self._open.get(identity)
        if found is None:
            raise invalid("The referenced transaction has expired or is no longer valid.")
        return found

    def saw(self, identity: bytes, name: str, document: Any | None) -> None:
        """It read a document; raises `Refused` where it had read it otherwise."""
        known = self.get(identity).documents
        version = _version(document)
        if known.setdefault(name, version) != version:
            raise Refused(Code.ABORTED, "what the transaction read has changed")

    def found(self, identity: bytes, parent: str, query: Any, found: list[Any]) -> None:
        self.get(identity).queries.append((parent, query, _versions(found)))

    def end(self, identity: bytes, *, writes: bool) -> None:
        """It commits: raises `Refused` if it may not; it is over either way."""
        transaction = self.get(identity)
        del self._open[identity]
        if transaction.read_only:
            if writes:
                raise invalid("a read-only transaction writes nothing")
            return
        same = all(
            _version(self._documents.get(name)) == version
            for name, version in transaction.documents.items()
        ) and all(
            _versions(queries.find(self._documents, parent, query)) == versions
            for parent, query, versions in transaction.queries
        )
        if not same:
            raise Refused(Code.ABORTED, "Too much contention on these documents.")

    def roll_back(self, identity: bytes) -> None:
        self._open.pop(identity, None)


def _version(document: Any | None) -> int | None:
    return None if document is None else int(document.update_time.ToMicroseconds())


def _versions(found: list[Any]) -> list[_Version]:
    return [(document.name, document.update_time.ToMicroseconds()) for document in found]
