"""Implements `teimoso simulate request`: sends any HTTP request to the simulator's control API."""

# ruff: noqa: PLC0415
# Heavy modules wait until their command runs.

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.options import DATA, Data, directory
from gateway.cli.simulate.simulate import control_port

app = typer.Typer()


class Method(StrEnum):
    """The methods of the control port."""

    GET = "GET"
    POST = "POST"
    DELETE = "DELETE"


@app.command()
def request(
    method: Annotated[
        Method,
        typer.Argument(
            metavar="GET|POST|DELETE", case_sensitive=False, show_default=False, help="The method."
        ),
    ],
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="Such as /contacts/15550100002/inbox?after=5.")
    ],
    body: Annotated[
        str | None, typer.Argument(metavar="[JSON]", help="The fields of a POST, as an object.")
    ] = None,
    data: Data = DATA,
) -> None:
    """Send a request of the control port, and print its answer as JSON.

    docs/simulator.md has all requests.
    """
    from gateway.cli.api_client import end_with_refusal

    if not path.startswith("/"):
        output.refuse(f"{path} is no path: it begins with a slash.")
    fields = None if body is None else _object(body)
    if fields is not None and method is not Method.POST:
        output.refuse(f"A {method} has no fields: they go into the path, as /faults?id=1.")
    with control_port(directory(data)) as control:
        response = control.raw(method, path, json=fields)
        if not response.is_success:
            end_with_refusal(response)
        output.plain(response.json())


def _object(text: str) -> dict[str, Any]:
    """The fields of a request, read from a JSON object."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        output.refuse(f"{text} is no JSON object.")
    return found
