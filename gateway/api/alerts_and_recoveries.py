"""Serves API routes that list alerts (active or cleared) and finished recovery actions from SQLite or Firestore."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.state.documents import HEALTH_ALERTS, RECOVERY_ACTIONS, Order, Where
from gateway.connection_access import resolve
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.schemas import presenters, response_models
from gateway.schemas.request_models import ListAlerts, ListRecoveries

if TYPE_CHECKING:
    from starlette.responses import Response

NEWEST_FIRST = (Order("at", descending=True),)


async def _alerts(call: ApiRequest[None, ListAlerts]) -> Response:
    query = call.query
    where = await _of_connection(call, "subject")
    if query.active is not None:
        where.append(Where("active", "==", query.active))
    page = await call.backends.documents.query(
        HEALTH_ALERTS, where=where, order=NEWEST_FIRST, limit=query.limit, after=query.after
    )
    seen = await call.backends.observer.look()
    now = {
        (alert["name"], alert["subject"], alert["raised_at"]): alert["reason"]
        for alert in (seen.latest or {}).get("alerts") or ()
    }
    items = [presenters.alert(document, now) for document in page.items]
    return written(response_models.Alerts(items=items, next=page.next))


async def _recoveries(call: ApiRequest[None, ListRecoveries]) -> Response:
    query = call.query
    page = await call.backends.documents.query(
        RECOVERY_ACTIONS,
        where=await _of_connection(call, "connection"),
        order=NEWEST_FIRST,
        limit=query.limit,
        after=query.after,
    )
    items = [presenters.recovery(document) for document in page.items]
    return written(response_models.RecoveryActions(items=items, next=page.next))


async def _of_connection(
    call: ApiRequest[None, ListAlerts] | ApiRequest[None, ListRecoveries], field: str
) -> list[Where]:
    """The condition that the query asks for; a key for some connections has to name one."""
    connection = call.query.connection
    if connection is None:
        if call.key.connections is not None:
            raise Problem(
                "connection_forbidden", "Name the connection; this key is for some connections."
            )
        return []
    registered = await resolve(call, connection, fresh=True)
    # Before connections had incarnations, what is older was of another one of this name.
    return [Where(field, "==", registered.id), Where("at", ">=", registered.created_at)]


_TAG = "operations"
_REFUSES = ("unknown_connection", "invalid_cursor", "store_away")
OPERATIONS = (
    Operation(
        "GET",
        "/api/alerts",
        "listAlerts",
        "Alerts, active and past, the newest first",
        _TAG,
        _alerts,
        {200: Gives("A page of alerts.", response_models.Alerts)},
        "read",
        query=ListAlerts,
        refuses=_REFUSES,
    ),
    Operation(
        "GET",
        "/api/recoveries",
        "listRecoveries",
        "Falls and recoveries, the newest first",
        _TAG,
        _recoveries,
        {200: Gives("A page of recovery actions.", response_models.RecoveryActions)},
        "read",
        query=ListRecoveries,
        refuses=_REFUSES,
    ),
)
