"""Serves control API routes that set the deadline for clients' answers, and list unanswered stanzas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse

from simulator.control.request_parser import ProblemError, body_of, field

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.server_state import ServerState

_MAX_SECONDS: Final = 86400.0


class AnswerRoutes:
    """Endpoints /answers and /unanswered."""

    def __init__(self, world: ServerState) -> None:
        self._world = world

    async def answers(self, request: Request) -> JSONResponse:
        """The deadline for an answer in seconds; POST changes it."""
        deadlines = self._world.answer_deadlines
        if request.method == "POST":
            body = await body_of(request)
            for name in body:
                if name != "seconds":
                    raise ProblemError(400, "unknown_field", f"unknown field {name!r}")
            deadlines.change_seconds(_seconds(field(body, "seconds", (int, float))))
        return JSONResponse({"seconds": deadlines.seconds})

    async def unanswered(self, request: Request) -> JSONResponse:
        """Stanzas that clients did not answer: in time (`late`), or not yet (`open`); DELETE forgets."""
        deadlines, query = self._world.answer_deadlines, request.query_params
        account = query.get("account")
        if account is not None:
            account = self._world.people.named(account.lstrip("+")).number
        if request.method == "DELETE":
            return JSONResponse({"forgotten": deadlines.forget(account)})
        if "wait" in query:
            try:
                seconds = float(query["wait"])
            except ValueError as error:
                raise ProblemError(400, "bad_seconds", "wait must be seconds") from error
            await deadlines.settled(account, _seconds(seconds))
        return JSONResponse({"late": deadlines.late(account), "open": deadlines.open(account)})


def _seconds(given: float) -> float:
    if not 0 < given <= _MAX_SECONDS:
        raise ProblemError(
            400, "bad_seconds", f"seconds must be above 0, and {_MAX_SECONDS:.0f} at most"
        )
    return float(given)
