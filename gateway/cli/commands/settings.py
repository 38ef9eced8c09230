"""Implements `teimoso settings …`: shows all; writes one to the settings file and, for running processes, `runtime.json`."""

# ruff: noqa: PLC0415
# Heavy modules wait until their command runs, and typer reads the annotations at runtime.

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import output
from gateway.cli.options import DATA, Data, Json, directory

if TYPE_CHECKING:
    from actors.config.settings import Settings

app = typer.Typer(help="Settings of the instance.", no_args_is_help=True)

SETTINGS_FILE = "settings.env"
"""The settings file of an instance that was started without one."""

_PLAIN = re.compile(r"[\w./:@,+-]*", re.ASCII)


class SettingRefused(Exception):
    """A change of a setting was refused; the reason is a sentence for a person."""


@app.command("set")
def set_(
    given: Annotated[
        str, typer.Argument(metavar="NAME=VALUE", help="The setting and its new value.")
    ],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Change a setting for good: in the settings file, and in running processes where that can be.

    These take it up by themselves: DISK_RESERVE at once, WHATSAPP_VERSION at the next login.
    """
    from actors.config.settings import InvalidSettings

    name, equals, value = given.partition("=")
    if not equals:
        output.refuse("A setting is changed by NAME=VALUE.")
    try:
        file = change(directory(data), name.strip(), value.strip())
    except (SettingRefused, InvalidSettings) as refusal:
        output.refuse(str(refusal))
    except OSError as error:
        output.refuse(f"It cannot be written: {error.strerror or type(error).__name__}.")
    if as_json:
        output.plain({"name": name.strip(), "file": str(file)})
    else:
        output.console().print(f"Written to {file}.", soft_wrap=True)


@app.command()
def show(data: Data = DATA, as_json: Json = False) -> None:
    """List the settings with their values; of a secret only that it is set."""
    from actors.config.settings import LIVE, InvalidSettings
    from gateway.setting_texts import FIELD_NAMES, shown_value

    try:
        settings = _present(directory(data))
    except InvalidSettings as error:
        output.refuse(str(error))
    items = [
        {"name": name, "value": shown_value(getattr(settings, field)), "live": field in LIVE}
        for name, field in FIELD_NAMES.items()
    ]
    output.show(
        {"items": items, "next": None}, ("name", "value", "live"), as_json=as_json, empty="None."
    )


def change(data: Path, name: str, value: str) -> Path:
    """Change one setting of the instance in `data`; return the settings file that has it now.

    The file first: it is what the next start goes by. Raises `SettingRefused`, or `InvalidSettings` for
    an unknown name or a bad value; then nothing was changed. A crash in between leaves the file
    changed, and the next start takes it up.
    """
    from actors.config.settings import LIVE
    from actors.runtime.atomic_files import write_atomically
    from gateway.setting_texts import FIELD_NAMES
    from supervision.keeper.manifest import Plan
    from supervision.keeper.parts.process_specs import PROCESSES
    from supervision.reports import process_files

    if not data.is_dir():
        raise SettingRefused(f"There is no instance in {data}.")
    plan = Plan.load(data)
    named = Path(plan.settings_file) if plan is not None and plan.settings_file else None
    file = named or data / SETTINGS_FILE
    text = edited(file.read_text() if file.exists() else "", name, value)
    settings = _resolved(data, text)
    field = FIELD_NAMES.get(name)
    if field is None or field == "data":
        raise SettingRefused(f"{name} is not a setting of Teimoso that a file can change.")
    running = process_files.read(data, PROCESSES)
    if running and field not in LIVE:
        raise SettingRefused(
            f"{name} needs a restart: `teimoso down` first, then set it, then `up`."
        )
    keeper = next((entry.pid for entry in running if entry.role == "keeper"), None)
    if name in os.environ or name in _environment(keeper):
        raise SettingRefused(
            f"{name} is set in the environment, which is stronger: change it there."
        )
    write_atomically(file, text)
    if plan is not None and named is None:
        replace(plan, settings_file=str(file)).save(data)
    if running:
        present = type(settings).load(data)
        present.model_copy(update={field: getattr(settings, field)}).save()
    return file


def edited(text: str, name: str, value: str) -> str:
    """The settings file's text with this value; comments and all other lines stay."""
    if re.search(r"[\x00-\x1f\x7f]", value) or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
        raise SettingRefused("A setting is a NAME in capitals and a value on one line.")
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    line = f"{name}={value}" if _PLAIN.fullmatch(value) else f"{name}='{escaped}'"
    mine = re.compile(rf"\s*(export\s+)?{name}\s*=")
    lines = text.splitlines()
    places = [number for number, old in enumerate(lines) if mine.match(old)]
    kept = [old for number, old in enumerate(lines) if number not in places]
    kept.insert(places[0] if places else len(kept), line)
    return "\n".join(kept) + "\n"


def _resolved(data: Path, text: str) -> Settings:
    """The settings that the next start would have by this text."""
    from actors.config.sources import resolve_settings

    with tempfile.NamedTemporaryFile("w", dir=data, prefix=".settings.") as candidate:
        candidate.write(text)
        candidate.flush()
        return resolve_settings(Path(candidate.name), data=data)


def _present(data: Path) -> Settings:
    from actors.config.settings import Settings
    from supervision.keeper.manifest import Plan

    try:
        return Settings.load(data)
    except (OSError, ValueError):
        from actors.config.sources import resolve_settings

        plan = Plan.load(data)
        named = Path(plan.settings_file) if plan is not None and plan.settings_file else None
        return resolve_settings(named, data=data)


def _environment(pid: int | None) -> frozenset[str]:
    """The names in the environment that a process was started with, as far as that can be read."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes() if pid is not None else b""
    except OSError:
        return frozenset()
    return frozenset(
        entry.partition(b"=")[0].decode(errors="replace") for entry in raw.split(b"\0")
    )
