"""Texts, names, pages and lines of logs that are made to be dear or to break what shows them."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 65_500
"""Characters: about as many as WhatsApp lets a text have."""


def _long(part: str) -> str:
    return (part * (LONGEST // len(part) + 1))[:LONGEST]


TEXTS: Final = {
    "marks": "a" + _long("\u0301\u0323"),
    "many marks": _long("".join(chr(0x300 + number * 37 % 0x70) for number in range(0x70))),
    "starters that become marks": _long("\u0f81"),
    "letters that become many": _long("\ufdfa"),
    "emoji": _long("\U0001f600"),
    "one word": _long("A"),
    "bold": _long("*a*"),
    "bold words": _long("*a* "),
    "open marks": _long("*_~"),
    "nested": _long("*_~a~_*"),
    "backticks": _long("`"),
    "code": _long("```a"),
    "code that is open": "```\n" + _long("a\n"),
    "quotes": _long("> *a*\n"),
    "lists": _long("* a\n1. b\n"),
    "lines": _long("\n"),
    "carriage returns": _long("\r"),
    "every kind of line": _long("\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\r\n"),
    "markup": _long("<script>\"'&"),
    "quotation marks": _long('"'),
    "one link": "https://" + _long("a/"),
    "links": _long("http://a/ "),
    "half links": _long("https://"),
    "links with brackets": _long("http://[a]@b) "),
    "mentions": _long("@15550100002 "),
    "digits": "@" + _long("1"),
    "controls": _long("".join(map(chr, range(32)))),
    "directions": _long("\u202e\u202d\u2066\u2069\u200f"),
    "templates": _long("{{ 7 * 7 }}{% raw %}"),
    "entities": _long("&#x41;&amp;&#99999999999;"),
    "no characters": _long("\ufffe\uffff\U0010ffff"),
}
"""Each as long as a text may be."""

NAMES: Final = {name: text[:300] for name, text in TEXTS.items()}

SENDABLE: Final = {
    name: text
    for name, text in TEXTS.items()
    if name not in {"lines", "carriage returns", "every kind of line", "controls"}
}
"""Those that the API takes, as they have no control characters, and more than white space."""

CHARSETS: Final = (
    *("punycode", "idna", "utf-7", "undefined", "unicode_escape", "raw_unicode_escape", "base64"),
    *("zip", "bz2", "rot13", "hex", "uu", "quopri", "utf-16", "utf-32", "iso-2022-jp", "hz"),
    *("gb18030", "big5", "euc-kr", "cp932", "none-such", "a" * 40, "\u00e9"),
)

PAGES: Final = {
    "metas": b"<meta " * 87_000,
    "titles": b"<title" * 87_000,
    "long title": b"<title>" + b"a" * 500_000,
    "attributes": b"<meta " + b"a=b " * 130_000,
    "open attribute": b'<meta property="' + b"a" * 500_000,
    "entities": b"<title>" + b"&#x1D11E;&NotEqualTilde;&#999999999999;" * 13_000,
    "marks": b"<title>a" + "\u0301\u0323".encode() * 120_000,
    "cut off": b'<title>Tea</title><meta property="og:image" content="http://[',
    "no image": b"<title>Tea</title><meta property=og:image content='http://[::1/%00\\'>",
    "halves": b"<title>\xed\xa0\x80\xf4\x90\x80\x80</title>",
    "any bytes": bytes(range(256)) * 2000,
    "nothing": b"",
}

LOG_LINES: Final = (
    '{"event": "\\ud800", "action": "\\udfff"}',
    '{"event": ["a"], "action": {"b": 1}, "level": [], "timestamp": {}, "by": 7}',
    '{"event": "e", "connection": ["shop"], "count": ' + "9" * 4000 + "}",
    '{"event": "e", "count": ' + "9" * 5000 + ', "more": 1e999, "none": NaN}',
    "[" * 50_000,
    '{"event": ' * 5_000,
    '{"event": "' + "*log*" * 12_000 + '"}',
    '{"event": "' + "\u0302\u0324" * 20_000 + '"}',
    '{"' + "n" * 20_000 + '": "\u2028<script>\\u0000"}',
    "\x00\x1b[31m\x85\u2029",
    "no JSON",
    "",
)
