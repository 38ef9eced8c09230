"""Serves the console's first and connection pages by API operations: lists, adds, pairs, configures, stops connections."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Final

from gateway.console.console_request import PagePart
from gateway.console.page_app import PageMethod
from gateway.console.pages import connection_limits
from gateway.http.problems import Problem
from gateway.schemas.texts import losses

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from starlette.responses import Response

    from gateway.console.console_request import ConsoleRequest

VERBS: Final = frozenset({"start", "stop", "restart", "recover", "logout", "delete"})
DESTRUCTIVE_VERBS: Final = frozenset({"logout", "delete"})
"""The verbs by which something is lost for good; their forms carry the typed name of the connection."""
HOME: Final = "/"
LINKING_SECONDS: Final = 2.0
"""Seconds between two looks at a connection that is being connected: a code to scan serves for seconds."""

NO_ASSERTION: Final = "That is no assertion. Paste the whole line that the other page printed."


async def connections(view: ConsoleRequest, problem: Problem | None = None) -> Response:
    """All connections with their queues and alerts, and the form that adds one."""
    listed, queue, health = await asyncio.gather(
        view.part("listConnections"), view.part("getQueue"), view.part("getHealth")
    )
    lanes = {lane["connection"]: lane for lane in (queue.data or {"items": []})["items"]}
    return await view.page(
        "connections.html",
        live=HOME,
        problem=problem,
        listed=listed,
        lanes=lanes,
        queue=queue.data,
        alerts=_alerts(health),
        given=view.form,
    )


async def add(view: ConsoleRequest) -> Response:
    """Add a connection and show it; a refusal shows the form again, filled in."""
    body: dict[str, Any] = {"id": view.form.get("id", "").strip()}
    for name in ("show_online", "reject_calls"):
        if view.form.get(name):
            body[name] = True
    for name in ("proxy", "reject_calls_text"):
        if given := view.form.get(name, "").strip():
            body[name] = given
    try:
        made = await view.call("createConnection", body=body)
    except Problem as problem:
        return await connections(view, problem)
    return view.to(f"/console/connections/{made['id']}")


async def connection(view: ConsoleRequest, problem: Problem | None = None) -> Response:
    """A connection: its state, QR or code, queue, alerts, settings and last recoveries."""
    name = view.path["connection"]
    found = await view.call("getConnection", path={"connection": name})
    queue, health, recoveries = await asyncio.gather(
        view.part("getQueue"),
        view.part("getHealth"),
        view.part("listRecoveries", query={"connection": name, "limit": 5}),
    )
    lanes = [] if queue.data is None else queue.data["items"]
    lane = next((lane for lane in lanes if lane["connection"] == name), None)
    bucket = view.backends.settings.session_storage_type != "local"
    starts = (found["state"], found["desired"]) == ("stopped", "running")
    connects = starts or found["state"] in {"connecting", "pairing"}
    return await view.page(
        "connection.html",
        live=f"/console/connections/{name}",
        every=LINKING_SECONDS if connects else None,
        problem=problem,
        connection=found,
        lane=lane,
        lost={
            "logout": losses.of_logout(found),
            "delete": losses.of_deletion(found, lane, bucket=bucket),
        },
        kept=losses.MESSAGES_STAY,
        alerts=[one for one in _alerts(health) if one["incarnation"] == found["incarnation"]],
        recoveries=recoveries,
        pacing=connection_limits.pacing(view.backends.settings, found["pacing"]),
        new_account=connection_limits.new_account(found["pacing"]),
        limits=connection_limits.limits(view.backends.settings),
        scan=await _scan(view, name) if found["state"] == "pairing" else None,
        code=await _code(view, name) if found["state"] == "pairing" else None,
        passkey=await _passkey(view, name) if found["pairing_step"] == "passkey" else None,
        given=view.form,
        proxied=view.backends.settings.whatsapp_proxy is not None,
    )


async def configure(view: ConsoleRequest) -> Response:
    """Change the settings of a connection."""
    name = view.path["connection"]
    try:
        path = {"connection": view.connection}
        await view.call("configureConnection", path=path, body=_settings(view.form))
    except Problem as problem:
        if problem.kind.status not in {422, 503}:
            raise
        return await connection(view, problem)
    return view.to(f"/console/connections/{name}")


def _settings(form: Mapping[str, str]) -> dict[str, Any]:
    """The settings in one of the page's forms, which `setting` names; the others stay."""
    match form.get("setting"):
        case "proxy":
            return {"proxy": form.get("proxy", "").strip() or None}
        case "calls":
            text = form.get("reject_calls_text", "").strip()
            return {
                "reject_calls": bool(form.get("reject_calls")),
                "reject_calls_text": text or None,
            }
        case _:
            return {"show_online": bool(form.get("show_online"))}


async def link(view: ConsoleRequest) -> Response:
    """Ask for a code to type on the phone; the page shows it from then on."""
    name = view.path["connection"]
    body = {"phone": view.form.get("phone", "").strip()}
    try:
        await view.call("requestPairingCode", path={"connection": view.connection}, body=body)
    except Problem as problem:
        if problem.kind.status in {403, 404}:
            raise
        return await connection(view, problem)
    return view.to(f"/console/connections/{name}")


async def answer(view: ConsoleRequest) -> Response:
    """Hand over the assertion that a person made on WhatsApp's own page."""
    try:
        body = json.loads(view.form.get("assertion", ""))
    except ValueError:
        body = {}
    return await _linking(view, "answerPasskey", body if isinstance(body, dict) else {})


async def confirm(view: ConsoleRequest) -> Response:
    """Confirm that the phone shows the same code."""
    return await _linking(view, "confirmPasskey")


async def _linking(
    view: ConsoleRequest, operation: str, body: dict[str, Any] | None = None
) -> Response:
    """One step of linking by passkey; its error is shown beside the challenge."""
    try:
        await view.call(operation, path={"connection": view.connection}, body=body)
    except Problem as problem:
        if problem.kind.status in {403, 404}:
            raise
        if problem.kind.code in {"missing_field", "unknown_field", "invalid_field"}:
            problem = Problem("invalid_field", NO_ASSERTION)
        return await connection(view, problem)
    return view.to(f"/console/connections/{view.path['connection']}")


async def act(view: ConsoleRequest) -> Response:
    """Start, stop, restart, log out, recover or remove a connection."""
    name, verb = view.path["connection"], view.path["verb"]
    if verb not in VERBS:
        raise Problem("not_found", "There is no such page.")
    if verb in DESTRUCTIVE_VERBS and view.form.get("confirm", "").strip() != name:
        refusal = Problem("invalid_field", f"Nothing was done. Type {name} to confirm.")
        return await connection(view, refusal)
    try:
        if verb == "recover":
            await view.call("recoverConnections", body={"connection": view.connection})
        else:
            await view.call(f"{verb}Connection", path={"connection": view.connection})
    except Problem as problem:
        if problem.kind.status != 503:
            raise
        return await connection(view, problem)
    return view.to(HOME if verb == "delete" else f"/console/connections/{name}")


async def _scan(view: ConsoleRequest, name: str) -> PagePart:
    """The QR as a picture that a page holds; None while there is none to scan yet."""
    if not view.may("getQr"):
        return PagePart(None, Problem("missing_scope", "Only an admin's key shows the QR."))
    try:
        qr = await view.call("getQr", path={"connection": name})
    except Problem as problem:
        return PagePart(None, None if problem.kind.code == "nothing_to_scan" else problem)
    return PagePart({"svg": picture(qr["qr"]), "expires_at": qr["expires_at"]})


async def _code(view: ConsoleRequest, name: str) -> Any:
    """The code that is open; None where there is none, or the key may not see it."""
    return (await view.part("getPairingCode", path={"connection": name})).data


async def _passkey(view: ConsoleRequest, name: str) -> dict[str, Any] | None:
    """The step that linking by passkey waits for, and the line that signs it; None for a person who may not see it."""
    found = (await view.part("getPasskey", path={"connection": name})).data
    if found is None or found["options"] is None:
        return found
    return {**found, "line": line(found["options"])}


def line(options: Mapping[str, Any]) -> str:
    """JavaScript that has a browser sign a WebAuthn request on WhatsApp's page, and prints the assertion."""
    return (
        "console.log(JSON.stringify((await navigator.credentials.get({publicKey:"
        f" PublicKeyCredential.parseRequestOptionsFromJSON({json.dumps(options)})}})).toJSON()))"
    )


def picture(text: str) -> str:
    """A QR as SVG without a colour or a size of its own: the style sheet gives both."""
    import segno  # noqa: PLC0415 - loaded where a QR is shown

    drawn = io.BytesIO()
    segno.make_qr(text, error="l").save(
        drawn, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=0, svgclass="qr",
        lineclass=None, title="QR to scan", nl=False,
    )  # fmt: skip
    return drawn.getvalue().decode()


def _alerts(health: PagePart) -> list[dict[str, Any]]:
    """Those that are active; while health is not known, none is."""
    return (health.data or {}).get("alerts") or []


ROUTES: Mapping[str, Mapping[str, PageMethod]] = {
    HOME: {"GET": PageMethod(connections)},
    "/console/connections": {"POST": PageMethod(add), "GET": PageMethod(connections)},
    "/console/connections/{connection}": {"GET": PageMethod(connection)},
    "/console/connections/{connection}/pairing-code": {
        "POST": PageMethod(link),
        "GET": PageMethod(connection),
    },
    "/console/connections/{connection}/passkey": {
        "POST": PageMethod(answer),
        "GET": PageMethod(connection),
    },
    "/console/connections/{connection}/passkey/confirm": {
        "POST": PageMethod(confirm),
        "GET": PageMethod(connection),
    },
    "/console/connections/{connection}/settings": {
        "POST": PageMethod(configure),
        "GET": PageMethod(connection),
    },
    "/console/connections/{connection}/{verb}": {"POST": PageMethod(act)},
}
