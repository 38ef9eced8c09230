"""Serves API routes that start, stop and show the trace of a connection's traffic, which its process records to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from gateway.api.lookups import answered
from gateway.connection_access import resolve_path
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.http.response_base import Answer

if TYPE_CHECKING:
    from starlette.responses import Response


class Trace(Answer):
    """State of a connection's flight recorder."""

    tracing: bool = Field(examples=[True])
    file: str = Field(
        description="In the data directory of the host that serves the connection; older ones lie"
        " beside it as `….1` to `….3`.",
        examples=["logs/trace/shop--K7Q2M9XA4TBC.jsonl"],
    )
    lines: int = Field(description="Written since it was started.")
    dropped: int = Field(
        description="Not written: they came too fast, or there was no room on the disk."
    )
    error: str | None = Field(description="Why the last write failed, as `ENOSPC`.")


async def _start(call: ApiRequest[None, None]) -> Response:
    return await _trace(call, "start")


async def _stop(call: ApiRequest[None, None]) -> Response:
    return await _trace(call, "stop")


async def _look(call: ApiRequest[None, None]) -> Response:
    return await _trace(call, "look")


async def _trace(call: ApiRequest[None, None], action: str) -> Response:
    """Traces may start in any state: a pairing and a login that fails are worth one too."""
    registered = await resolve_path(call, fresh=True)
    lease = await call.backends.leases.read(registered.id)
    if lease is None or lease.owner is None or not call.backends.liveness.of(registered.id, lease):
        raise Problem("connection_not_open", "Nobody serves the connection now.")
    answer = await answered(call, registered, "trace", {"action": action})
    if "tracing" not in answer:
        raise Problem("not_answered", "The recorder was not reached.", reason=answer["error"])
    return written(Trace.model_validate(answer))


_PATH = "/api/connections/{connection}/trace"
_TAG = "connections"
_REFUSES = (
    "connection_not_open",
    "connection_busy",
    "not_answered",
    "redis_away",
    "store_away",
)
OPERATIONS = tuple(
    Operation(
        method,
        _PATH,
        name,
        summary,
        _TAG,
        handler,
        {200: Gives("The recorder as it is now.", Trace)},
        "admin",
        waits=True,
        refuses=_REFUSES,
    )
    for method, name, summary, handler in (
        ("POST", "startTrace", "Record the shape of its traffic with WhatsApp", _start),
        ("DELETE", "stopTrace", "Record no more; the file stays", _stop),
        ("GET", "getTrace", "Whether its traffic is recorded, and into which file", _look),
    )
)
