"""Implements `teimoso events`: prints one line for each event of the API's event stream, until Ctrl-C."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx

from gateway.cli import output
from gateway.cli.api_client import Api, end_with_refusal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RETRY_PAUSE = 1.0
"""Seconds until it comes again where the stream was cut."""

STREAM_SILENCE_SECONDS = 60.0
"""Seconds without a sign of life after which the stream counts as cut."""


def follow(data: Path, key: str | None, query: dict[str, Any], as_json: bool) -> None:
    """Each event once, also where the gateway is restarted meanwhile.

    Ends the command where the stream cannot begin.
    """
    last, begun = query.pop("after"), False
    given = {name: value for name, value in query.items() if value is not None}
    with Api(data, key) as api:
        while True:
            headers = {} if last is None else {"Last-Event-ID": str(last)}
            try:
                with api.follow("/api/events", given, headers, STREAM_SILENCE_SECONDS) as answer:
                    if not answer.is_success:
                        answer.read()
                        if not begun or answer.status_code < 500:
                            end_with_refusal(answer)
                    else:
                        begun = True
                        for block in _blocks(answer.iter_lines()):
                            last = block.get("id", last)
                            if "data" in block:
                                _show(block["event"], block["data"], as_json)
            except httpx.TransportError:
                if not begun:
                    output.refuse(api.absent)
            time.sleep(RETRY_PAUSE)


def _blocks(lines: Iterable[str]) -> Iterable[dict[str, str]]:
    block: dict[str, str] = {}
    for line in lines:
        if not line:
            yield block
            block = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            block[name] = value


def _show(kind: str, data: str, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(f"{data}\n")
        sys.stdout.flush()
        return
    event = json.loads(data)
    if kind == "gap":
        output.console().print(f"Events {event['after'] + 1} to {event['before'] - 1} are gone.")
        return
    about = event["data"].get("id") or ""
    words = (event["timestamp"], kind, event["connection"] or "", about, _gist(kind, event["data"]))
    output.console().print("  ".join(output.safe(str(word)) for word in words if word))


def _name(data: dict[str, Any], address: str) -> str:
    """The name of the person who did it; their address where there is none, and of events of an older gateway."""
    return (data.get("author") or {}).get("name") or address


def _of_message(kind: str, data: dict[str, Any]) -> str | None:
    if kind == "message.received":
        words = data["text"] or data["type"]
        where = (
            f" in {data.get('chat_name') or data['chat']}" if data["chat"].endswith("@g.us") else ""
        )
        return f"{_name(data, data['sender'])}{where}: {words}"
    if kind == "message.changed":
        who = _name(data, data["by"])
        return f"{who}: {data['change']} {data['emoji'] or data['text'] or ''}".strip()
    if kind == "message.media":
        media = data["media"]
        who = _name(data, data["chat"])
        return f"{who}: {data['type']} {media['state']} {media['error'] or ''}".strip()
    return None


def _of_chat(kind: str, data: dict[str, Any]) -> str | None:
    if kind == "chat.renamed":
        return f"{data['former']} is {data['chat']}"
    if kind == "chat.updated":
        flags = [name for name in ("archived", "pinned", "muted", "unread") if data[name]]
        return " ".join((data["chat"], *flags))
    if kind == "group.participants":
        people = ", ".join(_name({"author": each}, each["address"]) for each in data["people"])
        return f"{data['chat']} {data['change']} {people}"
    if kind == "group.updated":
        return f"{data['chat']} {data['setting']}"
    return None


def _gist(kind: str, data: dict[str, Any]) -> str:
    if (of_message := _of_message(kind, data)) is not None:
        return of_message
    if kind == "connection.qr":
        return f"{data['kind']} {data['number']} until {data['expires_at']}"
    if kind == "connection.passkey":
        return f"until {data['expires_at']}"
    if kind == "call.received":
        return f"{data['state']} {_name(data, data['caller'])}"
    if kind == "contact.updated":
        return f"{data['address']} {data['name'] or 'no more'}"
    if kind == "contact.picture":
        what = "another picture" if data["picture_id"] else "no picture any more"
        return f"{data['name'] or data['address']}: {what}"
    if (of_chat := _of_chat(kind, data)) is not None:
        return of_chat
    if kind == "connection.state":
        return f"{data['state']} {data['cause'] or ''}".strip()
    return data.get("reason") or data.get("error") or ""
