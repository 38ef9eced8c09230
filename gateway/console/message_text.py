"""Turns the text of a message into HTML: WhatsApp's formatting and links as elements, all else escaped (pure).

Formatting is what WhatsApp's apps show: ``*bold*``, ``_italic_``, ``~struck~``, code in one or three backticks, quotes
(``> ``) and lists (``* ``, ``- ``, ``1. ``). The tags are those of this module, whatever the text is; a link is one of
http or https without a user in it. Of a long text only the beginning is marked up: each character may be an element.
"""

from __future__ import annotations

import re
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_LINK_LENGTH: Final = 2048
MARKED_UP: Final = 4096
"""Characters of a text that may become elements; what follows them is a paragraph as it was written."""

_MAY_BE_MORE: Final = re.compile(r"[*_~`]|://|^(?:[>-]|\d{1,3}\.) ", re.MULTILINE)
"""Found in each text that has a link or formatting."""

_CODE: Final = re.compile(r"\n?```(?P<code>(?:(?!```).)+)```\n?", re.DOTALL)
_LINE: Final = re.compile(r"(?P<quote>> )|(?P<bullet>[*-] )|(?P<number>\d{1,3})\. ", re.ASCII)
_SPAN: Final = re.compile(
    rf"(?P<link>https?://[^\s<>\"`]{{1,{MAX_LINK_LENGTH}}})"
    r"|```(?P<mono>[^`\n]+)```"
    r"|`(?P<code>[^`\n]+)`"
    # A mark stands at the edge of words, as in `*two words*`, not as in `2*3*4`.
    r"|(?<![^\W_])(?P<mark>[*_~])(?!\s)(?P<inner>(?:(?!(?P=mark))[^\n])+)(?<!\s)(?P=mark)(?![^\W_])",
    re.IGNORECASE,
)
_TAGS: Final[Mapping[str, str]] = {"*": "strong", "_": "em", "~": "s"}
_AFTER_A_LINK: Final = ".,:;!?'*_~]}»\u201d\u2019"


def html(text: str) -> str:
    """The text as elements that each have a direction of their own (`dir`)."""
    beginning, rest = _divided(text)
    if _MAY_BE_MORE.search(beginning) is None:
        return _paragraph(escape(text))
    return "".join(_blocks(beginning)) + (_paragraph(escape(rest)) if rest else "")


def _divided(text: str) -> tuple[str, str]:
    """The part that is marked up, of whole lines where it has several, else of whole words; and the rest."""
    if len(text) <= MARKED_UP:
        return text, ""
    for gap in "\n ":
        beginning, found, _ = text[:MARKED_UP].rpartition(gap)
        if found:
            return beginning, text[len(beginning) + 1 :]
    return text[:MARKED_UP], text[MARKED_UP:]


def _blocks(text: str) -> Iterator[str]:
    """Code of several lines, and what is between it."""
    end = 0
    for found in _CODE.finditer(text):
        if "\n" not in found["code"]:
            continue  # it stands within a line
        yield from _lines(text[end : found.start()])
        yield f'<pre dir="auto"><code>{escape(found["code"].strip(chr(10)))}</code></pre>'
        end = found.end()
    yield from _lines(text[end:])


def _lines(text: str) -> Iterator[str]:
    """Quotes, lists and paragraphs: each is of lines that follow one another."""
    if not text:
        return
    for kind, group in groupby(text.split("\n"), _kind):
        lines = list(group)
        if kind == "quote":
            yield f'<blockquote dir="auto">{_spans(chr(10).join(line[2:] for line in lines))}</blockquote>'
        elif kind == "bullet":
            yield f"<ul>{''.join(_item(line[2:]) for line in lines)}</ul>"
        elif kind == "number":
            numbered = (line.partition(". ") for line in lines)
            yield f"<ol>{''.join(_item(rest, number) for number, _, rest in numbered)}</ol>"
        else:
            yield _paragraph(_spans("\n".join(lines)))


def _kind(line: str) -> str | None:
    found = _LINE.match(line)
    return found and found.lastgroup


def _item(text: str, number: str | None = None) -> str:
    value = "" if number is None else f' value="{int(number)}"'
    return f'<li dir="auto"{value}>{_spans(text)}</li>'


def _paragraph(content: str) -> str:
    return f'<p dir="auto">{content}</p>'


def _spans(text: str) -> str:
    """Links and formatting within a line; the marks are gone."""
    made, end = [], 0
    for found in _SPAN.finditer(text):
        made.append(escape(text[end : found.start()]))
        end = found.end()
        if found["link"] is not None:
            made.append(_link(found["link"]))
        elif found["mark"] is not None:
            tag = _TAGS[found["mark"]]
            made.append(f"<{tag}>{_spans(found['inner'])}</{tag}>")
        else:
            made.append(f"<code>{escape(found['mono'] or found['code'])}</code>")
    return "".join(made) + escape(text[end:])


def _link(written: str) -> str:
    """A link to what is written, as far as that is an address; the end of a sentence is no part of it."""
    address = written.rstrip(_AFTER_A_LINK + ("" if "(" in written else ")"))
    if not _is_safe(address):
        return escape(written)
    link = f'<a href="{escape(address)}" target="_blank" rel="noopener" dir="auto">{escape(address)}</a>'
    return link + escape(written[len(address) :])


def _is_safe(address: str) -> bool:
    """Whether it is read as the browser reads it: no user before the host, nothing that cannot be seen."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and "@" not in parts.netloc and "\\" not in address and address.isprintable()
