"""Runs `teimoso backup create --to`, `backup list --from` and `restore`: backups of a whole instance."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from actors.config.sections import bucket_address
from actors.config.settings import InvalidSettings, Settings
from actors.config.sources import resolve_settings
from actors.connection.backup.backup_format import Tampered
from actors.connection.backup.bucket.blocking_bucket import WITHOUT_ANSWER
from actors.connection.backup.bucket.port import BucketAway
from actors.connection.backup.keyring import Keyring, WrongKey
from actors.connection.backup.open_vault import open_target
from actors.connection.engine import EngineNotInstalled
from actors.connection.session.session import SessionDamaged, SessionTooNew, SessionUnavailable
from actors.redis.client import RedisAway
from actors.runtime.atomic_files import write_atomically
from actors.runtime.connection_ids import name_of
from actors.runtime.deletion_time import ordered_deletion_time
from actors.state.documents import StoreAway
from gateway.cli import output
from gateway.cli.backup.standstill import Standstill, end_process
from gateway.cli.commands.settings import SETTINGS_FILE, SettingRefused, edited
from gateway.cli.confirmation import confirm
from gateway.cli.instance.preparation import running
from gateway.http.response_base import rfc3339
from gateway.setting_texts import FIELD_NAMES
from supervision.backup import creation, restoration, unfinished
from supervision.backup.backup_store import BackupStore, in_the_past
from supervision.backup.creation import BackupFailed
from supervision.backup.restoration import CannotRestore
from supervision.jobs.backup_redis import mark_of
from supervision.keeper.manifest import Plan, UnreadableManifest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from supervision.backup.backup_store import BackupName, LeftOut, Manifest
    from supervision.backup.creation import Made

T = TypeVar("T")

INCOMPLETE = 3
"""The exit status where a backup was made, and lacks a session, or has one as it was before."""

_KEPT_BY_THE_KEEPER = {
    "valkey": ("redis_url", "redis_host", "redis_port", "redis_password"),
    "simulate": ("whatsapp_url", "whatsapp_root_key", "whatsapp_media_authority"),
}
"""Settings that the keeper writes itself, by the parts of which it knows them."""


def create(data: Path, to: str, keep: int | None, *, yes: bool, as_json: bool) -> None:
    """Make a backup of the instance in `data`; it may run or not. Ask before older ones are deleted."""
    sentence = (
        f"The disk of {data} or the target {to} does not answer. `teimoso backup list --from {to}` shows the backups"
        " that are whole; the next one finds what this one has stored."
    )

    async def created() -> Made:
        if keep is not None:
            there: list[BackupName] = []
            with suppress(OSError):  # the backup fails of it, by a sentence
                there = await store.names(await asyncio.to_thread(mark_of, data))
                there = in_the_past(there, ordered_deletion_time(data))
            if older := there[: max(len(there) + 1 - keep, 0)]:
                with standstill.paused():
                    confirm(
                        f"Keeping {keep} in {to}", [f"the backup {one}" for one in older], yes=yes
                    )
        return await creation.create(settings, store, runs=runs, keep=keep)

    with Standstill(sentence) as standstill:
        settings = _settings_of(data)
        databases = (file for pattern in ("*.db", "*/*.db") for file in data.glob(pattern))
        standstill.allow(max((file.stat().st_size for file in databases), default=0))
        store = _store(settings, to, make=True, watch=standstill)
        runs = _runs(data)
        made = _done(created(), standstill.run)
    if as_json:
        left_out = _shown(made.left_out)
        output.plain({**made._asdict(), "name": str(made.name), "left_out": left_out})
    else:
        output.console().print(
            f"{made.name}: {made.files} files of {made.size} bytes, {made.added} of them new there;"
            f" backups there: {made.kept}."
        )
    if made.left_out:
        output.refuse("\n".join(map(_sentence, made.left_out)), INCOMPLETE)


def _shown(left_out: Sequence[LeftOut]) -> list[dict[str, Any]]:
    """The sessions that are not in a backup as they were then, for programs."""
    return [asdict(each) | {"copied_at": rfc3339(each.at)} for each in left_out]


def _sentence(one: LeftOut) -> str:
    """Tell a person that a session is not in a backup as it was then."""
    if one.at is None:
        instead = "no backup has it"
    else:
        instead = f"as it was at {output.moment(one.at)} it is in the backup"
    return f"The session of {name_of(one.connection)} cannot be copied ({one.code}): {instead}."


def show(source: str, data: Path, as_json: bool) -> None:
    """List the backups in a target, each with the sessions that it lacks or has as they were before."""
    with Standstill(f"The target {source} does not answer.") as standstill:
        store = _store(_settings_of(data), source, watch=standstill)
        items = _done(_listed(store), standstill.run)
    columns = ("copy", "at", "state", "left_out")
    if not as_json:
        for item in items:
            item["left_out"] = [
                f"{name_of(one['connection'])} ({one['code']})" for one in item["left_out"]
            ]
    output.show({"items": items}, columns, as_json=as_json, empty="There is no backup.")


async def _listed(store: BackupStore) -> list[dict[str, Any]]:
    """Describe each backup; one whose list cannot be read has the code of the reason as its state.

    One that is later than now is `in_future`: a clock that was ahead made it, or this one is behind.
    """
    items = []
    for name in await store.names():
        left_out: tuple[LeftOut, ...] = ()
        try:
            left_out = (await store.read(name)).left_out
            state = "incomplete" if left_out else "complete"
        except (Tampered, WrongKey) as error:
            state = error.code
        if not in_the_past([name], time.time()):
            state = "in_future"
        items.append(
            {
                "copy": str(name),
                "at": rfc3339(name.at),
                "state": state,
                "left_out": _shown(left_out),
            }
        )
    return items


def _announce(manifest: Manifest) -> None:
    """Name on stderr the sessions that a restore will not have as they were when the backup was made."""
    for one in manifest.left_out:
        relink = " Its account has to be linked again." if one.copied_at is None else ""
        sys.stderr.write(f"{_sentence(one)}{relink}\n")


def restore(source: str, named: str | None, data: Path, file: Path | None, as_json: bool) -> None:
    """Fill an empty directory from a backup."""
    try:
        settings = resolve_settings(file, data=data)
    except InvalidSettings as error:
        output.refuse(str(error))
    if running(data):
        output.refuse(f"An instance runs in {data}.")
    store = _store(settings, source)
    restored = _done(restoration.restore(data, store, named, _announce))
    own_redis = _remember_settings(data, settings)
    unfinished.finish(data)
    if as_json:
        output.plain(
            {
                "copy": str(restored.name),
                "files": restored.files,
                "connections": restored.connections,
                "left_out": _shown(restored.left_out),
                **restored.ended._asdict(),
            }
        )
        return
    tell = output.console().print
    tell(
        f"{data} has the instance of {restored.name}: `teimoso up --data {data}` goes on from there."
    )
    tell("Sent, accepted or received after that is not in it, but for what the state store had.")
    if own_redis:
        tell(f"Its Redis is another server: load {data / 'valkey/appendonlydir'} there first.")


def _remember_settings(data: Path, given: Settings) -> bool:
    """Write the settings file that the next start reads; whether they name a Redis."""
    plan = Plan.load(data) or Plan(port=given.port)
    settings = Settings.load(data)
    left = {
        name for part, names in _KEPT_BY_THE_KEEPER.items() if getattr(plan, part) for name in names
    }
    text = ""
    for name, field in FIELD_NAMES.items():
        value = getattr(settings, field)
        if field in {"data", "port", "teimoso_api_key", *left}:
            continue
        if value != _default(field, settings):
            text = edited(text, name, _written(value))
    write_atomically(data / SETTINGS_FILE, text)
    replace(plan, ports={}, settings_file=str(data / SETTINGS_FILE)).save(data)
    return not plan.valkey


def _default(field: str, settings: Settings) -> Any:
    return Settings.model_fields[field].get_default(
        call_default_factory=True, validated_data=dict(settings)
    )


def _written(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _settings_of(data: Path) -> Settings:
    try:
        return Settings.load(data)
    except (OSError, ValueError):
        pass
    try:
        return resolve_settings(data=data)
    except InvalidSettings as error:
        output.refuse(str(error))


def _runs(data: Path) -> bool:
    """Whether Redis is there to be asked: another server's, or the instance's own one while it runs."""
    if not data.is_dir():
        output.refuse(f"There is no instance in {data}.")
    try:
        plan = Plan.load(data)
    except UnreadableManifest as error:
        output.refuse(str(error))
    if plan is None:
        output.refuse(f"There is no instance in {data}.")
    return not plan.valkey or bool(running(data))


def _store(
    settings: Settings, address: str, *, make: bool = False, watch: Standstill | None = None
) -> BackupStore:
    if settings.session_encryption_key is None:
        output.refuse(
            "SESSION_ENCRYPTION_KEY is not set. An instance takes it when it starts: `teimoso down`, then"
            " `teimoso up` with it in the environment or the settings. A restore takes the same key."
        )
    try:
        address = bucket_address.read(address)
    except ValueError as error:
        output.refuse(f"{address} names no target: it {error}.")
    directory = bucket_address.directory_of(address)
    if directory is not None and not directory.is_dir():
        if not make:
            output.refuse(f"There is no directory {directory}.")
        try:
            directory.mkdir(mode=0o700, parents=True)
        except OSError as error:
            output.refuse(f"{directory} cannot be made: {error.strerror}.")
    keyring = Keyring.of(settings.session_encryption_key.get_secret_value())
    bucket = open_target(address)
    return BackupStore(bucket if watch is None else watch.watched(bucket), keyring)


def _done(
    work: Coroutine[Any, Any, T], run: Callable[[Coroutine[Any, Any, T]], T] = asyncio.run
) -> T:
    """Return the result of `work`; end the command with a sentence where it fails."""
    try:
        return run(work)
    except BucketAway as away:
        sentence = f"The target does not answer: {away.reason}."
        if away.reason in WITHOUT_ANSWER:
            end_process(sentence)
        output.refuse(sentence)
    except (
        BackupFailed,
        CannotRestore,
        WrongKey,
        Tampered,
        SettingRefused,
        UnreadableManifest,
    ) as refusal:
        output.refuse(str(refusal))
    except (RedisAway, StoreAway) as error:
        output.refuse(f"The restored instance does not answer: {error}.")
    except (SessionDamaged, SessionTooNew, SessionUnavailable, EngineNotInstalled) as error:
        output.refuse(f"A session cannot be restored: {error.code}.")
