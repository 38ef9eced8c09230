"""`cluster.yaml` is what Ray's launcher accepts, and starts Ray as the keeper starts its own."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from supervision.keeper.parts import ray_head

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "cluster.md"
CHECK = """
import sys, yaml
from ray.autoscaler._private.util import prepare_config, validate_config
validate_config(prepare_config(yaml.safe_load(open(sys.argv[1]))))
"""


def check(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHECK, path], capture_output=True, text=True, check=False
    )


def test_ray_accepts_it() -> None:
    done = check(ROOT / "cluster.yaml")
    assert done.returncode == 0, done.stderr


def test_ray_refuses_an_unknown_key(tmp_path: Path) -> None:
    broken = tmp_path / "cluster.yaml"
    broken.write_text((ROOT / "cluster.yaml").read_text() + "\nnodes: 3\n")
    assert check(broken).returncode != 0


def written() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    return found


def schema() -> dict[str, Any]:
    """Ray's own, found without loading Ray."""
    spec = importlib.util.find_spec("ray")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    file = Path(spec.submodule_search_locations[0]) / "autoscaler" / "ray-schema.json"
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_it_is_what_ray_s_schema_wants() -> None:
    jsonschema.validate(written(), schema())


@pytest.mark.parametrize(
    "wrong", [{"max_workers": "two"}, {"auth": "teimoso"}, {"setup_commands": 3}, {"nodes": 3}]
)
def test_the_schema_refuses_what_is_wrong(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written() | wrong, schema())


def test_a_dead_node_is_noticed_as_by_the_instance_s_own_head() -> None:
    head = " ".join(written()["head_start_ray_commands"])
    for name, value in ray_head.HEALTH.items():
        assert f"{name}={value}" in head
    own = ray_head.environment(Path("/srv/teimoso"))
    for command in (head, " ".join(written()["worker_start_ray_commands"])):
        for name in ("RAY_AUTH_MODE", "RAY_USAGE_STATS_ENABLED", "RAY_worker_niceness"):
            assert f"{name}={own[name]}" in command


def test_ray_s_files_are_in_the_private_data_directory_of_each_machine() -> None:
    """Ray lets all users write to its own directory."""
    commands = (written()["head_start_ray_commands"], written()["worker_start_ray_commands"])
    starts = [command for each in commands for command in each if " start " in command]
    starts += re.findall(r"^\w+\$ .* ray start .*$", PAGE.read_text(), re.MULTILINE)
    [data] = set(re.findall(r"teimoso up .* --data (\S+)", PAGE.read_text()))
    assert len(starts) == 4
    for start in starts:
        assert f" --temp-dir={data}/ray" in start
    assert len(f"{data}/ray") <= ray_head.MAX_TEMPORARY_PATH_CHARACTERS
    assert f"install -d -m 700 {data}" in written()["setup_commands"]
    assert len(re.findall(rf"(?m)^(?:head|far)\$ install -d -m 700 {data}$", PAGE.read_text())) == 2


def test_the_first_line_says_that_no_launcher_ran_it() -> None:
    first = (ROOT / "cluster.yaml").read_text().partition("\n")[0]
    assert "launcher" in first
    assert "not run it yet" in first


def test_the_head_keeps_its_state_outside_of_itself_and_of_the_queue() -> None:
    page = PAGE.read_text()
    [queue] = re.findall(r"^redis\$ valkey-server --bind (\S+)", page, re.MULTILINE)
    [place] = re.findall(
        r"RAY_REDIS_ADDRESS=(\S+):", " ".join(written()["head_start_ray_commands"])
    )
    assert place not in {queue, written()["provider"]["head_ip"]}


def test_its_machines_are_those_of_the_page() -> None:
    page = PAGE.read_text()
    [address] = re.findall(r"^head\$ echo RAY_ADDRESS=(\S+)", page, re.MULTILINE)
    head, port = address.split(":")
    assert written()["provider"] | {"type": "local"} == {
        "type": "local",
        "head_ip": head,
        "worker_ips": re.findall(r"^far\$ .* --node-ip-address=(\S+)", page, re.MULTILINE),
    }
    assert f" --port={port}" in " ".join(written()["head_start_ray_commands"])
    assert f"$RAY_HEAD_IP:{port}" in " ".join(written()["worker_start_ray_commands"])
