"""Writes small files atomically, and locks files for one process at a time."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPORARY_PREFIX: Final = ".tmp-"
"""Prefix of the name of a file that is being written in a store; files of dead writers are removed later."""


def write_atomically(file: Path, text: str, *, synced: bool = True) -> None:
    """Replace `file` (mode 0600: some hold secrets) so that not even a power cut leaves a half.

    Not `synced`, a power cut may leave nothing of it; for what is soon written again.
    Raises OSError, and then `file` is as it was and nothing is left beside it.
    """
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
            stream.flush()
            if synced:
                os.fsync(stream.fileno())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Whether this process is the one that holds `path`; it ends with the block or the process."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def begin_scratch(target: Path) -> tuple[int, Path]:
    """A new file beside `target` to write it in, for its owner alone: descriptor, and where it is.

    It is held while the descriptor is open, so that `clear_scratch` distinguishes it from files that killed
    processes left. Raises OSError.
    """
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor, scratch


def clear_scratch(directory: Path, targets: re.Pattern[str]) -> int:
    """Remove what killed processes left of `begin_scratch` for such targets; how many there were.

    Raises OSError.
    """
    left = 0
    for file in directory.iterdir():
        parts = re.fullmatch(r"\.(.+)\.\d+", file.name)
        if parts is None or not targets.fullmatch(parts[1]) or file.is_symlink():
            continue
        with suppress(FileNotFoundError), held(file) as ours:
            if ours:
                file.unlink()
                left += 1
    return left
