"""Finds the link in a text, and title, description and picture in the beginning of a page (pure).

The page is anybody's: the part that is read is bounded in characters and in tags.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from gateway.acceptance.page_charsets import codec_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_IMAGE_URL: Final = 2048
TITLE_LENGTH, DESCRIPTION_LENGTH = 200, 400
"""Characters that are kept of each."""

MAX_TAGS: Final = 200
LONGEST_TAG: Final = 4096

_LINK: Final = re.compile(rf"\bhttps?://[^\s<>\"`]{{1,{MAX_IMAGE_URL}}}", re.IGNORECASE)
_AFTER: Final = ".,:;!?'*_~]}»\u201d\u2019"
_META: Final = re.compile(r"<meta\s", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title[^<>]{0,200}>([^<]{0,2000})", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(
    r"""([a-z:_-]{1,40})\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+))""", re.IGNORECASE
)
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PageDescription:
    """Title, description and the address of a picture, as a page has them."""

    title: str
    description: str | None
    picture: str | None


def link_in(text: str) -> str | None:
    """The first link of a text as it is written there; None without one."""
    found = _LINK.search(text)
    if found is None:
        return None
    link = found[0].rstrip(_AFTER)
    if link.endswith(")") and "(" not in link:
        link = link.rstrip(")").rstrip(_AFTER)
    return link if len(link) > len("https://") else None


def decoded(page: bytes, mime: str | None) -> str:
    """The page as text, by the character set that its type or its beginning names."""
    head = page[:1024].decode("latin-1")
    named = _CHARSET.search(mime or "") or _CHARSET.search(head)
    return page.decode("utf-8" if named is None else codec_of(named[1]), "replace")


def described(page: str, address: str) -> PageDescription | None:
    """The description in the page of this address; None where it has no title."""
    metas = dict(_metas(page))
    heading = _TITLE.search(page)
    title = metas.get("og:title") or metas.get("twitter:title") or (heading[1] if heading else "")
    title = _line(title, TITLE_LENGTH)
    if not title:
        return None
    words = (
        metas.get("og:description") or metas.get("description") or metas.get("twitter:description")
    )
    picture = (
        metas.get("og:image:secure_url") or metas.get("og:image") or metas.get("twitter:image")
    )
    return PageDescription(
        title, _line(words or "", DESCRIPTION_LENGTH) or None, _absolute(address, picture)
    )


def _metas(page: str) -> Iterator[tuple[str, str]]:
    """Names and values of its tags `meta`, the first of a name last."""
    found = []
    for number, tag in enumerate(_META.finditer(page)):
        if number == MAX_TAGS:
            break
        written = page[tag.end() : tag.end() + LONGEST_TAG]
        fields: dict[str, str] = {}
        at = 0
        while (part := _ATTRIBUTE.match(written, _skipped(written, at))) is not None:
            fields.setdefault(part[1].lower(), part[2] or part[3] or part[4] or "")
            at = part.end()
        name = fields.get("property") or fields.get("name") or ""
        if name and "content" in fields:
            found.append((name.lower(), unescape(fields["content"])))
    yield from reversed(found)


def _skipped(written: str, at: int) -> int:
    while at < len(written) and written[at].isspace():
        at += 1
    return at


def _line(words: str, longest: int) -> str:
    """On one line, without control characters, and not longer."""
    kept = "".join(each if each.isprintable() else " " for each in unescape(words[: 4 * longest]))
    line = " ".join(kept.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _absolute(address: str, picture: str | None) -> str | None:
    if not picture:
        return None
    try:
        found = urljoin(address, picture.strip())
    except ValueError:
        return None
    return found if found.lower().startswith(("http://", "https://")) else None
