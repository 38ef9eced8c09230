"""Implements `teimoso send`: builds a send request from the arguments and options, and posts the request to the API."""

# ruff: noqa: PLC0415
# Heavy modules wait until their command runs.

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from gateway.cli.confirmation import confirm
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
    yes: bool = False
    """Whether a message may be taken back unasked."""


def headers(arguments: SendArguments) -> dict[str, str]:
    """The request's headers. Raises `typer.BadParameter` for a name that no header can have."""
    if arguments.once is None:
        return {}
    if not (
        arguments.once.isascii()
        and arguments.once.isprintable()
        and arguments.once.strip() == arguments.once != ""
    ):
        raise typer.BadParameter("Give --once letters, digits and signs of ASCII: order-17, say.")
    return {"Idempotency-Key": arguments.once}


def body(arguments: SendArguments) -> dict[str, Any]:
    """The request's body. Raises `typer.BadParameter` for what no message can be made of."""
    kinds = {
        "--react": arguments.react,
        "--forward": arguments.forward,
        "--edit": arguments.edit,
        "--delete": arguments.delete,
        "--location": arguments.location,
        "--contact": arguments.contact,
        "--vote": arguments.vote,
        "--file": arguments.file,
        "--option": None if arguments.vote is not None else arguments.options or None,
    }
    given = [name for name, value in kinds.items() if value is not None]
    if len(given) > 1:
        raise typer.BadParameter(f"{given[0]} and {given[1]} are two kinds of message: give one.")
    if arguments.choices is not None and given != ["--option"]:
        raise typer.BadParameter("--choices is for a poll: give its options with --option.")
    if (arguments.kind is not None or arguments.voice) and given != ["--file"]:
        raise typer.BadParameter("--type and --voice are for a file: name it with --file.")
    made: dict[str, Any] = {"connection": arguments.connection, "to": arguments.to}
    made |= _mentions(arguments, given)
    if given and given[0] in {"--react", "--edit", "--delete", "--vote"}:
        if arguments.priority is not None or arguments.reply_to is not None:
            raise typer.BadParameter(f"{given[0]} takes neither --priority nor --reply-to.")
        return made | _change(arguments, given[0])
    if arguments.priority is not None:
        made["priority"] = arguments.priority
    if arguments.reply_to is not None:
        made["reply_to"] = arguments.reply_to
    return made | _standing(arguments, given[0] if given else None)


def _mentions(arguments: SendArguments, given: Sequence[str]) -> dict[str, Any]:
    if not arguments.mentions:
        return {}
    if given not in ([], ["--file"]):
        raise typer.BadParameter("--mention is for a text, also one beneath a file.")
    named = list(arguments.mentions)
    return {"mentions": "all" if named == ["all"] else named}


def _change(arguments: SendArguments, kind: str) -> dict[str, Any]:
    if kind == "--react":
        return {"type": "reaction", "message": arguments.react, "emoji": arguments.text or ""}
    if kind == "--edit":
        return {
            "type": "edit",
            "message": arguments.edit,
            "text": _needed(arguments, "its new text"),
        }
    if arguments.text is not None:
        raise typer.BadParameter(f"{kind} takes no TEXT.")
    if kind == "--vote":
        return {"type": "poll_vote", "message": arguments.vote, "options": list(arguments.options)}
    return {"type": "delete", "message": arguments.delete}


def _standing(arguments: SendArguments, kind: str | None) -> dict[str, Any]:
    if kind == "--forward":
        if arguments.text is not None or arguments.reply_to is not None:
            raise typer.BadParameter("--forward takes neither TEXT nor --reply-to.")
        return {}
    if kind == "--location":
        latitude, longitude = _place(arguments.location or "")
        name = {} if arguments.text is None else {"name": arguments.text}
        return {"type": "location", "latitude": latitude, "longitude": longitude, **name}
    if kind == "--contact":
        person = _needed(arguments, "the contact's name")
        return {"type": "contact", "contacts": [{"name": person, "phone": arguments.contact}]}
    if kind == "--option":
        question = _needed(arguments, "the question")
        choices = {} if arguments.choices is None else {"choices": arguments.choices}
        return {"type": "poll", "question": question, "options": list(arguments.options), **choices}
    if kind == "--file":
        return _file(arguments)
    return {"type": "text", "text": _needed(arguments, "what it says")}


def _file(arguments: SendArguments) -> dict[str, Any]:
    """All but the file itself, which has to be uploaded first."""
    assert arguments.file is not None
    mime = mime_of(arguments.file)
    kind = arguments.kind or ("audio" if arguments.voice else kind_of(mime))
    if kind not in FILE_KINDS:
        raise typer.BadParameter(f"--type is one of {', '.join(FILE_KINDS)}.")
    if arguments.voice and kind != "audio":
        raise typer.BadParameter("--voice is for sound.")
    made: dict[str, Any] = {"type": kind}
    if arguments.text is not None:
        if kind in {"audio", "sticker"}:
            raise typer.BadParameter(f"A message of the type {kind} takes no TEXT.")
        made["caption"] = arguments.text
    if kind == "document":
        made["name"] = arguments.file.name
    return made | ({"voice": True} if arguments.voice else {})


def _needed(arguments: SendArguments, what: str) -> str:
    if arguments.text is None:
        raise typer.BadParameter(f"TEXT is missing: {what}.")
    return arguments.text


def _place(written: str) -> tuple[float, float]:
    parts = written.split(",")
    try:
        latitude, longitude = (float(part) for part in parts)
    except ValueError:
        latitude = longitude = math.nan
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        raise typer.BadParameter("Write a location as LATITUDE,LONGITUDE in degrees.")
    return latitude, longitude


def run(
    data: Path, key: str | None, arguments: SendArguments, *, wait: float, as_json: bool
) -> None:
    """Send it and print what became of it.

    Ends with status 1 and the reason on stderr if it was refused, or with `wait` not sent in so many seconds.
    """
    from gateway.cli.api_client import Api, end_with_refusal, segment
    from gateway.cli.output import console, plain, refuse

    made, named = body(arguments), headers(arguments)
    if arguments.delete is not None:
        lost = ["its words, for everyone in the conversation"]
        confirm(f"Taking back {arguments.delete}", lost, yes=arguments.yes)
    with Api(data, key) as api:
        if arguments.file is not None:
            made["media"] = {"sha256": upload(api, arguments.file)["sha256"]}
        params = {"wait": wait} if wait else None
        path = "/api/messages"
        if arguments.forward is not None:
            path = f"{path}/{segment(arguments.forward)}/forward"
        answer = api.raw("POST", path, json=made, params=params, headers=named)
    message = answer.json() if answer.is_success else ended(answer)
    if message is None:
        end_with_refusal(answer)
    if as_json:
        plain(message)
    else:
        console().print(f"{message['status']}  {message['id']}")
    if not answer.is_success:
        end_with_refusal(answer)
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
