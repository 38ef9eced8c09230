"""The command line `teimoso`.

Declarations only at the top of its modules: what is heavy is loaded by the command that needs it,
so that `teimoso --help` answers at once.
"""

from __future__ import annotations


def main() -> None:
    """The entry point of the command `teimoso`."""
    from gateway.cli.app import app  # noqa: PLC0415 - the package itself stays cheap to import

    app()
