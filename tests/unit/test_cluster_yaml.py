"""`cluster.yaml` is what Ray's launcher accepts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
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
