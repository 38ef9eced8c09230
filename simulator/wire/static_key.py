"""Stores the simulated server's static Noise key in SQLite, certified by a root key; replaces the key on demand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Literal

from simulator.wire.certificates import issue, new_private_key, public_key

if TYPE_CHECKING:
    from simulator.store import Store

Certificate = Literal["valid", "expired", "forged"]
# Longer than a certificate is valid.
_LONG_AGO: Final = 365 * 86400.0


class StaticKey:
    """The current `identity` of the server, and the `root_key` that clients verify it with."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._root = store.secret("root", new_private_key)
        self.root_key = public_key(self._root)
        self.identity = issue(self._root, store.secret("static", new_private_key))

    def rotate(self, certificate: Certificate = "valid") -> None:
        """Replaces the static key; its certificate is valid, expired, or forged by another root.

        A client that resumes with the previous key falls back (XXfallback). Under an `expired` or
        a `forged` certificate no client may proceed until the next rotation or a restart.
        """
        static = self._store.replace_secret("static", new_private_key())
        root = new_private_key() if certificate == "forged" else self._root
        moment = time.time() - (_LONG_AGO if certificate == "expired" else 0.0)
        self.identity = issue(root, static, moment)
