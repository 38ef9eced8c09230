"""Implements `teimoso simulate …`: plays phones and contacts of the simulated WhatsApp through the control API."""

# ruff: noqa: PLC0415, PLR0917
# Heavy modules wait until their command runs; typer reads the annotations at runtime, and calls
# with keywords.

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

QR_TIMEOUT = 30.0  # seconds that a new connection has to come up with its QR code


@app.command()
def phone(
    number: Number,
    linking: Annotated[
        str | None,
        typer.Option(metavar="plain|refresh|passkey", help="The demand on a client that it scans."),
    ] = None,
    resends: Annotated[
        bool | None,
        typer.Option(
            "--resends/--no-resends", help="Whether it has messages that its devices ask it for."
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Make a phone with WhatsApp on it."""
    from gateway.cli.api_client import segment

    with control_port(directory(data)) as control:
        answer = control.post("/phones", {"number": number})
        changes = {"linking": linking, "resends": resends}
        changes = {name: value for name, value in changes.items() if value is not None}
        if changes:
            answer = control.post(f"/phones/{segment(number)}", changes)
    report(answer, f"{number} has WhatsApp.", as_json=as_json)


@app.command()
def scan(
    connection: Annotated[
        str, typer.Argument(metavar="CONNECTION", help="The connection with the QR code.")
    ],
    number: Number,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Scan a connection's QR code with the phone of that number."""
    from gateway.cli.api_client import Api, segment

    place = directory(data)
    with Api(place, key) as api, control_port(place) as control:
        control.post("/phones", {"number": number})
        code = _code(api, connection)
        answer = control.post(f"/phones/{segment(number)}/scan", {"qr": code})
    report(answer, f"{number} scanned the code of {connection}.", as_json=as_json)


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

    with control_port(directory(data)) as control:
        answer = control.post(f"/phones/{segment(number)}/link-code", {"code": code})
    report(answer, f"{number} linked who shows this code.", as_json=as_json)


@app.command()
def say(
    number: Number,
    to: Annotated[str, typer.Argument(metavar="TO", help="The account's phone number.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The message.")],
    secret: Annotated[
        bool, typer.Option("--secret", help="With a secret, under which `edit` can change it.")
    ] = False,
    unavailable: Annotated[
        str | None,
        typer.Option(
            metavar="plain|view_once|hosted|absent",
            help="Without its ciphertext, which the account's phone resends.",
        ),
    ] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Say something as a contact."""
    from gateway.cli.api_client import segment

    body: dict[str, Any] = {"to": to, "text": text}
    if secret:
        body["secret"] = True
    if unavailable is not None:
        body["unavailable"] = unavailable
    with control_port(directory(data)) as control:
        answer = control.post(f"/contacts/{segment(number)}/say", body)
    report(answer, f"{number} said it to {to}.", as_json=as_json)


@app.command()
def edit(
    number: Number,
    to: Annotated[str, typer.Argument(metavar="TO", help="The account's phone number.")],
    target: Annotated[str, typer.Argument(metavar="ID", help="The message that is changed.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The message.")],
    encrypted: Annotated[
        bool, typer.Option("--encrypted", help="Under the secret of the message.")
    ] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Change what a contact said; `say --json` shows its id."""
    from gateway.cli.api_client import segment

    body = {"to": to, "type": "edit", "target": target, "text": text, "encrypted": encrypted}
    with control_port(directory(data)) as control:
        answer = control.post(f"/contacts/{segment(number)}/say", body)
    report(answer, f"{number} changed it.", as_json=as_json)


@app.command()
def call(
    number: Number,
    to: Annotated[str, typer.Argument(metavar="TO", help="The account's phone number.")],
    video: Annotated[bool, typer.Option("--video", help="A video call.")] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Call an account as a contact."""
    from gateway.cli.api_client import segment

    with control_port(directory(data)) as control:
        answer = control.post(f"/contacts/{segment(number)}/call", {"to": to, "video": video})
    report(answer, f"{number} calls {to}.", as_json=as_json)


@app.command("hang-up")
def hang_up(number: Number, data: Data = DATA, as_json: Json = False) -> None:
    """End the calls of a contact that nobody declined."""
    from gateway.cli.api_client import segment

    with control_port(directory(data)) as control:
        answer = control.delete(f"/contacts/{segment(number)}/call")
    report(answer, f"{number} hung up: {len(answer['ended'])} calls ended.", as_json=as_json)


@app.command()
def inbox(number: Number, data: Data = DATA, as_json: Json = False) -> None:
    """Show what arrived at a contact."""
    from gateway.cli.api_client import segment

    with control_port(directory(data)) as control:
        answer = control.get(f"/contacts/{segment(number)}/inbox")
    if not as_json:
        answer["items"] = [{**one, "at": output.moment(one["at"])} for one in answer["items"]]
    columns = ("id", "from", "text", "deliveries", "at")
    output.show(answer, columns, as_json=as_json, empty="Nothing arrived yet.")


def control_port(data: Path) -> Caller:
    """Returns a client of the simulator's control API; ends the command where the instance has no simulator."""
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
    deadline = time.monotonic() + QR_TIMEOUT
    while True:
        response = api.raw("GET", path)
        if response.status_code == 409 and response.json().get("state") == "open":
            output.refuse(f"{connection} is linked already: it shows no QR code.")
        if response.status_code != 409 or time.monotonic() > deadline:
            code: str = api.get(path)["qr"]
            return code
        time.sleep(0.5)


def report(answer: Any, sentence: str, *, as_json: bool) -> None:
    """Print the sentence, or with `as_json` the simulator's answer."""
    if as_json:
        output.plain(answer)
    else:
        output.console().print(sentence)
