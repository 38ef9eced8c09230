"""Prepares files of the instance's own Ray head on loopback, builds command and environment, checks readiness."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from actors.runtime.atomic_files import write_atomically
from actors.runtime.private_directory import make_private
from supervision.keeper import log_rotation, secret_files
from supervision.keeper.code_digest import code_digest
from supervision.keeper.parts import probe, python_module, ray_command, ray_start_hook
from supervision.keeper.process import CommandLine
from supervision.ray_files import ADDRESS_FILE, TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

STORAGE = Path("ray") / "gcs"
"""The state of Ray: with it a restarted head knows its actors and restarts the root."""
CODE_DIGEST_FILE = Path("ray") / "code"
"""The digest of the code with which the head of `STORAGE` was started.

Ray's state has the pickled class of the root: it names modules that other code may lack.
"""

HEALTH = {
    "RAY_health_check_initial_delay_ms": "3000",
    "RAY_health_check_period_ms": "1500",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}
"""Settings by which Ray detects a frozen node in about 10 s and a dead one sooner; its defaults take minutes.

They are not lower, so that a busy node does not count as dead.
"""

REPORTS = {
    "RAY_io_context_monitor_probe_interval_ms": "10000",
    "RAY_task_events_report_interval_ms": "5000",
    "RAY_ray_events_report_interval_ms": "5000",
    "RAY_metrics_report_interval_ms": "30000",
    "REPORTER_UPDATE_INTERVAL_MS": "30000",
    "EVENT_AGENT_REPORT_INTERVAL_SECONDS": "5",
    "SCAN_EVENT_DIR_INTERVAL_SECONDS": "30",
    "METRICS_RECORD_INTERVAL_S": "30",
    "NODE_STATS_UPDATE_INTERVAL_SECONDS": "30",
}
"""Settings by which Ray's processes and dashboard poll and report less often than every 0.1 to 15 s.

The defaults wake them permanently. None of these detects a death or a hang.
"""

OBJECT_STORE = 80_000_000  # bytes: actors pass only references and small values
MAX_TEMPORARY_PATH_CHARACTERS = 36
"""Characters of a temporary directory: a Unix socket's path ends at 107 (Linux) or 103 (macOS),
and Ray appends up to 67."""

START_HOOK = f"{ray_start_hook.__name__}.{ray_start_hook.adjust.__name__}"

FALLBACK = Path("/tmp")  # noqa: S108 - Ray's files are in a private directory below it


def environment(data: Path) -> dict[str, str]:
    """Returns the environment of the head and of each process that joins it."""
    return {
        # Without this setting Ray replaces 127.0.0.1 by a public address, and
        # would then listen on all interfaces.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(data / TOKEN),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray starts actors at nice 15, behind everything else that its host does.
        "RAY_worker_niceness": "0",
        "RAY_ADDRESS": "",
        **python_module.paths(),
    }


def command(
    data: Path, ports: Mapping[str, int], log_bytes: int = 2**25, *, dashboard: bool = True
) -> CommandLine:
    """Writes token, address and directories; returns the command. No other head may run now.

    Ray rotates each of its logs at `log_bytes`. Without `dashboard` it waits until it is opened (`ray_dashboard`).
    """
    _prepare(data, ports["ray_gcs"])
    options = {
        "node-ip-address": "127.0.0.1",
        "port": ports["ray_gcs"],
        "node-manager-port": ports["ray_node_manager"],
        "object-manager-port": ports["ray_object_manager"],
        "dashboard-host": "127.0.0.1",
        "dashboard-port": ports["ray_dashboard"],
        "dashboard-agent-listen-port": ports["ray_agent"],
        "dashboard-agent-grpc-port": ports["ray_agent_grpc"],
        "runtime-env-agent-port": ports["ray_runtime_env"],
        "metrics-export-port": ports["ray_metrics"],
        "min-worker-port": 0,
        "max-worker-port": 0,
        "num-cpus": max(4, os.cpu_count() or 1),
        "object-store-memory": OBJECT_STORE,
        "temp-dir": temporary(data),
        "include-dashboard": str(dashboard).lower(),
        "include-log-monitor": "false",
        "log-color": "false",
    }
    # The monitor of an autoscaler, which does not exist here.
    flags = ("--no-monitor", *(f"--{name}={value}" for name, value in options.items()))
    return CommandLine(
        (sys.executable, "-P", "-m", ray_command.__name__, "start", "--head", *flags),
        {
            **environment(data),
            **HEALTH,
            **REPORTS,
            "RAY_START_HOOK": START_HOOK,
            "RAY_gcs_storage": "rocksdb",
            "RAY_gcs_storage_path": str(data / STORAGE),
            "RAY_kill_worker_timeout_milliseconds": "500",
            # Two heaps for all threads: otherwise each thread keeps the memory that it once used.
            "MALLOC_ARENA_MAX": "2",
            "RAY_ROTATION_MAX_BYTES": str(log_bytes),
            "RAY_ROTATION_BACKUP_COUNT": str(log_rotation.LOGS_KEPT),
            "DASHBOARD_METRIC_PORT": str(ports["ray_dashboard_metrics"]),
        },
    )


async def ready(ports: Mapping[str, int], *, dashboard: bool = True) -> bool:
    """Returns whether actors can be created: the head, its node and, where it starts with one, its dashboard answer.

    The request to the dashboard has no token: a refusal is an answer, too.
    """
    for name in ("ray_gcs", "ray_node_manager"):
        if not await probe.accepts(ports[name]):
            return False
    return not dashboard or await probe.get(ports["ray_dashboard"], "/api/version") is not None


def remembers(data: Path) -> bool:
    """Returns whether a head of the same code ran here before; then it restarts the root by itself."""
    return _remembers(data, code_digest())


def _remembers(data: Path, code: str) -> bool:
    storage, written_by = data / STORAGE, data / CODE_DIGEST_FILE
    if not storage.is_dir() or not any(storage.iterdir()) or not written_by.exists():
        return False
    return written_by.read_text() == code


def tidy(data: Path) -> None:
    """Removes the files of an ended head outside of the data directory.

    Logs of its last session go to ``ray/logs`` in the data directory.
    """
    place = temporary(data)
    if data in place.parents or not place.is_dir():
        return
    kept = data / "ray" / "logs"
    for session in sorted(place.glob("session_2*"))[-1:]:
        shutil.rmtree(kept, ignore_errors=True)
        with suppress(OSError):
            shutil.copytree(session / "logs", kept)
    shutil.rmtree(place, ignore_errors=True)


def temporary(data: Path) -> Path:
    """Returns the directory of Ray's sockets and logs: in the data directory if the sockets' paths fit.

    Ray lets all users write to it, and to those below it: the directory that it is in is the private one.
    """
    own = data / "ray" / "tmp"
    if len(str(own)) <= MAX_TEMPORARY_PATH_CHARACTERS:
        return own
    return FALLBACK / f"tmo-{os.getuid()}" / hashlib.sha256(str(data).encode()).hexdigest()[:10]


def _prepare(data: Path, port: int) -> None:
    code = code_digest()
    if not _remembers(data, code):
        # All actors died with the last head, so no living one is lost.
        shutil.rmtree(data / STORAGE, ignore_errors=True)
    place = temporary(data)
    for directory in (data / "ray", place.parent, data / STORAGE):
        make_private(directory)
    # Each start creates a directory of logs; those of the last session are kept for a diagnosis.
    for old in sorted(place.glob("session_2*"))[:-1]:
        shutil.rmtree(old, ignore_errors=True)
    secret_files.read_or_create(data / TOKEN, lambda: secrets.token_hex(32))
    write_atomically(data / CODE_DIGEST_FILE, code)
    write_atomically(data / ADDRESS_FILE, f"127.0.0.1:{port}\n")
