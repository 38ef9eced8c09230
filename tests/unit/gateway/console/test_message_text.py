"""The text of a message as HTML: WhatsApp's formatting, links, and nothing that runs."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.console.message_text import MARKED_UP, html

LINK = '<a href="{0}" target="_blank" rel="noopener" dir="auto">{0}</a>'
SAFE = {
    "p": {"dir"}, "strong": set(), "em": set(), "s": set(), "code": set(), "pre": {"dir"},
    "blockquote": {"dir"}, "ul": set(), "ol": set(), "li": {"dir", "value"},
    "a": {"href", "target", "rel", "dir"},
}  # fmt: skip


def within(text: str) -> str:
    """The inside of the one paragraph that the text makes."""
    made = html(text)
    assert made.startswith('<p dir="auto">')
    assert made.endswith("</p>")
    return made[len('<p dir="auto">') : -len("</p>")]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("*bold*", "<strong>bold</strong>"),
        ("_italic_", "<em>italic</em>"),
        ("~struck~", "<s>struck</s>"),
        ("```one line```", "<code>one line</code>"),
        ("`code`", "<code>code</code>"),
        ("*all _of_ ~it~*", "<strong>all <em>of</em> <s>it</s></strong>"),
        ("_*both*_", "<em><strong>both</strong></em>"),
        ("(*bold*), then", "(<strong>bold</strong>), then"),
        ("*two* _marks_", "<strong>two</strong> <em>marks</em>"),
        ("`*no*`", "<code>*no*</code>"),
        ("2*3*4", "2*3*4"),
        ("snake_case_name", "snake_case_name"),
        ("*a *", "*a *"),
        ("*a\nb*", "*a\nb*"),
        ("**", "**"),
        ("<b>*x*</b>", "&lt;b&gt;<strong>x</strong>&lt;/b&gt;"),
    ],
)
def test_formatting_within_a_line(text: str, made: str) -> None:
    assert within(text) == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("* a*", '<ul><li dir="auto">a*</li></ul>'),
        ("> asked\n> twice", '<blockquote dir="auto">asked\ntwice</blockquote>'),
        ("- a\n- *b*", '<ul><li dir="auto">a</li><li dir="auto"><strong>b</strong></li></ul>'),
        ("1. a\n7. b", '<ol><li dir="auto" value="1">a</li><li dir="auto" value="7">b</li></ol>'),
        ("say\n* a\nso", '<p dir="auto">say</p><ul><li dir="auto">a</li></ul><p dir="auto">so</p>'),
        ("```\n*a*\n<b>\n```\nit",
         '<pre dir="auto"><code>*a*\n&lt;b&gt;</code></pre><p dir="auto">it</p>'),
        ("plain\n\nlines", '<p dir="auto">plain\n\nlines</p>'),
        (">none\n-none\n1.none", '<p dir="auto">&gt;none\n-none\n1.none</p>'),
    ],
)  # fmt: skip
def test_formatting_of_lines(text: str, made: str) -> None:
    assert html(text) == made


@pytest.mark.parametrize(
    ("text", "address", "rest"),
    [
        ("https://example.com", "https://example.com", ""),
        ("HTTP://example.com/a_b_c*d*", "HTTP://example.com/a_b_c*d", "*"),
        ("https://example.com/a?b=1#c.", "https://example.com/a?b=1#c", "."),
        ("https://example.com/a_(b)", "https://example.com/a_(b)", ""),
        ("https://example.com)", "https://example.com", ")"),
    ],
)
def test_links(text: str, address: str, rest: str) -> None:
    assert within(text) == LINK.format(address) + rest


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.com",
        "https://",
        "https://good.example@bad.example/",
        "https://example.com/\u202egpj.exe",
        "https://example.com\\@bad.example",
        "https://[::1",
    ],
)
def test_no_links(text: str) -> None:
    assert "<a" not in html(text)


@pytest.mark.parametrize(
    ("word", "gap", "marked"), [("*a*", "\n", 1024), ("*a*", " ", 1024), ("*a*,", "", 1024)]
)
def test_of_a_long_text_only_the_beginning_is_marked_up(word: str, gap: str, marked: int) -> None:
    """It ends with a line, else with a word; the rest is plain, and whole."""
    text = gap.join([word] * 15_000)
    made = html(text)
    assert made.count("<strong>") == marked == MARKED_UP // len(word + gap)
    assert made.count(word) == 15_000 - marked
    assert made.count("<p ") == 2


class Elements(HTMLParser):
    """Holds each element to those that are safe, and collects the words."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attrs} <= SAFE[tag]
        if tag == "a":
            assert dict(attrs)["rel"] == "noopener"
            assert str(dict(attrs)["href"]).lower().startswith(("http://", "https://"))

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


MARKS = st.sampled_from(
    ["*", "_", "~", "`", "```", "\n", "> ", "- ", "1. ", " ", "*a*", "<script>", '"', "&", "@",
     "https://a.b/", "javascript:", "\u202e"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(MARKS | st.text(max_size=4), min_size=8, max_size=40).map("".join))
def test_no_text_makes_another_element_or_loses_a_word(text: str) -> None:
    read = Elements()
    read.feed(html(text))
    read.close()
    kept = (each for each in text if each.isalpha())
    assert "".join(kept) == "".join(each for each in read.words if each.isalpha())
