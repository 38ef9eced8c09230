from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli.commands.send import SendArguments, body, headers, pending
from gateway.schemas.content.outbound_messages import NewForward, NewMessage

MINE = "shop.3EB0A1B2C3D4E5F6A7B8C9"


def asked(text: str | None = None, **more: Any) -> SendArguments:
    to = "120363000000000001@g.us" if "mentions" in more else "15550100002"
    return SendArguments("shop", to, text, **more)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (asked("hi", priority=2, reply_to=MINE), "text"),
        (asked("hi", mentions=["all"]), "text"),
        (asked("look", mentions=["15550100003"], file=Path("a.png")), "image"),
        (asked("+", react=MINE), "reaction"),
        (asked(react=MINE), "reaction"),
        (asked("better", edit=MINE), "edit"),
        (asked(delete=MINE), "delete"),
        (asked("Here", location="-23.5,46"), "location"),
        (asked(location="-23.5, 46"), "location"),
        (asked("Ana", contact="15550100003"), "contact"),
        (asked("Tea?", options=["yes", "no"], choices=0), "poll"),
        (asked(vote=MINE, options=["yes"]), "poll_vote"),
        (asked(vote=MINE), "poll_vote"),
        (asked("look", file=Path("a.JPG")), "image"),
        (asked(file=Path("a.mp4")), "video"),
        (asked(file=Path("a.ogg"), voice=True), "audio"),
        (asked("look", file=Path("a.pdf")), "document"),
        (asked(file=Path("a")), "document"),
        (asked(file=Path("a.png"), kind="document"), "document"),
        (asked(file=Path("a.webp"), kind="sticker"), "sticker"),
    ],
)
def test_words_make_a_body_that_is_taken(words: SendArguments, kind: str) -> None:
    made = body(words)
    assert made["type"] == kind
    if words.file is not None:
        made["media"] = {"sha256": "0" * 64}  # what the upload says of it
    NewMessage.model_validate_json(json.dumps(made))


def test_a_forward_names_the_chat() -> None:
    made = body(asked(forward=MINE, priority=2))
    assert made == {"connection": "shop", "to": "15550100002", "priority": 2}
    NewForward.model_validate(made)


def test_whom_words_mention() -> None:
    assert body(asked("hi", mentions=["all"]))["mentions"] == "all"
    assert body(asked("hi", mentions=["15550100003"]))["mentions"] == ["15550100003"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (asked(), "TEXT is missing: what it says."),
        (asked(edit=MINE), "TEXT is missing"),
        (asked(contact="15550100003"), "TEXT is missing: the contact's name."),
        (asked("x", delete=MINE), "takes no TEXT"),
        (asked("x", vote=MINE), "--vote takes no TEXT"),
        (asked(vote=MINE, options=["yes"], choices=1), "--choices is for a poll"),
        (asked(kind="image"), "--type and --voice are for a file"),
        (asked(file=Path("a.png"), kind="fax"), "--type is one of image, video"),
        (asked(file=Path("a.png"), kind="image", voice=True), "--voice is for sound"),
        (asked("x", file=Path("a.ogg")), "takes no TEXT"),
        (asked("x", react=MINE, edit=MINE), "--react and --edit are two kinds"),
        (asked("x", edit=MINE, priority=1), "neither --priority nor --reply-to"),
        (asked("x", forward=MINE), "--forward takes neither TEXT nor --reply-to"),
        (asked(forward=MINE, react=MINE), "--react and --forward are two kinds"),
        (asked("+", react=MINE, mentions=["all"]), "--mention is for a text"),
        (asked("x", choices=1), "--choices is for a poll"),
        (asked(location="here"), "LATITUDE,LONGITUDE"),
        (asked(location="1,2,3"), "LATITUDE,LONGITUDE"),
        (asked(location="nan,0"), "LATITUDE,LONGITUDE"),
        (asked(location="0,-inf"), "LATITUDE,LONGITUDE"),
    ],
)
def test_words_that_make_none(words: SendArguments, sentence: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        body(words)
    assert sentence in str(refused.value)


def test_a_name_is_the_key_of_the_request() -> None:
    assert headers(asked("hi")) == {}
    assert headers(asked("hi", once="order-17")) == {"Idempotency-Key": "order-17"}


@pytest.mark.parametrize("name", ["", " ", "order 17 ", "café", "a\nb"])
def test_names_that_no_header_can_have(name: str) -> None:
    with pytest.raises(typer.BadParameter, match="--once"):
        headers(asked("hi", once=name))


def test_a_message_that_still_waits_names_the_reason_of_its_last_attempt() -> None:
    later = "It was not sent in 2.5 s, and will be as soon as it can."
    assert pending({"error": None}, 2.5) == later
    assert pending({"error": "ack_timeout"}, 2.5).startswith(f"{later} WhatsApp did not ack")
    assert pending({"error": "request_failed_503"}, 2.5) == f"{later} Request failed 503."
