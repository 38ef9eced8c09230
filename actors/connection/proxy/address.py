"""Parses and validates the URL of a proxy, and formats the URL without user and password (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import quote, unquote, urlsplit

MAX_PROXY_URL_CHARACTERS: Final = 2048
"""Characters of a URL, at most."""

_LONGEST_WORD: Final = 255
"""Bytes of a user or a password: SOCKS has one byte for the length (RFC 1929)."""

_WORD: Final = r"([A-Za-z0-9._~!$&'()*+,;=-]|%[2-6][0-9A-Fa-f]|%7[0-9A-Ea-e])+"
_PORT: Final = (
    r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
_GROUP: Final = "[0-9A-Fa-f]{1,4}"
_IPV6: Final = "|".join(
    (
        f"({_GROUP}:){{7}}{_GROUP}",
        f"::({_GROUP}(:{_GROUP}){{0,6}})?",
        *(
            f"{_GROUP}(:{_GROUP}){{{n - 1}}}::({_GROUP}(:{_GROUP}){{0,{6 - n}}})?"
            for n in range(1, 7)
        ),
        f"{_GROUP}(:{_GROUP}){{6}}::",
    )
)
"""Groups of an address (RFC 4291); ``::`` stands for one or more, before or after which there are `n`."""

PROXY_PATTERN: Final = (
    rf"^(http|socks5h?)://({_WORD}:{_WORD}@)?"
    rf"(\[({_IPV6})\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?):{_PORT}/?$"
)
"""The form of a URL that `parse` reads."""

SHOWN_PATTERN: Final = r"^[a-z0-9]+://\*\*\*:\*\*\*@"
"""The beginning of a URL as answers show it, without its secrets: `parse` refuses that."""

_WHOLE: Final = re.compile(PROXY_PATTERN[1:-1], re.ASCII)
_USER: Final = re.compile(rf"[a-z0-9]+://{_WORD}@", re.ASCII)
_FORM: Final = (
    "write it as http://USER:PASSWORD@HOST:PORT or socks5://USER:PASSWORD@HOST:PORT, special characters"
    " of the user and the password as %XX"
)

Scheme = Literal["http", "socks5"]


class InvalidProxy(ValueError):
    """The text names no proxy; the sentence that it has quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """A proxy; `user` and `password` are None where it asks for none. Unless `private`, it has public addresses alone."""

    scheme: Scheme
    host: str
    port: int
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    private: bool = True

    @property
    def url(self) -> str:
        """Its URL, with the user and the password."""
        words = (quote(word or "", safe="") for word in (self.user, self.password))
        return self._with("" if self.user is None else f"{':'.join(words)}@")

    @property
    def shown(self) -> str:
        """Its URL with stars in place of the user and the password."""
        return self._with("" if self.user is None else "***:***@")

    def _with(self, secret: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{secret}{host}:{self.port}"


def parse(url: str, *, private: bool = True) -> ProxyAddress:
    """The proxy that a URL names; `private` is whether it may have a private address. Raises `InvalidProxy`.

    ``socks5h`` is the same as ``socks5``: the proxy resolves names, always.
    """
    if len(url) > MAX_PROXY_URL_CHARACTERS or not _WHOLE.fullmatch(url):
        lacks = _USER.match(url) is not None
        raise InvalidProxy(f"a user needs a password; {_FORM}" if lacks else _FORM)
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets around no address
        raise InvalidProxy(_FORM) from None
    if re.match(SHOWN_PATTERN, url):
        raise InvalidProxy("write its user and its password; answers show stars in their place")
    user, password = _word(parts.username), _word(parts.password)
    scheme: Scheme = "http" if parts.scheme == "http" else "socks5"
    return ProxyAddress(scheme, parts.hostname or "", parts.port or 0, user, password, private)


def shown(url: str | None) -> str | None:
    """The URL without its secrets; of one that cannot be read nothing but that there is one."""
    if url is None:
        return None
    try:
        return parse(url).shown
    except InvalidProxy:
        return "***"


def _word(text: str | None) -> str | None:
    """A user or a password, decoded. Raises `InvalidProxy`."""
    word = None if text is None else unquote(text)
    if word is not None and len(word) > _LONGEST_WORD:
        raise InvalidProxy(f"its user and its password have {_LONGEST_WORD} characters at most")
    return word
