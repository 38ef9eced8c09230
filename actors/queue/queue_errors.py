"""Defines exceptions by which the queue rejects a caller's request (conflict, not found …), with codes for the API."""

from __future__ import annotations


class IdempotencyConflict(Exception):
    """The Idempotency-Key names a message with another body (HTTP 422)."""

    code = "idempotency_conflict"


class ConnectionDeleted(Exception):
    """The connection was deleted, and takes no send any more (HTTP 410)."""

    code = "connection_deleted"


class NotFound(Exception):
    """No such message, or its record has left Redis (HTTP 404)."""

    code = "not_found"


class NotCancellable(Exception):
    """The message is being sent or is finished; `status` says which (HTTP 409)."""

    code = "not_cancellable"

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class NotDead(Exception):
    """Only a dead letter can be retried; `status` says what it is (HTTP 409)."""

    code = "not_dead"

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status
