"""`teimoso simulate …`: play the phone and the contacts of the simulated WhatsApp."""

# ruff: noqa: PLC0415
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.options import DATA, Data, Json, Key, Number, directory

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.cli.api_client import Caller

app = typer.Typer(
    help="Play the phone and the contacts of the simulator; docs/simulator.md has all of it.",
    no_args_is_help=True,
)

_SWITCH = {"on": True, "off": False, "default": None}
PATIENCE = 30.0  # seconds that a new connection has to come up with its QR code


@app.command()
def phone(
    number: Number,
    linking: Annotated[
        str | None,
        typer.Option(
            metavar="plain|refresh|passkey", help="What it demands of a client that it scans."
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Make a phone with WhatsApp on it."""
    from gateway.cli.api_client import segment

    with _control(directory(data)) as control:
        answer = control.post("/phones", {"number": number})
        if linking is not None:
            answer = control.post(f"/phones/{segment(number)}", {"linking": linking})
    _tell(answer, f"{number} has WhatsApp.", as_json=as_json)


@app.command()
def scan(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="Whose QR code.")],
    number: Number,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Scan a connection's QR code with the phone of that number."""
    from gateway.cli.api_client import Api, segment

    place = directory(data)
    with Api(place, key) as api, _control(place) as control:
        control.post("/phones", {"number": number})
        code = _code(api, connection)
        answer = control.post(f"/phones/{segment(number)}/scan", {"qr": code})
    _tell(answer, f"{number} scanned the code of {connection}.", as_json=as_json)


@app.command("link-code")
def link_code(
    number: Number,
    code: Annotated[
        str, typer.Argument(metavar="CODE", help="From `teimoso connections pairing-code`.")
    ],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Type a connection's pairing code on the phone of that number."""
    from gateway.cli.api_client import segment

    with _control(directory(data)) as control:
        answer = control.post(f"/phones/{segment(number)}/link-code", {"code": code})
    _tell(answer, f"{number} linked who shows this code.", as_json=as_json)


@app.command()
def say(
    number: Number,
    to: Annotated[str, typer.Argument(metavar="TO", help="The account's phone number.")],
    text: Annotated[str, typer.Argument(metavar="TEXT")],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Say something as a contact."""
    from gateway.cli.api_client import segment

    with _control(directory(data)) as control:
        answer = control.post(f"/contacts/{segment(number)}/say", {"to": to, "text": text})
    _tell(answer, f"{number} said it to {to}.", as_json=as_json)


@app.command()
def inbox(number: Number, data: Data = DATA, as_json: Json = False) -> None:
    """Show what arrived at a contact."""
    from gateway.cli.api_client import segment

    with _control(directory(data)) as control:
        answer = control.get(f"/contacts/{segment(number)}/inbox")
    if not as_json:
        answer["items"] = [{**one, "at": output.moment(one["at"])} for one in answer["items"]]
    columns = ("id", "from", "text", "deliveries", "at")
    output.show(answer, columns, as_json=as_json, empty="Nothing arrived yet.")


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
    with _control(directory(data)) as control:
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
    with _control(directory(data)) as control:
        answer = control.post(path, switched) if switched else control.get(path)
    if as_json:
        output.plain(answer)
        return
    rows = [(name, "on" if on else "off") for name, on in answer.items()]
    output.table(("rule", "state"), rows, "There is no rule to switch.")


@app.command()
def settings(
    number: Number,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TYPE NAME=VALUE...]",
            help="What the phone's owner changes, such as `mute chat=15550100062 muted=false`.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Show the settings that an account's phone and linked devices share, or change one."""
    from gateway.cli.api_client import segment

    path, given = f"/phones/{segment(number)}/app-state", list(words or ())
    with _control(directory(data)) as control:
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
def standing(
    number: Number,
    word: Annotated[str, typer.Argument(metavar="good|locked|banned")],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Change how an account stands with WhatsApp: the logins of one that is not good are refused."""
    from gateway.cli.api_client import segment

    with _control(directory(data)) as control:
        answer = control.post(f"/accounts/{segment(number)}", {"standing": word})
    _tell(
        answer,
        f"{number} is in {word} standing." if word == "good" else f"{number} is {word}.",
        as_json=as_json,
    )


@app.command()
def version(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[current=VERSION] [oldest=VERSION|none] [ends=SECONDS|none]",
            help="What is changed; `ends` is a time in seconds since the epoch.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Show or change the versions of WhatsApp Web that the simulator accepts."""
    changes = dict(map(_version_change, words or ()))
    with _control(directory(data)) as control:
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


def _control(data: Path) -> Caller:
    from gateway.cli.api_client import Caller
    from supervision.keeper.manifest import Plan

    plan = Plan.load(data)
    if plan is None or not plan.simulate:
        output.refuse(f"The instance in {data} has no simulator: `teimoso up --simulate`.")
    port = plan.control_port
    absent = f"The simulator does not answer on port {port}: `teimoso up` starts it."
    return Caller(f"http://127.0.0.1:{port}", {}, absent=absent)


def _code(api: Caller, connection: str) -> str:
    """The QR code; waits while the connection is so new that it has none."""
    from gateway.cli.api_client import segment

    path = f"/api/connections/{segment(connection)}/qr"
    deadline = time.monotonic() + PATIENCE
    while True:
        response = api.raw("GET", path)
        if response.status_code == 409 and response.json().get("state") == "open":
            output.refuse(f"{connection} is linked already: it shows no QR code.")
        if response.status_code != 409 or time.monotonic() > deadline:
            code: str = api.get(path)["qr"]
            return code
        time.sleep(0.5)


def _tell(answer: Any, sentence: str, *, as_json: bool) -> None:
    if as_json:
        output.plain(answer)
    else:
        output.console().print(sentence)
