"""Makes API keys with a prefix that is the state store's own, by which it recognizes them once they are revoked.

Without it each revoked key would need a document that stays for good, and an admin could make any number.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, TypedDict

from actors.state.documents import ISSUER, KEY_ISSUER

if TYPE_CHECKING:
    from actors.state.documents import Documents

KEY_PREFIX: Final = "tmo_"

_MARK_BYTES: Final = 6
"""Bytes of the mark: two stores with the same one are as good as impossible."""
_SECRET_BYTES: Final = 26


class IssuerDocument(TypedDict):
    """The issuer of API keys, of which a store has one."""

    mark: str
    """The first characters of each key that was made with this store, after `tmo_`. They are no secret."""


async def issue(documents: Documents) -> str:
    """Return a new key in clear, with 208 random bits. Raises `StoreAway`."""
    new: IssuerDocument = {"mark": secrets.token_urlsafe(_MARK_BYTES)}
    issuer = await documents.change(
        KEY_ISSUER, ISSUER, lambda there: new if there is None else None
    )
    assert issuer is not None
    return _prefix(issuer["mark"]) + secrets.token_urlsafe(_SECRET_BYTES)


async def has_issued(documents: Documents, token: str) -> bool:
    """Whether the key was made with this store, or pretends to. Raises `StoreAway`."""
    issuer = await documents.get(KEY_ISSUER, ISSUER)
    return issuer is not None and token.startswith(_prefix(issuer["mark"]))


def _prefix(mark: str) -> str:
    return KEY_PREFIX + mark
