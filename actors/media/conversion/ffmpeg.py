"""Runs ffmpeg on a caller's file, as a process bounded in time, memory, processor time and bytes that it writes.

ffmpeg opens what it is given and nothing else: lists of addresses or of other files are no formats that it may read. Its
output has no name on the disk, so that nothing is left of it whatever dies.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import signal
import tempfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from actors.runtime.limits.host_turns import HostTurns
from actors.runtime.limits.keyed_semaphores import KeyedSemaphores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from actors.config.settings import Settings

FFMPEG: Final = "ffmpeg"
SHORT_RUN_SECONDS: Final = 10.0
"""Seconds of a short run: a file that takes longer is begun anew as a long one."""

CONVERSIONS: Final = "conversions"
PREVIEWS: Final = "previews"
"""The kinds of runs, each with turns of its own: a thumbnail does not wait for the conversion of a video."""

MAX_ADDRESS_SPACE: Final = 1_500_000
"""Kilobytes of address space; a video of 1080 lines takes a third of it."""

_THREADS: Final = 2
_BOUNDED: Final = (
    'ulimit -v "$0" && ulimit -t "$1" && ulimit -f "$2" && shift 2 && exec nice -n 10 "$@"'
)
_BLOCK: Final = 512
"""Bytes in which POSIX's `ulimit -f` counts."""

_ENDED: Final = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 255})
"""Statuses of a run that was ended from outside, by a host without memory for one; 255 is ffmpeg's own for signals."""

_FORMATS: Final = (
    "aac,ac3,aiff,amr,asf,avi,caf,flac,flv,gif,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,wav,w64,"
    "jpeg_pipe,png_pipe,webp_pipe,bmp_pipe"
)
_READS: Final = (
    *("-nostdin", "-hide_banner", "-loglevel", "quiet", "-threads", str(_THREADS)),
    *("-max_alloc", str(256 * 2**20)),
    *("-protocol_whitelist", "file", "-format_whitelist", _FORMATS),
)


class NotInstalled(Exception):
    """ffmpeg is not installed on this host."""


class NotConverted(Exception):
    """ffmpeg cannot convert the file; the message says why, in words."""


class TooSlow(NotConverted):
    """ffmpeg was not done in time; on a host with less load it may succeed."""


class EndedOutside(TooSlow):
    """ffmpeg was ended before its time, by a host without memory, say."""


class _Bounds(NamedTuple):
    """The bounds of a run, which is ended at any of them; `size` is the bytes that it may write."""

    size: int
    seconds: float
    processor_seconds: int


def is_installed() -> bool:
    """Whether ffmpeg is found in PATH."""
    return shutil.which(FFMPEG) is not None


class Ffmpeg:
    """Reads a file and returns what ffmpeg makes of it. A run that breaks a bound is ended, and leaves nothing.

    A host has one short run and one long run at once, a unit one of both. Every file begins with a short one, so that a unit
    whose files take long holds up those of the others for `SHORT_RUN_SECONDS`, and then waits among its like for a long one.
    """

    def __init__(self, directory: Path, name: str) -> None:
        """Share the turns of this name with all processes that have the directory."""
        self._short_turns = HostTurns(directory, f"{name}-short", 1)
        self._long_turns = HostTurns(directory, f"{name}-long", 1)
        self._own_turns = KeyedSemaphores[str](1)

    async def run(
        self,
        source: Path | bytes,
        arguments: Sequence[str],
        *,
        unit: str,
        limit: int,
        within: float,
    ) -> bytes:
        """Return the output of these arguments as bytes. Raises as `make`."""
        with await self.make(source, arguments, unit=unit, limit=limit, within=within) as made:
            return await asyncio.to_thread(os.pread, made.fileno(), limit, 0)

    async def make(
        self,
        source: Path | bytes,
        arguments: Sequence[str],
        *,
        unit: str,
        limit: int,
        within: float,
        place: Path | None = None,
    ) -> IO[bytes]:
        """Return a file without a name that has the output of these arguments, of 1 to `limit` bytes; the caller closes it.

        The file is in the directory `place`, by default in that of temporary files. Runs of a `unit` come one after the other; each has `within` seconds
        from its last turn on. Raises `NotInstalled`, `NotConverted`, and OSError where the source is gone.
        """
        if not is_installed():
            raise NotInstalled
        bounds = _Bounds(limit, within, _THREADS * max(1, int(within)))
        short = bounds._replace(seconds=min(within, SHORT_RUN_SECONDS))
        async with self._own_turns.of(unit):
            try:
                async with self._short_turns.turn() as turn:
                    return await _made(source, arguments, turn, short, place)
            except TooSlow as error:
                if short == bounds or isinstance(error, EndedOutside):
                    raise
            async with self._long_turns.turn() as turn:
                return await _made(source, arguments, turn, bounds, place)


def of_host(settings: Settings, kind: str) -> Ffmpeg:
    """Return the runner for this kind of runs, which shares the turns of this host."""
    # Several hosts may share the data directory; each has turns of its own.
    name = f"{kind}-{platform.node()}" if settings.several_hosts else kind
    return Ffmpeg(settings.data, name)


async def _made(
    source: Path | bytes,
    arguments: Sequence[str],
    turn: int,
    bounds: _Bounds,
    place: Path | None,
) -> IO[bytes]:
    # Opened by number: from the ending of a name ffmpeg might choose a format that reads other files.
    made = tempfile.TemporaryFile(dir=place)  # noqa: SIM115 - the caller closes it
    try:
        with _opened(source) as given:
            given_file, made_file = (f"file:/dev/fd/{each.fileno()}" for each in (given, made))
            # A run that outlives this process keeps its turn.
            files = (given.fileno(), made.fileno(), turn)
            command = (FFMPEG, *_READS, "-i", given_file, *arguments, "-y", made_file)
            await _run(command, files, bounds)
        _require_output(made, bounds.size)
    except BaseException:
        made.close()
        raise
    return made


def _opened(source: Path | bytes) -> IO[bytes]:
    if not isinstance(source, bytes):
        return source.open("rb")
    given = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    given.write(source)
    given.flush()
    return given


async def _run(command: Sequence[str], files: Sequence[int], bounds: _Bounds) -> None:
    process = await asyncio.create_subprocess_exec(
        *(
            "/bin/sh",
            "-c",
            _BOUNDED,
            str(MAX_ADDRESS_SPACE),
            str(bounds.processor_seconds),
            str(bounds.size // _BLOCK + 1),
        ),
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        pass_fds=files,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath)},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(bounds.seconds):
            status = await process.wait()
    except TimeoutError:
        raise TooSlow(f"it takes longer than {bounds.seconds:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if status in {-signal.SIGXFSZ, 128 + signal.SIGXFSZ}:
        raise NotConverted(_too_large(bounds.size))
    if status in _ENDED:
        raise EndedOutside("it was ended before it was done")
    if status:
        raise NotConverted(
            "it is damaged, needs too much memory or time, or is of a format that is not read"
        )


def _require_output(made: IO[bytes], limit: int) -> None:
    size = os.fstat(made.fileno()).st_size
    if size > limit:
        raise NotConverted(_too_large(limit))
    if not size:
        raise NotConverted("nothing came of it")


def _too_large(limit: int) -> str:
    return f"it would have more than {limit} bytes"
