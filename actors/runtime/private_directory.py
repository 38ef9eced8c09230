"""Creates directories that only this process's user enters: what lies below them is out of other users' reach."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS: Final = 0o077
"""Rights of the group and of everybody else."""


def make_private(directory: Path) -> None:
    """Creates the directory with mode 0700, or takes all rights from others where it exists.

    Raises OSError, and PermissionError where it belongs to another user: they may change its mode at any time, and in
    ``/tmp`` they may have made it, or a link of that name, first.
    """
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700, parents=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise _refusal(directory, "it belongs to another user")
        if os.fstat(descriptor).st_mode & _OTHERS:
            os.fchmod(descriptor, 0o700)
        if os.fstat(descriptor).st_mode & _OTHERS:
            raise _refusal(directory, "other users may enter it, and its disk keeps no modes")
    finally:
        os.close(descriptor)


def _refusal(directory: Path, reason: str) -> PermissionError:
    return PermissionError(errno.EPERM, reason, str(directory))
