"""The command of the Ray head: loopback, own ports, own token, a short directory."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import ray
from ray._common.utils import load_class
from ray._private.parameter import RayParams

from supervision.keeper.parts import ports, ray_command, ray_head
from supervision.ray_files import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTS = dict(zip(ports.PORT_NAMES, range(25_000, 25_100), strict=False))
SOCKET = "/session_2026-11-24_16-16-00_347483_4194303/sockets/plasma_store"


@pytest.fixture
def short() -> Iterator[Path]:
    data = Path(tempfile.mkdtemp(prefix="tmo-"))
    yield data
    shutil.rmtree(data)


def test_it_stays_on_this_host_with_a_token_of_its_own(short: Path) -> None:
    command = ray_head.command(short, PORTS)
    assert "--node-ip-address=127.0.0.1" in command.arguments
    assert "--dashboard-host=127.0.0.1" in command.arguments
    for name in ports.RAY_PORTS:
        port = str(PORTS[name])
        given = [one for one in command.arguments if one.endswith(f"={port}")]
        assert given or port in command.environment.values(), name
    token = short / TOKEN
    assert command.environment["RAY_AUTH_MODE"] == "token"
    assert command.environment["RAY_AUTH_TOKEN_PATH"] == str(token)
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text()) == 64
    assert token.read_text() not in " ".join(command.arguments)
    before = token.read_text()
    ray_head.command(short, PORTS)
    assert token.read_text() == before


def test_the_dashboard_can_be_left_out(short: Path) -> None:
    assert "--include-dashboard=true" in ray_head.command(short, PORTS).arguments
    assert "--include-dashboard=false" in ray_head.command(short, PORTS, dashboard=False).arguments


def test_no_server_for_ray_clients_is_started(short: Path) -> None:
    environment = ray_head.command(short, PORTS).environment
    hook = load_class(environment["RAY_START_HOOK"])
    parameters = RayParams(ray_client_server_port=10_001)
    hook(parameters, True)
    assert parameters.ray_client_server_port is None


def test_workers_are_started_by_the_file_that_defers_what_they_do_not_use(short: Path) -> None:
    hook = load_class(ray_head.command(short, PORTS).environment["RAY_START_HOOK"])
    parameters = RayParams()
    hook(parameters, True)
    assert parameters.worker_path is not None
    shown = "import sys, json; print(json.dumps([name for name in sys.modules if type(sys.modules[name])"
    shown += ".__name__ != '_LazyModule']))"
    code = (
        f"import runpy; runpy.run_path({parameters.worker_path!r});"
        "from supervision.keeper.parts import worker_imports; worker_imports.prepare();"
        f"import ray; {shown}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "ray._private.runtime_env.plugin_schema_manager" in loaded
    assert not {"jsonschema", "referencing", "rpds"} & set(loaded)


def test_it_is_started_without_the_modules_of_commands_that_no_part_uses(short: Path) -> None:
    *python, _, name = ray_head.command(short, PORTS).arguments[:4]
    code = (
        f"import atexit, runpy, sys; sys.argv[:] = ['ray', 'start', '--help'];"
        "atexit.register(lambda: print(*sys.modules, sep='\\n'));"
        f"runpy.run_module({name!r}, run_name='__main__')"
    )
    done = subprocess.run([*python, "-c", code], capture_output=True, text=True, check=True)
    assert "--include-dashboard" in done.stdout
    loaded = set(done.stdout.splitlines())
    assert "ray.autoscaler" in loaded
    assert not {"ray.serve", "ray.util.state.api", "ray.dashboard.modules.job.sdk"} & loaded
    for each in ray_command.UNUSED:
        assert Path(ray.__file__).parents[1].joinpath(*each.split(".")).with_suffix(".py").exists()


def test_state_of_ray_is_kept_for_the_same_code_only(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the root's class by the names of modules, which other code may not have."""
    ray_head.command(short, PORTS)
    assert not ray_head.remembers(short)
    state = short / ray_head.STORAGE / "CURRENT"
    state.touch()
    ray_head.command(short, PORTS)
    assert ray_head.remembers(short)
    assert state.exists()
    monkeypatch.setattr(ray_head, "code_digest", lambda: "another release")
    assert not ray_head.remembers(short)
    ray_head.command(short, PORTS)
    assert not state.exists()
    state.touch()
    (short / ray_head.CODE_DIGEST_FILE).unlink()
    assert not ray_head.remembers(short)


def test_sockets_have_short_paths_whatever_the_data_directory_is() -> None:
    short, long = Path("/srv/teimoso"), Path("/srv") / ("x" * 100)
    assert ray_head.temporary(short) == short / "ray" / "tmp"
    assert ray_head.temporary(long) != ray_head.temporary(long / "y")
    for data in (short, long):
        assert len(str(ray_head.temporary(data)) + SOCKET) <= 103


def test_no_log_of_it_grows_for_ever(short: Path) -> None:
    environment = ray_head.command(short, PORTS, 70_000).environment
    assert environment["RAY_ROTATION_MAX_BYTES"] == "70000"
    assert environment["RAY_ROTATION_BACKUP_COUNT"] == "4"


def test_old_logs_do_not_pile_up(short: Path) -> None:
    place = ray_head.temporary(short)
    for number in range(4):
        (place / f"session_2026-11-24_16-16-0{number}_1_1").mkdir(parents=True)
    ray_head.command(short, PORTS)
    assert [one.name for one in place.iterdir()] == ["session_2026-11-24_16-16-03_1_1"]


def test_what_lies_outside_of_the_data_directory_is_tidied_away(tmp_path: Path) -> None:
    data = tmp_path / ("x" * 100)
    ray_head.command(data, PORTS)
    place = ray_head.temporary(data)
    assert place.parent.stat().st_mode & 0o777 == 0o700  # Ray lets all users write to `place`
    try:
        logs = place / "session_2026-11-24_16-16-00_1_1" / "logs"
        logs.mkdir(parents=True)
        (logs / "raylet.out").write_text("said")
        ray_head.tidy(data)
        assert not place.exists()
        assert (data / "ray" / "logs" / "raylet.out").read_text() == "said"
        ray_head.tidy(data)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def test_a_short_directory_keeps_its_logs(short: Path) -> None:
    ray_head.command(short, PORTS)
    assert (short / "ray").stat().st_mode & 0o777 == 0o700
    ray_head.temporary(short).mkdir()
    ray_head.tidy(short)
    assert (short / "ray" / "tmp").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's directory needs root")
def test_a_place_that_another_user_made_first_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_head, "FALLBACK", tmp_path)
    place = ray_head.temporary(data := tmp_path / ("x" * 100))
    place.parent.mkdir(mode=0o777)
    os.chown(place.parent, 65_534, 65_534)
    with pytest.raises(PermissionError, match="belongs to another user"):
        ray_head.command(data, PORTS)
    assert not place.exists()
