"""Serves the console's page of API keys by API operations: lists and creates them, and revokes one after a confirmation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.console.page_app import PageMethod
from gateway.http.api_keys import SCOPES
from gateway.http.problems import Problem
from gateway.schemas.texts import losses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from gateway.console.console_request import ConsoleRequest

ADDRESS: Final = "/console/api-keys"


async def show(view: ConsoleRequest, problem: Problem | None = None) -> Response:
    """The keys, each with the things that stop working once it is revoked."""
    view.require("admin")
    listed = await view.part("listKeys")
    items = [] if listed.data is None else listed.data["items"]
    return await view.page(
        "api_keys.html",
        live=ADDRESS,
        problem=problem,
        listed=listed,
        lost={
            one["id"]: losses.of_revocation(
                one,
                [other for other in items if other is not one],
                own=one["id"] == view.key.id,
            )
            for one in items
        },
        own=view.key.id,
        scopes=SCOPES,
        names=view.names,
        given=view.form,
    )


async def create(view: ConsoleRequest) -> Response:
    """Make a key; the page that answers is the only one that shows it."""
    body: dict[str, Any] = {
        "name": view.form.get("name", "").strip(),
        "scopes": [scope for scope in SCOPES if view.form.get(f"scope.{scope}")],
    }
    if named := view.form.get("connections", "").replace(",", " ").split():
        body["connections"] = named
    try:
        made = await view.call("createKey", body=body)
    except Problem as problem:
        if problem.kind.code == "missing_scope":
            raise
        return await show(view, problem)
    return await view.page(
        "issued.html",
        live="",
        title=f"API key {made['name']}",
        noun="key",
        secret=made["key"],
        hint="Programs send it in the header X-Api-Key. Of a lost one a new one is made.",
        back=(ADDRESS, "API keys"),
    )


async def revoke(view: ConsoleRequest) -> Response:
    """Revoke a key; requests with it are refused from now on."""
    await view.call("revokeKey", path={"key": view.path["key"]})
    return view.to(ADDRESS)


ROUTES: Mapping[str, Mapping[str, PageMethod]] = {
    ADDRESS: {"GET": PageMethod(show), "POST": PageMethod(create)},
    f"{ADDRESS}/{{key}}/revoke": {"POST": PageMethod(revoke)},
}
