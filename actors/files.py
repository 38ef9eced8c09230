"""Small files that a reader sees whole: the old one or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


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
