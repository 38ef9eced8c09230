"""Logs and counts an error that no rule foresees where one item failed by it (a stanza, file, command or send)."""

from __future__ import annotations

import structlog

from actors.metrics.counters import measures

OWN_MISTAKES = "teimoso_own_mistakes"
"""The counter by `action`, of which each rise in an actor becomes the alert `own_mistake` in the root."""

log = structlog.get_logger()


def log_mistake(event: str, action: str, error: BaseException, **context: str | None) -> None:
    """Log the kind of `error`, never its text, which may quote a message; count it as a mistake of this service.

    An OSError (a disk, the network, a time that is over) and an error with a `code`, which is the service's word for
    something that it foresees, are logged alone.
    """
    log.error(event, action=action, **context, error=type(error).__name__)
    if not isinstance(error, OSError) and not hasattr(error, "code"):
        measures.count(OWN_MISTAKES, action=action)
