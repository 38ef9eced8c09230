"""Configures the gateway's logs as one JSON object a line on stderr, and writes the line of each request."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from actors.runtime import logs

if TYPE_CHECKING:
    from structlog.typing import EventDict


request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that is being answered; tasks that it starts are part of it."""


def configure(level: str) -> None:
    """Send this process's logs, and those of the libraries that it uses, to stderr as JSON."""
    logs.configure(sys.stderr, level, _of_request)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_library, _of_request, *logs.PROCESSORS],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(logging.getLevelNamesMapping()[level.upper()], logging.INFO))


def request(*, request_id: str, method: str, route: str, status: int, seconds: float) -> None:
    """The line of one request, in the shape of the others but written for its frequency.

    None of its words has anything that JSON would escape.
    """
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    with suppress(OSError):  # a full disk is no reason to refuse a request
        sys.stderr.write(
            f'{{"action": "request", "event": "request", "level": "info", "timestamp": "{now[:-6]}Z",'
            f' "request_id": "{request_id}", "method": "{method}", "route": "{route}",'
            f' "status": {status}, "seconds": {seconds:.6f}}}\n'
        )


def _of_request(_: object, __: str, event: EventDict) -> EventDict:
    answering = request_id.get()
    if answering is not None:
        event.setdefault("request_id", answering)
    return event


def _library(_: object, __: str, event: EventDict) -> EventDict:
    record = event["_record"]
    event["action"] = "library"
    event["logger"] = record.name
    if record.exc_info:
        event["exc_info"] = record.exc_info
    return event
