"""Serves the console's page of logs: shows the newest lines of this host's files, filtered."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Final

from gateway import log_lines
from gateway.console.page_app import PageMethod
from gateway.log_lines import LOG_LEVELS, LineFilter, LogLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from starlette.responses import Response

    from gateway.console.console_request import ConsoleRequest
    from gateway.http.api_keys import ApiKey

ADDRESS: Final = "/console/logs"
SHOWN_LOG_LINES: Final = 200
SHOWN_BYTES: Final = 262_144
"""Bytes of each file that are looked at."""
LOG_REFRESH_SECONDS: Final = 5
"""Seconds between two looks at the page while it lies open."""
MAX_SEARCH_CHARACTERS: Final = 200
"""Characters of a search that count."""


async def show(view: ConsoleRequest) -> Response:
    """The newest first. A key for some connections gets the lines about those alone."""
    view.require("admin")
    directory, wanted = view.backends.settings.logs, _wanted(view.query)
    found, parts = await asyncio.gather(
        asyncio.to_thread(lambda: _marked(reversed(_newest(directory, wanted, view.key)))),
        asyncio.to_thread(log_lines.parts, directory),
    )
    return await view.page(
        "logs.html",
        lines=found,
        parts=parts,
        names=view.names,
        levels=LOG_LEVELS,
        wanted=wanted,
        part=wanted.parts[0] if wanted.parts else None,
        tail=SHOWN_BYTES,
        every=LOG_REFRESH_SECONDS,
    )


def _wanted(query: Mapping[str, str]) -> LineFilter:
    """The filter in a query; a level that there is not filters nothing."""
    part, level = query.get("part"), query.get("level")
    return LineFilter(
        parts=(part,) if part else (),
        connection=query.get("connection") or None,
        level=level if level in LOG_LEVELS else None,
        text=query.get("text", "").strip()[:MAX_SEARCH_CHARACTERS] or None,
    )


def _newest(directory: Path, wanted: LineFilter, key: ApiKey) -> list[LogLine]:
    def fits(line: LogLine) -> bool:
        if key.connections is not None:
            about = line.connection
            # By the id: a line with a name alone may be about a former connection.
            if about is None or not key.reaches(about):
                return False
        return wanted.fits(line)

    found = log_lines.added(directory, wanted.parts, {}, SHOWN_BYTES)
    return log_lines.newest_lines(filter(fits, found), SHOWN_LOG_LINES)


def _marked(lines: Iterable[LogLine]) -> list[tuple[str, LogLine]]:
    """The lines with their ids on the page, so that new ones push none away."""
    seen: Counter[str] = Counter()
    marked = []
    for line in lines:
        digest = hashlib.blake2b(repr(line).encode(errors="replace"), digest_size=6).hexdigest()
        seen[digest] += 1
        marked.append((f"{digest}-{seen[digest]}", line))
    return marked


ROUTES: Mapping[str, Mapping[str, PageMethod]] = {ADDRESS: {"GET": PageMethod(show)}}
