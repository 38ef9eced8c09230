"""Reads the current WhatsApp Web version from WhatsApp's page, caches it in a file, and chooses the announced one.

WhatsApp refuses a version that is some weeks old (failure 405). The page names the current one as
``client_revision`` (whatsmeow, update.go; Baileys, generics.ts; whatsapp-rust, version.rs).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import structlog

from actors.connection.proxy import urllib_handlers
from actors.connection.proxy.tunnel import ProxyFailed
from actors.runtime.atomic_files import held, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.connection.proxy.address import ProxyAddress

log = structlog.get_logger()

BUILT_IN: Final = "2.3000.1047769893"
"""The version of the pinned library (whatsmeow, clientpayload.go): nothing older is announced."""

VERSION_FILE: Final = "whatsapp_version.json"
"""In the data directory: what is known, shared by all connections of the host."""

BROWSER: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/148.0.0.0 Safari/537.36"
)
"""The User-Agent header. WhatsApp gives its page to browsers alone."""

VERSION_FRESH_SECONDS: Final = 86_400.0
"""Seconds after which the page is read again, and a refusal no longer counts."""

FAILED_LOOKUP_PAUSE_SECONDS: Final = 600.0
"""Seconds between two look-ups that failed, so that a login is not delayed each time."""

LOOKUP_SECONDS: Final = 8.0
"""Seconds that a look-up takes at most, waiting for that of another process included."""

MAX_PAGE_BYTES: Final = 2 * 2**20
"""Bytes that are read of a page."""

_END: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_CHUNK: Final = 2**16
_STEP: Final = 0.05
_VERSION: Final = re.compile(r"[0-9]{1,10}\.[0-9]{1,10}\.[0-9]{1,10}", re.ASCII)

# With and without quotes, which are escaped where the page holds JSON inside a string.
_REVISION: Final = re.compile(rb"client_revision\\*[\"']?\s*:\s*\\*[\"']?([0-9]{1,10})[^0-9]")
_OVERLAP: Final = 64
"""Bytes of a chunk that are searched again with the next: no shorter than what is searched for."""

_PAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "/sw.js": {},
    "/": {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"},
}
"""Where the version is looked for, in this order, and the headers that a browser adds there."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """Knowledge of versions; times are seconds since the epoch.

    `version` is what the page named last, at `found_at`; it was asked last at `tried_at`. `refused`
    maps versions to the time at which WhatsApp refused them, `ends` to the time at which it will.
    """

    version: str | None = None
    found_at: float = 0.0
    tried_at: float = 0.0
    refused: Mapping[str, float] = field(default_factory=dict)
    ends: Mapping[str, float] = field(default_factory=dict)

    def announced(self, own: str = BUILT_IN) -> str:
        """The version to announce: the newer of the page's and of `own`."""
        return newest_of(own, self.version or own)

    def replaces(self, refused: str, now: float) -> bool:
        """Whether the page named a newer version than this within the last day, and WhatsApp did not refuse it."""
        if self.version is None or not _within(VERSION_FRESH_SECONDS, self.found_at, now):
            return False
        return newest_of(self.version, refused) != refused and not self.is_refused(
            self.version, now
        )

    def is_refused(self, version: str, now: float) -> bool:
        """Whether WhatsApp refused it within the last day."""
        at = self.refused.get(version)
        return at is not None and _within(VERSION_FRESH_SECONDS, at, now)

    def due(self, now: float) -> bool:
        """Whether the page is to be read before a login."""
        return not _within(VERSION_FRESH_SECONDS, self.found_at, now) and not _within(
            FAILED_LOOKUP_PAUSE_SECONDS, self.tried_at, now
        )

    def after_lookup(self, found: str | None, now: float) -> VersionRecord:
        """After a look-up, which may have found nothing."""
        if found is None:
            return replace(self, tried_at=now)
        return replace(self, version=found, found_at=now, tried_at=now)

    def refuse(self, version: str, now: float) -> VersionRecord:
        """After WhatsApp refused `version`; old refusals are forgotten."""
        recent = {
            each: at for each, at in self.refused.items() if _within(VERSION_FRESH_SECONDS, at, now)
        }
        return replace(self, refused={**recent, version: now})

    def ending(self, version: str, at: str | None, now: float) -> VersionRecord:
        """After WhatsApp announced the end of `version` at `at` (seconds), or took that back (None).

        A later end than the one that is known changes nothing, nor does one that is no number: only a
        stanza without a time takes it back (whatsapp-rust, ib.rs).
        """
        ends = {each: end for each, end in self.ends.items() if end > now - VERSION_FRESH_SECONDS}
        if at is None:
            ends.pop(version, None)
        elif _END.fullmatch(at) and int(at) < ends.get(version, float("inf")):
            ends[version] = float(at)
        return replace(self, ends=ends)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> VersionRecord:
        """The inverse of `to_json`. Raises ValueError for anything else."""
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError("no object")  # noqa: TRY004 - as for all else that is wrong with it
        version = data.get("version")
        return cls(
            version if isinstance(version, str) and _VERSION.fullmatch(version) else None,
            _time(data.get("found_at")),
            _time(data.get("tried_at")),
            _times(data.get("refused")),
            _times(data.get("ends")),
        )


class Versions:
    """The version that one connection announces; `WHATSAPP_VERSION` overrides all else.

    The page is read by one process of a host at a time, once a day, whatever the number of
    connections. Reading it is bounded; when it fails, the newest version that is known serves, and
    no login waits longer for it than `LOOKUP_SECONDS`.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._file = settings.data / VERSION_FILE
        self._clock = clock
        self._override = False
        self._last = BUILT_IN
        self.own: str | None = None
        """The version of the library at work, once it is known: an older one is never announced, also where it is set."""
        self.proxy: ProxyAddress | None = None
        """The page is read through it."""
        self.ends_at: float | None = None
        """When WhatsApp stops accepting the version announced last (seconds since the epoch)."""

    async def announced(self) -> str:
        """The version for the next login, dotted; looked up where what is known is too old."""
        # Read for each login: WhatsApp may refuse the old one while everything runs.
        chosen = (await asyncio.to_thread(self._settings.current)).whatsapp_version
        self._override = chosen is not None
        if chosen is None:
            versions = await self._record(
                lambda versions: versions, lambda versions: versions.due(self._clock())
            )
            chosen = versions.announced(self.own or BUILT_IN)
        else:
            chosen = newest_of(chosen, self.own or chosen)
            versions = await asyncio.to_thread(self._read)
        self._last, self.ends_at = chosen, versions.ends.get(chosen)
        return chosen

    async def note_end(self, at: str | None) -> None:
        """WhatsApp announced when it stops accepting the version announced last; see `Known.ending`."""
        version, now = self._last, self._clock()
        versions = await self._record(
            lambda versions: versions.ending(version, at, now), lambda _: False
        )
        self.ends_at = versions.ends.get(version)

    async def another(self) -> bool:
        """After a refusal of the version announced last: whether there is one to try at once.

        Each version is tried once a day, so that this is no way to log in again and again.
        """
        if self._override:
            return False
        version, since = self._last, self._clock()

        def refused(versions: VersionRecord) -> VersionRecord:
            return (
                versions if versions.is_refused(version, since) else versions.refuse(version, since)
            )

        def due(versions: VersionRecord) -> bool:
            # Another connection with the same refusal may have asked meanwhile.
            return versions.tried_at < since and not versions.replaces(version, since)

        versions = await self._record(refused, due)
        other = versions.announced(self.own or BUILT_IN)
        found = not versions.is_refused(other, self._clock())
        log.warning(
            "version refused", action="version.refused", version=version, other=other, found=found
        )
        return found

    async def _record(
        self, change: Callable[[VersionRecord], VersionRecord], due: Callable[[VersionRecord], bool]
    ) -> VersionRecord:
        """Knowledge after `change`, and after a look-up where it is `due`."""
        before = await asyncio.to_thread(self._read)
        if (after := change(before)) == before and not due(before):
            return before
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                return await asyncio.to_thread(self._renewed, change, due)
        except (OSError, TimeoutError) as error:
            log.warning("version not stored", action="version.failed", error=type(error).__name__)
            return after

    def _renewed(
        self, change: Callable[[VersionRecord], VersionRecord], due: Callable[[VersionRecord], bool]
    ) -> VersionRecord:
        """As `_record`, in a thread. Raises TimeoutError, and OSError where nothing can be written."""
        until = time.monotonic() + LOOKUP_SECONDS
        with self._alone(until):
            before = self._read()
            versions = change(before)
            if due(versions):
                versions = versions.after_lookup(self._look_up(until), self._clock())
            if versions != before:
                write_atomically(self._file, versions.to_json(), synced=False)
            return versions

    def _look_up(self, until: float) -> str | None:
        try:
            found = newest(self._settings.whatsapp_url, until, self.proxy)
        except NoVersion as no:
            log.warning("no version found", action="version.not_found", reason=str(no))
            return None
        log.info("version found", action="version.found", version=found)
        return found

    @contextmanager
    def _alone(self, until: float) -> Iterator[None]:
        lock = self._file.with_suffix(".lock")
        while True:
            with held(lock) as ours:
                if ours:
                    yield
                    return
            if time.monotonic() > until:
                raise TimeoutError
            time.sleep(_STEP)

    def _read(self) -> VersionRecord:
        return read(self._file)


def read(file: Path) -> VersionRecord:
    """Content of the file; nothing is known where it cannot be read."""
    try:
        return VersionRecord.from_json(file.read_text())
    except (OSError, ValueError):
        return VersionRecord()


class NoVersion(Exception):
    """WhatsApp's page cannot be read, or names no version; the word that it has says why."""


def newest(whatsapp_url: str, until: float, proxy: ProxyAddress | None = None) -> str:
    """The version that WhatsApp's page names, dotted. Raises `NoVersion`.

    `whatsapp_url` is that of the WebSocket, whose host has the page as well; it is read through `proxy`
    alone where there is one. It ends soon after `until` on the monotonic clock.
    """
    parts = urlsplit(whatsapp_url)
    scheme = "https" if parts.scheme == "wss" else "http"
    host = parts.netloc.rpartition("@")[2]
    why = "not_named"
    for page, headers in _PAGES.items():
        try:
            revision = _revision(f"{scheme}://{host}{page}", headers, until, proxy)
        except (OSError, HTTPException, ValueError) as error:
            failed = getattr(error, "reason", None)
            why = str(failed) if isinstance(failed, ProxyFailed) else type(error).__name__
            continue
        if revision is not None:
            return f"2.3000.{revision}"
    raise NoVersion(why)


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would lead to another host, or to a login page."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _revision(
    url: str, headers: Mapping[str, str], until: float, proxy: ProxyAddress | None
) -> int | None:
    """The first revision in the page; None where it names none. Raises OSError and HTTPException."""
    request = urllib.request.Request(  # noqa: S310 - the scheme is one of two
        url,
        headers={
            "User-Agent": BROWSER,
            "Sec-Fetch-Site": "none",
            "Accept": "*/*",
            "Accept-Language": "en-US,en;q=0.9",
            **headers,
        },
    )
    opener = urllib.request.build_opener(_Stay, *urllib_handlers.handlers(proxy))
    with opener.open(request, timeout=_left(until)) as response:
        kept, size = b"", 0
        while size < MAX_PAGE_BYTES:
            _left(until)
            chunk = response.read1(min(_CHUNK, MAX_PAGE_BYTES - size))
            kept, size = kept + (chunk or b"\n"), size + len(chunk)
            if (found := _REVISION.search(kept)) is not None:
                revision = int(found[1])
                return revision if 0 < revision < 2**32 else None
            if not chunk:
                return None
            kept = kept[-_OVERLAP:]
    return None


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _within(seconds: float, since: float, now: float) -> bool:
    # A time in the future was written before the clock was set back.
    return 0 <= now - since < seconds


def newest_of(*versions: str) -> str:
    """The newest of dotted versions."""
    return max(versions, key=_numbers)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _time(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _times(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        return {}
    return {each: _time(at) for each, at in value.items() if _VERSION.fullmatch(each)}
