"""Implements `teimoso groups …` by the API: lists, shows, creates, changes, joins and leaves groups of an account."""

# ruff: noqa: PLC0415, PLR0917
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gateway.cli import output
from gateway.cli.confirmation import Yes, confirm
from gateway.cli.options import (
    DATA,
    Connection,
    Data,
    Json,
    Key,
    NoPicture,
    Picture,
    directory,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(help="Groups of an account.", no_args_is_help=True)

Group = Annotated[str, typer.Argument(metavar="GROUP", help="The group's address, `…@g.us`.")]
People = Annotated[
    list[str], typer.Argument(metavar="PERSON...", help="Phone numbers, addresses or LIDs.")
]
Invite = Annotated[
    str, typer.Argument(metavar="INVITE", help="The link of an invitation, or its code.")
]

GROUP_FIELDS = (
    *("chat", "name", "description", "announce", "locked", "ephemeral_seconds"),
    *("member_add_mode", "approval"),
)


@app.command("list")
def list_(
    connection: Connection, data: Data = DATA, key: Key = None, as_json: Json = False
) -> None:
    """List the groups that the account is in; `chat` is the address to write to."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        answer = api.get(f"/api/connections/{segment(connection)}/groups")
    if as_json:
        output.plain(answer)
        return
    rows = ((each["chat"], each["subject"], len(each["members"])) for each in answer["items"])
    output.table(("chat", "subject", "members"), rows, f"{connection} is in no group.")


@app.command()
def show(
    connection: Connection, group: Group, data: Data = DATA, key: Key = None, as_json: Json = False
) -> None:
    """Show the settings of a group, and its members."""
    from gateway.cli.api_client import Api

    with Api(directory(data), key) as api:
        answer = api.get(_path(group), {"connection": connection})
    if as_json:
        output.plain(answer)
        return
    output.show_one({name: answer[name] for name in GROUP_FIELDS}, as_json=False)
    rows = ((each["name"], each["address"], each["admin"]) for each in answer["members"])
    output.table(("name", "address", "admin"), rows, "It has no members.")


@app.command()
def create(
    connection: Connection,
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="The group's name.")],
    people: People,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Create a group with these people. Where the answer is lost, list the groups before you repeat it."""
    from gateway.cli.api_client import Api

    wanted = {"connection": connection, "subject": subject, "participants": people}
    with Api(directory(data), key) as api:
        answer = api.post("/api/groups", wanted)
    if not as_json:
        output.console().print(output.safe(answer["chat"]))
    _show_outcomes(answer, as_json=as_json)


@app.command()
def add(
    connection: Connection,
    group: Group,
    people: People,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Add members; prints the outcome for each."""
    _members("POST", "participants", (connection, group, people), data, key, as_json=as_json)


@app.command()
def remove(
    connection: Connection,
    group: Group,
    people: People,
    yes: Yes = False,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Remove members; prints the outcome for each."""
    lost = [f"the place of {each} in it" for each in people]
    confirm(f"Removing members of {group}", lost, yes=yes)
    _members("DELETE", "participants", (connection, group, people), data, key, as_json=as_json)


@app.command()
def promote(
    connection: Connection,
    group: Group,
    people: People,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Make members admins; prints the outcome for each."""
    _members("POST", "admins", (connection, group, people), data, key, as_json=as_json)


@app.command()
def demote(
    connection: Connection,
    group: Group,
    people: People,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Make admins plain members; prints the outcome for each."""
    _members("DELETE", "admins", (connection, group, people), data, key, as_json=as_json)


@app.command()
def invite(
    connection: Connection,
    group: Group,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Void it, and print another one.")
    ] = False,
    yes: Yes = False,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Print the link of the group's invitation: everybody who has it can join."""
    from gateway.cli.api_client import Api

    if revoke:
        confirm(f"Voiding the invitation to {group}", ["the link that people have"], yes=yes)
    path = f"{_path(group)}/invite{_query(connection=connection)}"
    with Api(directory(data), key) as api:
        answer = api.delete(path) if revoke else api.get(path)
    if as_json:
        output.plain(answer)
    else:
        output.console().print(output.safe(answer["link"]))


@app.command()
def join(
    connection: Connection,
    invite: Invite,
    show: Annotated[
        bool, typer.Option("--show", help="Show the group, and do not join it.")
    ] = False,
    data: Data = DATA,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Join the group of an invitation; `pending` where an admin has to approve it first."""
    from gateway.cli.api_client import Api, segment

    with Api(directory(data), key) as api:
        if show:
            code = segment(invite.rpartition("/")[2].partition("?")[0])
            answer = api.get(f"/api/groups/invites/{code}", {"connection": connection})
        else:
            answer = api.post("/api/groups/join", {"connection": connection, "invite": invite})
    output.show_one(answer, as_json=as_json)


@app.command()
def leave(
    connection: Connection, group: Group, yes: Yes = False, data: Data = DATA, key: Key = None
) -> None:
    """Leave a group; only its members can bring the account back."""
    from gateway.cli.api_client import Api

    confirm(f"Leaving {group}", ["the account's place in it"], yes=yes)
    with Api(directory(data), key) as api:
        api.delete(f"{_path(group)}{_query(connection=connection)}")


@app.command("set")
def set_(
    connection: Connection,
    group: Group,
    subject: Annotated[str | None, typer.Option("--subject", help="Its name.")] = None,
    description: Annotated[
        str | None, typer.Option("--description", help="Its description; empty for none.")
    ] = None,
    announce: Annotated[
        bool | None, typer.Option("--announce/--no-announce", help="Only admins write, or all.")
    ] = None,
    locked: Annotated[
        bool | None,
        typer.Option("--locked/--unlocked", help="Only admins change its settings, or all."),
    ] = None,
    ephemeral: Annotated[
        int | None,
        typer.Option(
            "--ephemeral",
            metavar="SECONDS",
            help="Messages disappear after so long: 86400, 604800, 7776000, or never: 0.",
        ),
    ] = None,
    member_add_mode: Annotated[
        Literal["admins", "all"] | None,
        typer.Option("--member-add-mode", help="The members who add others."),
    ] = None,
    approval: Annotated[
        bool | None,
        typer.Option("--approval/--no-approval", help="An admin approves who joins, or nobody."),
    ] = None,
    picture: Picture = None,
    no_picture: NoPicture = False,
    yes: Yes = False,
    data: Data = DATA,
    key: Key = None,
) -> None:
    """Change settings of a group, or its picture."""
    from gateway.cli.api_client import Api
    from gateway.cli.file_transfer import picture_change

    given = {
        "subject": subject,
        "description": description,
        "announce": announce,
        "locked": locked,
        "ephemeral_seconds": ephemeral,
        "member_add_mode": member_add_mode,
        "approval": approval,
    }
    wanted = {name: value for name, value in given.items() if value is not None}
    if no_picture and picture is None:
        confirm(f"Changing {group}", ["its picture"], yes=yes)
    path, of_account = _path(group), _query(connection=connection)
    with Api(directory(data), key) as api:
        change = picture_change(api, picture, no_picture)
        if wanted or not change:
            api.patch(f"{path}{of_account}", wanted)
        if no_picture:
            api.delete(f"{path}/picture{of_account}")
        elif change:
            api.put(f"{path}/picture{of_account}", change)


def _members(
    method: Literal["POST", "DELETE"],
    part: str,
    named: tuple[str, str, list[str]],
    data: Data,
    key: Key,
    *,
    as_json: bool,
) -> None:
    from gateway.cli.api_client import Api

    connection, group, people = named
    path = f"{_path(group)}/{part}"
    with Api(directory(data), key) as api:
        if method == "POST":
            body = {"participants": people}
            answer = api.post(f"{path}{_query(connection=connection)}", body)
        else:
            query = _query(connection=connection, participants=",".join(people))
            answer = api.delete(f"{path}{query}")
    _show_outcomes(answer, as_json=as_json)


def _show_outcomes(answer: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.plain(answer)
        return
    rows = ((each["address"], each["outcome"], each["error"]) for each in answer["participants"])
    output.table(("address", "outcome", "error"), rows, "Nobody was named.")


def _path(group: str) -> str:
    from gateway.cli.api_client import segment

    return f"/api/groups/{segment(group)}"


def _query(**given: str) -> str:
    from urllib.parse import urlencode

    return f"?{urlencode(given)}"
