"""Answers `w:sync:app:state` queries as the server: sends snapshots and patches (SQLite), accepts companions' patches.

After whatsmeow `appstate.go` (fetchAppStatePatches, sendAppState) and whatsapp-rust
`wacore/appstate/src/patch_decode.rs`: a snapshot is a file that the answer names, a patch whose base is not
the newest version is refused with 409 and the patches that it missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from google.protobuf.message import DecodeError

from simulator.phones.app_state.collections import COLLECTION_NAMES, PatchError
from simulator.phones.app_state.external_blobs import reference_of
from simulator.server.query_errors import QueryError
from simulator.wire.protocol_library import Node, SyncdPatch, text_of

if TYPE_CHECKING:
    from simulator.media.store import MediaStore
    from simulator.phones.app_state.collections import Collections
    from simulator.phones.app_state.phone_settings import PhoneSettings
    from simulator.server.companions import Companion
    from simulator.store import Store

log = structlog.get_logger()

PATCH_PAGE: Final = 20
"""Patches of a collection in one answer; the client asks for more."""


class AppStateQueries:
    """Each collection of a query is answered for itself, by a result or by an error."""

    def __init__(
        self, *, store: Store, collections: Collections, settings: PhoneSettings, media: MediaStore
    ) -> None:
        self._store = store
        self._collections = collections
        self._settings = settings
        self._media = media

    def answer(self, companion: Companion, query: Any) -> list[Any]:
        """Returns the content of the result. Raises QueryError for a malformed query."""
        sync = query.get_child("sync")
        if sync is None:
            raise QueryError(400, "bad-request")
        return [Node("sync", {}, [self._collection(companion, one) for one in sync.get_children()])]

    def _collection(self, companion: Companion, query: Any) -> Any:
        number, name, version = companion.number, text_of(query, "name"), _version(query)
        if name not in COLLECTION_NAMES or version is None:
            return _failed(name, 400, "bad-request")
        patch = query.get_child("patch")
        newest = self._collections.state(number, name).version
        if patch is None:
            return self._since(number, name, version, query)
        if version != newest:
            failed = _failed(name, 409, "conflict")
            missed = self._since(number, name, version, query)
            return Node(
                "collection",
                {**missed.attrs, "type": "error"},
                [*failed.get_children(), *missed.get_children()],
            )
        try:
            with self._store.savepoint():
                self._collections.apply(number, name, _patch(patch, version + 1))
        except PatchError as error:
            log.info("patch_refused", action="patch_refused", collection=name, code=error.code)
            self._store.count(number, "app_state_patches_refused")
            return _failed(name, 400, "bad-request")
        self._settings.read(number, name)
        self._settings.notify(number, name, author=companion)
        return Node("collection", {"name": name, "version": version + 1, "type": "result"})

    def _since(self, number: str, name: str, version: int, query: Any) -> Any:
        """Returns the patches after a version; a snapshot before them where the client wants one."""
        nodes = []
        if text_of(query, "return_snapshot") == "true":
            snapshot = self._collections.snapshot(number, name)
            if snapshot is not None:
                version = snapshot.version.version
                file = reference_of(snapshot.SerializeToString(), self._media)
                nodes.append(Node("snapshot", {}, file.SerializeToString()))
        patches = self._collections.since(number, name, version, PATCH_PAGE)
        if patches:
            listed = [Node("patch", {}, patch.SerializeToString()) for patch in patches]
            nodes.append(Node("patches", {}, listed))
        reached, newest = version + len(patches), self._collections.state(number, name).version
        attrs = {"name": name, "version": reached, "type": "result"}
        if reached < newest:
            attrs["has_more_patches"] = "true"
        return Node("collection", attrs, nodes or None)


def _version(query: Any) -> int | None:
    """Returns the version that a client has: 0 where it names none, None where it is no number."""
    given = text_of(query, "version") or "0"
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else None


def _patch(node: Any, version: int) -> Any:
    """Returns a companion's patch with the version that the server gives it. Raises PatchError."""
    if not isinstance(node.content, bytes):
        raise PatchError("malformed")
    try:
        patch = SyncdPatch.FromString(node.content)
    except DecodeError as error:
        raise PatchError("malformed") from error
    patch.version.version = version
    return patch


def _failed(name: str, code: int, text: str) -> Any:
    error = Node("error", {"code": code, "text": text})
    return Node("collection", {"name": name, "type": "error"}, [error])
