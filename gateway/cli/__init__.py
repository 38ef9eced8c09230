"""Implements the command line `teimoso`: `app` declares the commands, the packages carry the commands out.

No heavy import is at the top of a module: the command that needs one loads it, so that `teimoso
--help` answers at once. The processes that commands start are `supervision/keeper`.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The entry point of the command `teimoso`: a command that cannot be done ends with one sentence."""
    # The package itself stays cheap to import.
    from actors.runtime import logs  # noqa: PLC0415
    from gateway.cli.app import command  # noqa: PLC0415
    from supervision.keeper.manifest import UnreadableManifest  # noqa: PLC0415

    if any("\udc80" <= character <= "\udcff" for word in sys.argv for character in word):
        _end("An argument is not text in UTF-8.", 2)
    logs.configure(sys.stderr, "warning")  # the output is for programs
    try:
        command()()
    except UnreadableManifest as error:
        _end(str(error), 1)


def _end(sentence: str, status: int) -> None:
    sys.stderr.write(sentence + "\n")
    sys.exit(status)
