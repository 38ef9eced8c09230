"""Content is the same after it was JSON; what is none is refused without being quoted."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import content
from actors.messages.content import Target, Text, UnknownContent, decode, encode

words = st.text(st.characters(exclude_categories=["Cs"]))
maybe = st.none() | words
targets = st.builds(Target, words, maybe)
mentions = st.none() | st.just("all") | st.lists(words, min_size=1).map(tuple)
scores = st.none() | st.integers(0, 127)
quotes = st.none() | st.builds(content.Quote, targets, maybe, words)
degrees = st.floats(allow_nan=False, allow_infinity=False)
files = st.builds(content.File, words, st.integers(0, 2**40), words, maybe)
previews = st.builds(content.LinkPreview, words, words, maybe, maybe)
kinds = st.one_of(
    st.builds(content.Image, files, maybe, quotes, mentions, scores),
    st.builds(content.Video, files, maybe, st.none() | st.integers(0, 9), quotes, mentions),
    st.builds(content.Audio, files, st.booleans(), st.none() | st.integers(0, 9), quotes),
    st.builds(content.Document, files, maybe, quotes, mentions),
    st.builds(content.Sticker, files, st.booleans(), quotes, scores),
    st.builds(Text, words, quotes, mentions, scores, st.none() | previews),
    st.builds(content.Location, degrees, degrees, maybe, maybe, quotes),
    st.builds(content.Contact, st.lists(st.builds(content.Card, words, words)).map(tuple), quotes),
    st.builds(content.Poll, words, st.lists(words).map(tuple), st.integers(0, 99), maybe, quotes),
    st.builds(content.Reaction, targets, words),
    st.builds(content.Pin, targets, st.sampled_from((0, 86_400))),
    st.builds(content.Star, targets, st.booleans()),
    st.builds(content.Edit, targets, words),
    st.builds(content.Delete, targets),
    st.builds(content.PollVote, targets, st.none() | st.lists(words).map(tuple), maybe),
    st.builds(content.Other, st.just("image"), maybe, quotes),
)


@given(kinds)
def test_each_kind_reads_back(said: content.Content) -> None:
    assert decode(encode(said)) == said


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "[]",
        "7",
        "{}",
        '{"v": 2, "type": "text", "text": "secret"}',
        '{"v": 1, "type": "text"}',
        '{"v": 1, "type": "reaction", "target": "secret", "emoji": ""}',
        '{"v": 1, "type": "of the future", "text": "secret"}',
        '{"v": 1, "type": "contact", "cards": [{"name": "secret"}]}',
    ],
)
def test_what_is_none_is_refused_without_being_quoted(encoded: str) -> None:
    with pytest.raises(UnknownContent) as refused:
        decode(encoded)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        (Text("hi"), True),
        (content.Other("image", "look"), True),
        (Text("hi", content.Quote(Target("A", None))), False),
        (Text("hi", forwarding_score=0), False),
        (Text("hi", mentions=("15550100002@s.whatsapp.net",)), False),
        (content.Delete(Target("A", None)), False),
    ],
)
def test_plain_is_what_type_and_text_say(said: content.Content, plain: bool) -> None:
    assert content.is_plain(said) is plain


def test_the_json_names_its_version_and_leaves_out_what_is_not_there() -> None:
    packed: dict[str, Any] = json.loads(encode(content.Reaction(Target("A", None), "👍")))
    assert packed == {"v": 1, "type": "reaction", "target": {"message_id": "A"}, "emoji": "👍"}


def test_content_needs_no_pydantic() -> None:
    """Limits of sends are the gateway's: a connection's process holds content without them."""
    script = "import sys, actors.messages.content; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
