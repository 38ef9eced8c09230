"""Builds the text of the systemd unit file that runs `teimoso up`, from the instance's settings (pure).

systemd keeps `teimoso up`, that keeps the keeper, and the keeper the rest. So the unit holds no part
by itself: when one of them dies alone, connections stay open and the next start attaches to them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil, log2
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from actors.config.settings import Settings

Scope = Literal["system", "user"]

UNIT_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,60}", re.ASCII)
MEMORY_PATTERN = re.compile(r"([1-9][0-9]{0,14}[KMGT]?|[1-9][0-9]?%|infinity)", re.ASCII)
STOP_SECONDS = 150
"""Seconds that a stop may take: the drain, Ray, the simulator and Valkey, each with its own."""

_TEXT = """\
# Written by `teimoso service install`; `teimoso service uninstall` removes it.
[Unit]
Description=Teimoso, a WhatsApp Web service that always gets up again ({data})
Wants=network-online.target
After=network-online.target
# max_restarts and min_uptime: {limit} lives shorter than MIN_UPTIME in a row, and it is left `failed`.
StartLimitBurst={limit}
StartLimitIntervalSec={interval}

[Service]
Type=exec
ExecStart={up}
{user}UMask=0077
# Its parts log under logs/; what it says itself would show the first API key.
StandardOutput=null
StandardError=journal
# exp_backoff_restart_delay: the pause doubles up to RESTART_BACKOFF_CAP, from systemd 254 on; with an
# older one it stays RestartSec=.
Restart=on-failure
RestartSec={base}ms
RestartSteps={steps}
RestartMaxDelaySec={cap}ms
# A stop asks `up` alone, which drains and ends the rest. When `up` dies instead, nothing else ends, and
# the next one attaches to what runs: so there is no ExecStop=, which systemd would run then as well.
KillMode=process
TimeoutStopSec={stop}
# max_memory_restart holds for each process by itself (MAX_MEMORY_RESTART={each}); this for them all.
# What the kernel ends is started again alone.
MemoryMax={memory}
OOMPolicy=continue
LimitNOFILE=65536
TasksMax=infinity
NoNewPrivileges=yes

[Install]
WantedBy={target}
"""


@dataclass(frozen=True)
class Unit:
    """A unit's command, user and directory."""

    scope: Scope
    command: Path
    data: Path
    settings_file: Path | None = None
    user: str | None = None
    memory: str = "90%"

    def text(self, settings: Settings) -> str:
        """The unit file by the restart settings of the instance."""
        flags = ("--data", str(self.data))
        file = () if self.settings_file is None else ("--settings", str(self.settings_file))
        base, cap = settings.restart_backoff_base, settings.restart_backoff_cap
        return _TEXT.format(
            data=_value(str(self.data)),
            limit=settings.max_restarts,
            interval=interval(settings),
            up=_words(str(self.command), "up", *flags, *file),
            user=f"User={_value(self.user)}\n" if self.user and self.scope == "system" else "",
            base=base,
            cap=max(cap, base),
            steps=max(1, ceil(log2(cap / base))) if cap > base else 1,
            stop=STOP_SECONDS,
            each=settings.max_memory_restart,
            memory=self.memory,
            target="multi-user.target" if self.scope == "system" else "default.target",
        )


def interval(settings: Settings) -> int:
    """Seconds that MAX_RESTARTS lives of MIN_UPTIME take with the longest pause behind each."""
    longest = settings.min_uptime + max(settings.restart_backoff_cap, settings.restart_backoff_base)
    return ceil(settings.max_restarts * longest / 1000)


def directory(scope: Scope, root: Path, home: Path) -> Path:
    """The directory of unit files; `root` is the tree of another system where it is not ``/``."""
    if scope == "system":
        return root / "etc" / "systemd" / "system"
    if str(root) != "/":
        return root / "etc" / "systemd" / "user"
    return home / ".config" / "systemd" / "user"


def _words(*words: str) -> str:
    return " ".join(_word(word) for word in words)


def _word(word: str) -> str:
    """A word of a command line: nothing in it is a specifier, a variable or an end."""
    plain = _value(word).replace("$", "$$")
    if re.fullmatch(r"[\w./:@,+=%$-]+", plain):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _value(text: str) -> str:
    return text.replace("%", "%%")
