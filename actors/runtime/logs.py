"""Configures logs as one JSON object per line, and formats exceptions without their text.

An exception is logged by its type and its frames, which name code and nothing else.
"""

from __future__ import annotations

import atexit
import logging
import os
import traceback
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

if TYPE_CHECKING:
    from types import TracebackType

FRAMES = 12
DEPTH = 4  # how far causes and groups are followed

_files = ExitStack()
atexit.register(_files.close)


def log_to(file: Path, level: str, name: str) -> None:
    """Send this process's logs to `file`, and close the one they went to before.

    Actors of one kind share a file: each line is one write to a file opened for appending.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    stream = file.open("a", buffering=1)
    configure(stream, level, structlog.contextvars.merge_contextvars, _Named(name))
    with suppress(OSError):
        _files.close()
    _files.enter_context(stream)


def configure(stream: TextIO, level: str, *first: structlog.typing.Processor) -> None:
    """Send this process's logs to `stream`; `first` process each line before the others."""
    structlog.configure(
        processors=[*first, *PROCESSORS, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _LossyStream(stream))),
        cache_logger_on_first_use=False,
    )


def where(error: BaseException) -> list[str]:
    """The frames of an error, innermost last, without its message."""
    return [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-FRAMES:]
    ]


def describe(error: BaseException, depth: int = DEPTH) -> dict[str, Any]:
    """Return an error without its message: type, frames, cause, and the errors of a group."""
    plain: dict[str, Any] = {"error": type(error).__name__, "where": where(error)}
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth:
        plain["cause"] = describe(cause, depth - 1)
    if isinstance(error, BaseExceptionGroup) and depth:
        plain["errors"] = [describe(each, depth - 1) for each in error.exceptions]
    return plain


def _rendered(
    information: tuple[type[BaseException], BaseException, TracebackType | None],
) -> dict[str, Any]:
    return describe(information[1])


class _LossyStream:
    """A stream that loses lines that it cannot write: a full disk must not break a caller that logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _Named:
    """Puts the name of the actor and its pid into each line."""

    def __init__(self, name: str) -> None:
        self._by = f"{name}/{os.getpid()}"

    def __call__(self, _: object, __: str, event: structlog.typing.EventDict) -> Any:
        event.setdefault("by", self._by)
        return event


PROCESSORS: tuple[structlog.typing.Processor, ...] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.ExceptionRenderer(_rendered),  # type: ignore[arg-type]
)
"""The processors of each line, in every process."""
