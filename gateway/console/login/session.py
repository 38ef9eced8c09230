"""Creates and verifies the console's signed login cookie (API key id, expiry) and form token, and checks the site.

Pure, but for the secret.

The cookie holds no key. The scopes of the key are looked up with each request, so that a key that is
revoked, or loses a scope, is that for the console too.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from itsdangerous import BadSignature, Signer

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import Request

COOKIE: Final = "teimoso_console"
LASTS: Final = 12 * 3600
"""Seconds after which one has to log in again."""

SECRET_FILE: Final = "console.secret"  # noqa: S105 - its name
AHEAD: Final = 60
"""Seconds by which the clock may have been set back since the login."""

_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """A person who is logged in; `token` proves that a form is of a page of theirs.

    `name` is unique among sessions, and begins with the time of its end.
    """

    key_id: str
    ends_at: float
    token: str
    name: str


def sealed(secret: bytes, key_id: str, now: float) -> str:
    """The cookie of a new session."""
    value = f"{key_id}.{int(now + LASTS)}.{secrets.token_hex(8)}"
    return _signer(secret, "session").sign(value).decode()


def opened(secret: bytes, cookie: str | None, now: float) -> ConsoleSession | None:
    """The session of a cookie; None if there is none, it is over, or another secret signed it."""
    try:
        value = _signer(secret, "session").unsign(cookie or "").decode()
    except BadSignature:
        return None
    key_id, ends_at, nonce = value.split(".")
    if not now < int(ends_at) <= now + LASTS + AHEAD:  # a clock that was ahead gives nobody a year
        return None
    token = _signer(secret, "form").get_signature(value).decode()
    return ConsoleSession(key_id, float(ends_at), token, f"{ends_at}.{nonce}")


def genuine(session: ConsoleSession, token: str) -> bool:
    """Whether the token is the one of this session's pages."""
    return hmac.compare_digest(token.encode(), session.token.encode())


def of_this_site(headers: Headers) -> bool:
    """Whether a page of this site asked, as far as the browser says (Fetch metadata, Origin)."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def is_encrypted(request: Request) -> bool:
    """Whether the request came over https; behind a proxy, as its header says.

    A false header only makes the sender's own cookie stricter.
    """
    forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return "https" in (request.url.scheme, forwarded)


def secret_of(data: Path) -> bytes:
    """The instance's secret, made where there is none; also for processes that ask at once.

    It outlives the gateway, so that its death logs nobody out. Raises OSError.
    """
    file = data / SECRET_FILE
    with suppress(FileNotFoundError):
        if len(found := file.read_bytes()) == _SECRET_BYTES:
            return found
        file.unlink()  # a power cut left a part of it
    with tempfile.NamedTemporaryFile(dir=data, prefix=f".{SECRET_FILE}.") as made:
        made.write(secrets.token_bytes(_SECRET_BYTES))
        made.flush()
        # Of two that make one at once, both take the first.
        with suppress(FileExistsError):
            file.hardlink_to(Path(made.name))
    return file.read_bytes()


def _signer(secret: bytes, purpose: str) -> Signer:
    """HMAC-SHA256 under a key of this purpose alone."""
    return Signer(secret, salt=purpose, key_derivation="hmac", digest_method=hashlib.sha256)
