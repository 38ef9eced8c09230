"""Implements `teimoso simulate …` commands for server rules, versions, unanswered stanzas and numbers' properties."""

# ruff: noqa: PLC0415
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.options import DATA, Data, Json, Number, directory
from gateway.cli.simulate.simulate import control_port, report

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer()

_SWITCH = {"on": True, "off": False, "default": None}


@app.command()
def unanswered(
    number: Annotated[
        str | None, typer.Argument(metavar="NUMBER", help="The account; all without it.")
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Show what linked devices did not answer: in time, or not yet."""
    query = {} if number is None else {"account": number}
    with control_port(directory(data)) as control:
        answer = control.get("/unanswered", query)
    if as_json:
        output.plain(answer)
        return
    items = [
        {
            **one,
            "state": state,
            "seconds": round(one["seconds"]),
            "wrong": "; ".join(one["wrong"]),
        }
        for state in ("late", "open")
        for one in answer[state]
    ]
    columns = ("account", "device", "kind", "id", "state", "seconds", "wrong")
    empty = "Every stanza that arrived was answered."
    output.show({"items": items}, columns, as_json=False, empty=empty)


@app.command()
def rules(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NUMBER] [NAME=on|off|default]...",
            help="An account, and the rules to switch for it; for all accounts without one.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Show the rules that can be switched, or switch them."""
    from gateway.cli.api_client import segment

    given = list(words or ())
    number = given.pop(0) if given and "=" not in given[0] else None
    path = "/rules" if number is None else f"/accounts/{segment(number)}/rules"
    switched = dict(map(_switch, given))
    with control_port(directory(data)) as control:
        answer = control.post(path, switched) if switched else control.get(path)
    if as_json:
        output.plain(answer)
        return
    rows = [(name, "on" if on else "off") for name, on in answer.items()]
    output.table(("rule", "state"), rows, "There is no rule to switch.")


Changes = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME=VALUE]...", help="Properties to change; JSON, or a word."),
]


@app.command()
def account(
    number: Number, changes: Changes = None, data: Data = DATA, as_json: Json = False
) -> None:
    """Show an account's properties and the remarks on it, or change the properties."""
    _properties("accounts", number, changes, data, as_json=as_json)


@app.command()
def contact(
    number: Number,
    changes: Changes = None,
    hosted: Annotated[
        bool, typer.Option("--hosted", help="Link a device that Meta's servers run.")
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Show how a contact behaves, or change it."""
    _properties("contacts", number, changes, data, hosted=hosted, as_json=as_json)


def _properties(
    kind: str,
    number: str,
    changes: list[str] | None,
    data: Path,
    *,
    as_json: bool,
    hosted: bool = False,
) -> None:
    from gateway.cli.api_client import segment

    path, changed = f"/{kind}/{segment(number)}", dict(map(_change, changes or ()))
    with control_port(directory(data)) as control:
        if hosted:
            control.post(f"{path}/devices", {"hosted": True})
        answer = control.post(path, changed) if changed else control.get(path)
    if as_json:
        output.plain(answer)
        return
    counts = {"remarks": "remark", "refused": "refused with"}
    rows = [(name, value) for name, value in answer.items() if not isinstance(value, list | dict)]
    for name, word in counts.items():
        rows += [(f"{word}: {what}", count) for what, count in answer.get(name, {}).items()]
    output.table(("property", ""), rows, "")


@app.command()
def timer(
    number: Number,
    to: Annotated[str, typer.Argument(metavar="TO", help="The account's phone number.")],
    seconds: Annotated[
        int, typer.Argument(metavar="SECONDS", help="After how long messages disappear; 0: never.")
    ],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Have a contact set after how long messages of the chat with an account disappear."""
    from gateway.cli.api_client import segment

    body = {"to": to, "type": "timer", "seconds": seconds}
    with control_port(directory(data)) as control:
        answer = control.post(f"/contacts/{segment(number)}/say", body)
    report(answer, f"{number} set it in the chat with {to}.", as_json=as_json)


@app.command()
def settings(
    number: Number,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TYPE NAME=VALUE...]",
            help="Change by the phone's owner, such as `mute chat=15550100062 muted=false`.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Show the settings that an account's phone and linked devices share, or change one."""
    from gateway.cli.api_client import segment

    path, given = f"/phones/{segment(number)}/app-state", list(words or ())
    with control_port(directory(data)) as control:
        if given:
            control.post(path, {"type": given[0], **dict(map(_setting, given[1:]))})
        answer = control.get(path)
    if as_json:
        output.plain(answer)
        return
    listed = ("type", "chat", "collection", "index", "at")
    rows = [
        (
            one["type"],
            one.get("chat", ""),
            ", ".join(f"{name}={value}" for name, value in one.items() if name not in listed),
        )
        for one in answer["settings"]
    ]
    output.table(("setting", "chat", ""), rows, "Nothing is set: no device was linked yet.")


@app.command()
def migrate(
    number: Number,
    contacts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONTACT]...", help="Contacts whose LIDs the phone tells its devices."
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Have an account's direct chats named by LID, as those of a new one are."""
    from gateway.cli.api_client import segment

    path = f"/accounts/{segment(number)}/migrate"
    with control_port(directory(data)) as control:
        answer = control.post(path, {"contacts": contacts or []})
    report(answer, f"{number} has migrated to LIDs.", as_json=as_json)


@app.command()
def version(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[current=VERSION] [oldest=VERSION|none] [ends=SECONDS|none]",
            help="Changes; `ends` is a time in seconds since the epoch.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Show or change the versions of WhatsApp Web that the simulator accepts."""
    changes = dict(map(_version_change, words or ()))
    with control_port(directory(data)) as control:
        answer = control.post("/version", changes) if changes else control.get("/version")
    if as_json:
        output.plain(answer)
        return
    if answer["ends"] is not None:
        answer["ends"] = output.moment(answer["ends"])
    rows = [(name.replace("_", " "), value) for name, value in answer.items()]
    output.table(("version", ""), rows, "")


def _version_change(word: str) -> tuple[str, str | int | None]:
    """A field of the version and its value, read from `NAME=VALUE`."""
    name, _, value = word.partition("=")
    if name not in ("current", "oldest", "ends") or not value:
        output.refuse(f"{word} is not current=…, oldest=… or ends=….")
    if value == "none":
        return name, None
    return name, int(value) if name == "ends" and value.isdecimal() else value


def _setting(word: str) -> tuple[str, str | float | bool]:
    """A field of a setting and its value, read from `NAME=VALUE`."""
    name, _, value = word.partition("=")
    if not value:
        output.refuse(f"{word} is not NAME=VALUE.")
    if name == "until" and value.isdecimal():
        return name, int(value)
    flags = {"true": True, "false": False}
    return name, value if name in ("name", "first_name") else flags.get(value, value)


def _switch(word: str) -> tuple[str, bool | None]:
    """A rule's name and its switch, read from `NAME=on`."""
    name, _, state = word.partition("=")
    if state not in _SWITCH:
        output.refuse(f"{word} is not NAME=on, NAME=off or NAME=default.")
    return name, _SWITCH[state]


def _change(word: str) -> tuple[str, Any]:
    """A property's name and its new value, read from `NAME=VALUE`; a value that is no JSON is a word."""
    name, equals, value = word.partition("=")
    if not equals:
        output.refuse(f"{word} is not NAME=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
