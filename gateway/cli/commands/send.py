"""Implements `teimoso send`: builds a send request from the arguments and options, and posts the request to the API."""

# ruff: noqa: PLC0415
# Heavy modules wait until their command runs.

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from gateway.cli.file_transfer import FILE_KINDS, kind_of, mime_of, upload
from gateway.schemas.texts import error_texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from httpx import Response

ACCEPTED = 202
"""The HTTP status of a message that is on disk and not sent yet."""


@dataclass(frozen=True, slots=True)
class SendArguments:
    """The arguments and options of one call; at most one of those that name a kind is given."""

    connection: str
    to: str
    text: str | None
    priority: int | None = None
    reply_to: str | None = None
    react: str | None = None
    forward: str | None = None
    mentions: Sequence[str] = ()
    edit: str | None = None
    delete: str | None = None
    location: str | None = None
    contact: str | None = None
    vote: str | None = None
    options: Sequence[str] = ()
    choices: int | None = None
    file: Path | None = None
    kind: str | None = None
    voice: bool = False
    once: str | None = None
    """The `Idempotency-Key`."""


def headers(asked: SendArguments) -> dict[str, str]:
    """The request's headers. Raises `typer.BadParameter` for a name that no header can have."""
    if asked.once is None:
        return {}
    if not (
        asked.once.isascii() and asked.once.isprintable() and asked.once.strip() == asked.once != ""
    ):
        raise typer.BadParameter("Give --once letters, digits and signs of ASCII: order-17, say.")
    return {"Idempotency-Key": asked.once}


def body(asked: SendArguments) -> dict[str, Any]:
    """The request's body. Raises `typer.BadParameter` for what no message can be made of."""
    kinds = {
        "--react": asked.react,
        "--forward": asked.forward,
        "--edit": asked.edit,
        "--delete": asked.delete,
        "--location": asked.location,
        "--contact": asked.contact,
        "--vote": asked.vote,
        "--file": asked.file,
        "--option": None if asked.vote is not None else asked.options or None,
    }
    given = [name for name, value in kinds.items() if value is not None]
    if len(given) > 1:
        raise typer.BadParameter(f"{given[0]} and {given[1]} are two kinds of message: give one.")
    if asked.choices is not None and given != ["--option"]:
        raise typer.BadParameter("--choices is for a poll: give its options with --option.")
    if (asked.kind is not None or asked.voice) and given != ["--file"]:
        raise typer.BadParameter("--type and --voice are for a file: name it with --file.")
    made: dict[str, Any] = {"connection": asked.connection, "to": asked.to}
    made |= _mentions(asked, given)
    if given and given[0] in {"--react", "--edit", "--delete", "--vote"}:
        if asked.priority is not None or asked.reply_to is not None:
            raise typer.BadParameter(f"{given[0]} takes neither --priority nor --reply-to.")
        return made | _change(asked, given[0])
    if asked.priority is not None:
        made["priority"] = asked.priority
    if asked.reply_to is not None:
        made["reply_to"] = asked.reply_to
    return made | _standing(asked, given[0] if given else None)


def _mentions(asked: SendArguments, given: Sequence[str]) -> dict[str, Any]:
    if not asked.mentions:
        return {}
    if given not in ([], ["--file"]):
        raise typer.BadParameter("--mention is for a text, also one beneath a file.")
    named = list(asked.mentions)
    return {"mentions": "all" if named == ["all"] else named}


def _change(asked: SendArguments, kind: str) -> dict[str, Any]:
    if kind == "--react":
        return {"type": "reaction", "message": asked.react, "emoji": asked.text or ""}
    if kind == "--edit":
        return {"type": "edit", "message": asked.edit, "text": _needed(asked, "its new text")}
    if asked.text is not None:
        raise typer.BadParameter(f"{kind} takes no TEXT.")
    if kind == "--vote":
        return {"type": "poll_vote", "message": asked.vote, "options": list(asked.options)}
    return {"type": "delete", "message": asked.delete}


def _standing(asked: SendArguments, kind: str | None) -> dict[str, Any]:
    if kind == "--forward":
        if asked.text is not None or asked.reply_to is not None:
            raise typer.BadParameter("--forward takes neither TEXT nor --reply-to.")
        return {}
    if kind == "--location":
        latitude, longitude = _place(asked.location or "")
        name = {} if asked.text is None else {"name": asked.text}
        return {"type": "location", "latitude": latitude, "longitude": longitude, **name}
    if kind == "--contact":
        person = _needed(asked, "the contact's name")
        return {"type": "contact", "contacts": [{"name": person, "phone": asked.contact}]}
    if kind == "--option":
        question = _needed(asked, "the question")
        choices = {} if asked.choices is None else {"choices": asked.choices}
        return {"type": "poll", "question": question, "options": list(asked.options), **choices}
    if kind == "--file":
        return _file(asked)
    return {"type": "text", "text": _needed(asked, "what it says")}


def _file(asked: SendArguments) -> dict[str, Any]:
    """All but the file itself, which has to be uploaded first."""
    assert asked.file is not None
    mime = mime_of(asked.file)
    kind = asked.kind or ("audio" if asked.voice else kind_of(mime))
    if kind not in FILE_KINDS:
        raise typer.BadParameter(f"--type is one of {', '.join(FILE_KINDS)}.")
    if asked.voice and kind != "audio":
        raise typer.BadParameter("--voice is for sound.")
    made: dict[str, Any] = {"type": kind}
    if asked.text is not None:
        if kind in {"audio", "sticker"}:
            raise typer.BadParameter(f"A message of the type {kind} takes no TEXT.")
        made["caption"] = asked.text
    if kind == "document":
        made["name"] = asked.file.name
    return made | ({"voice": True} if asked.voice else {})


def _needed(asked: SendArguments, what: str) -> str:
    if asked.text is None:
        raise typer.BadParameter(f"TEXT is missing: {what}.")
    return asked.text


def _place(written: str) -> tuple[float, float]:
    parts = written.split(",")
    try:
        latitude, longitude = (float(part) for part in parts)
    except ValueError:
        latitude = longitude = math.nan
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        raise typer.BadParameter("Write a location as LATITUDE,LONGITUDE in degrees.")
    return latitude, longitude


def run(data: Path, key: str | None, asked: SendArguments, *, wait: float, as_json: bool) -> None:
    """Send it and print what became of it.

    Ends with status 1 and the reason on stderr if it was refused, or with `wait` not sent in so many seconds.
    """
    from gateway.cli.api_client import Api, refusal, segment
    from gateway.cli.output import console, plain, refuse

    made, named = body(asked), headers(asked)
    with Api(data, key) as api:
        if asked.file is not None:
            made["media"] = {"sha256": upload(api, asked.file)["sha256"]}
        params = {"wait": wait} if wait else None
        path = "/api/messages"
        if asked.forward is not None:
            path = f"{path}/{segment(asked.forward)}/forward"
        answer = api.raw("POST", path, json=made, params=params, headers=named)
    message = answer.json() if answer.is_success else ended(answer)
    if message is None:
        refusal(answer)
    if as_json:
        plain(message)
    else:
        console().print(f"{message['status']}  {message['id']}")
    if not answer.is_success:
        refusal(answer)
    if wait and answer.status_code == ACCEPTED:
        refuse(pending(message, wait))


def ended(answer: Response) -> dict[str, Any] | None:
    """The message of a refusal that says how it ended; None of any other refusal."""
    try:
        problem = answer.json()
    except ValueError:
        return None
    message = problem.get("message") if isinstance(problem, dict) else None
    return message if isinstance(message, dict) else None


def pending(message: dict[str, Any], wait: float) -> str:
    """The sentence for a message that is accepted and was not sent in `wait` seconds."""
    error = message["error"]
    reason = "" if error is None else f" {error_texts.sentence(error)}"
    return f"It was not sent in {wait:g} s, and will be as soon as it can.{reason}"
