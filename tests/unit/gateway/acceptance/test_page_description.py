"""Links in texts, and descriptions in pages, whatever these are."""

from __future__ import annotations

import pytest

from gateway.acceptance.page_charsets import codec_of
from gateway.acceptance.page_description import (
    DESCRIPTION_LENGTH,
    TITLE_LENGTH,
    PageDescription,
    decoded,
    described,
    link_in,
)

PAGE = "https://shop.example/tea/green"


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("no link here", None),
        ("https://", None),
        ("see https://shop.example/tea?a=1&b=2.", "https://shop.example/tea?a=1&b=2"),
        ("(https://shop.example/a_(b))", "https://shop.example/a_(b))"),
        ("(https://shop.example/a)", "https://shop.example/a"),
        ("*HTTP://shop.example*, https://b.example", "HTTP://shop.example"),
        ("ftp://shop.example xhttps://shop.example", None),
    ],
)
def test_the_first_link_of_a_text(text: str, link: str | None) -> None:
    assert link_in(text) == link


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("", None),
        ("<title> </title>", None),
        ("<title>Tea &amp;\n  more</title>", PageDescription("Tea & more", None, None)),
        (
            (
                "<META content='Green' property=og:title><meta name=description content=\"D\">\n<title>T</title>"
                "<meta property='og:image' content='/a.jpg'>"
            ),
            PageDescription("Green", "D", "https://shop.example/a.jpg"),
        ),
        (
            '<meta property="og:title" content="first"/><meta property="og:title" content="second">',
            PageDescription("first", None, None),
        ),
        (
            "<title>T</title><meta property=og:image content=javascript:alert(1)>",
            PageDescription("T", None, None),
        ),
        (
            f"<title>{'t' * 999}</title><meta name=description content='{'d' * 999}'>",
            PageDescription(
                "t" * (TITLE_LENGTH - 1) + "…", "d" * (DESCRIPTION_LENGTH - 1) + "…", None
            ),
        ),
        ("<title>a\x00b\u202ec</title>", PageDescription("a b c", None, None)),
    ],
)
def test_a_page_says_what_it_is(page: str, expected: PageDescription | None) -> None:
    assert described(page, PAGE) == expected


def test_a_page_has_its_character_set() -> None:
    assert decoded("é".encode("latin-1"), "text/html; charset=ISO-8859-1") == "é"
    assert decoded(b"<meta charset='latin-1'>\xe9", None).endswith("é")
    assert decoded("é".encode(), "text/html; charset=none-such") == "é"
    assert decoded(b"\xff", None) == "\ufffd"


@pytest.mark.parametrize(
    "name",
    ["punycode", "idna", "undefined", "utf-7", "unicode_escape", "base64", "zip", "rot13", "mbcs"],
)
def test_a_page_in_what_is_no_character_set_is_utf_8(name: str) -> None:
    """Python has each but the last as a codec; some raise, and some take time with the square of the page."""
    page = "é+AOk- \\xe9"
    assert decoded(page.encode(), f"text/html; charset={name}") == page
    assert decoded(f"<meta charset={name}>{page}".encode(), None).endswith(page)


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("Shift_JIS", "cp932"),
        ("windows-31j", "cp932"),
        ("EUC-KR", "cp949"),
        ("GB2312", "gb18030"),
        ("big5", "big5hkscs"),
        ("iso-8859-1", "cp1252"),
        ("UTF-16", "utf-16-le"),
        ("KOI8-R", "koi8-r"),
        ("x-mac-cyrillic", "mac-cyrillic"),
        ("utf8", "utf-8"),
    ],
)
def test_labels_are_those_of_browsers(label: str, codec: str) -> None:
    assert codec_of(label) == codec


@pytest.mark.parametrize("label", ["l2", "csbig5", "cyrillic", "sjis", "logical", "utf-16be"])
def test_each_character_set_takes_any_bytes(label: str) -> None:
    page = bytes(range(256)) * 4
    assert decoded(page, f"text/html; charset={label}") == page.decode(codec_of(label), "replace")


@pytest.mark.parametrize("page", ["<meta " * 80_000, "<title" * 80_000, "<meta a=" + '"' * 500_000])
def test_a_page_that_is_made_to_be_slow_has_an_end(page: str) -> None:
    assert described(page, PAGE) is None
