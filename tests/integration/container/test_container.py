"""`Dockerfile`, `.dockerignore` and `compose.yaml` as files: who runs, what may be written, what is left out."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from actors.config.settings import Settings
from gateway.cli.service.units import STOP_SECONDS
from tests.integration.container.dockerfile import DOCKERFILE, ROOT, stages

IGNORED = ROOT / ".dockerignore"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICE: dict[str, Any] = COMPOSE["services"]["teimoso"]
IMAGE = stages()[-1]


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", "compose.yaml"])
def test_the_first_line_says_that_no_engine_ran_it(name: str) -> None:
    first = (ROOT / name).read_text().partition("\n")[0]
    assert first.startswith("# ")
    assert "Docker engine" in first
    assert " yet" in first


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    program = ROOT / ".venv/hadolint/bin/hadolint"
    if not program.exists():
        pytest.skip(
            "hadolint is not installed: `make setup-test` does it where there is one for the platform"
        )
    done = subprocess.run(
        [program, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_compose_is_as_its_specification_has_it() -> None:
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(COMPOSE)


def test_the_service_runs_as_a_user_who_owns_the_data_alone() -> None:
    (made,) = IMAGE.all("RUN")
    user, _, group = IMAGE.the("USER").text.partition(":")
    assert user == group
    assert int(user) > 0
    assert f"useradd --uid {user} --gid teimoso " in made.text
    assert f"groupadd --gid {group} teimoso " in made.text
    assert "install --directory --owner teimoso --group teimoso --mode 700 /data" in made.text
    assert IMAGE.instructions.index(IMAGE.the("USER")) > IMAGE.instructions.index(made)
    assert not any("chown" in copied.text for copied in IMAGE.all("COPY"))


def test_the_data_directory_is_the_only_place_that_lasts() -> None:
    assert IMAGE.the("VOLUME").words == ["/data"]
    assert "TEIMOSO_DATA=/data" in IMAGE.the("ENV").words
    assert SERVICE["volumes"] == ["data:/data"]
    assert SERVICE["read_only"] is True
    assert SERVICE["tmpfs"] == ["/tmp"]
    assert SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]


def test_the_port_is_the_same_everywhere_and_on_loopback_of_the_host() -> None:
    port = Settings.model_fields["port"].default
    assert IMAGE.the("EXPOSE").text == SERVICE["environment"]["PORT"] == str(port)
    assert f"http://127.0.0.1:{port}/health/ready" in IMAGE.the("HEALTHCHECK").text
    assert SERVICE["ports"] == [f"127.0.0.1:{port}:{port}"]
    published = [
        entry
        for name, service in COMPOSE["services"].items()
        for entry in service.get("ports", ())
        if name != "caddy"
    ]
    assert all(entry.startswith("127.0.0.1:") for entry in published)


def test_a_stop_has_the_time_of_the_unit_s() -> None:
    assert SERVICE["stop_grace_period"] == f"{STOP_SECONDS}s"


def test_no_key_is_in_the_output_of_the_container() -> None:
    assert IMAGE.the("CMD").words[-1].endswith("exec teimoso up >/dev/null")


def test_compose_without_a_profile_starts_the_service_alone() -> None:
    plain = [name for name, service in COMPOSE["services"].items() if "profiles" not in service]
    assert plain == ["teimoso"]
    assert SERVICE["depends_on"]["redis"]["required"] is False


def test_redis_keeps_what_it_acknowledges() -> None:
    command = " ".join(COMPOSE["services"]["redis"]["command"])
    for flag in ("appendonly yes", "appendfsync always", "maxmemory-policy noeviction"):
        assert f"--{flag}" in command


def test_what_compose_mounts_of_the_tree_is_there() -> None:
    """But the key, which is made for each instance."""
    mounted = [
        entry["source"] if isinstance(entry, dict) else entry.partition(":")[0]
        for service in COMPOSE["services"].values()
        for entry in service.get("volumes", ())
    ]
    files = [entry for entry in mounted if entry.startswith("./")]
    assert [entry for entry in files if not (ROOT / entry).exists()] == ["./grafana/teimoso.key"]
    named = {entry for entry in mounted if not entry.startswith("./")}
    assert named == set(COMPOSE["volumes"])
    assert (ROOT / ".gitignore").read_text().splitlines().count("grafana/teimoso.key") == 1


def test_the_image_takes_the_files_that_its_steps_copy() -> None:
    """`.dockerignore` leaves out all that it does not name; each copied path is one that it names."""
    lines = [line for line in IGNORED.read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    taken = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        path
        for stage in stages()
        for copy in stage.all("COPY")
        if not copy.text.startswith("--from=")
        for path in copy.words[:-1]
    }
    assert taken == copied - {"actors/connection/whatsmeow/bridge"}
    assert all((ROOT / path).exists() for path in copied)


def test_the_program_under_the_gpl_comes_with_its_source() -> None:
    """No workflow publishes an image yet."""
    assert "/programs/*.tar.gz /usr/share/doc/teimoso-whatsmeow/" in DOCKERFILE.read_text()
    workflows = (ROOT / ".github/workflows").glob("*.yml")
    assert not any("docker" in file.read_text().lower() for file in workflows)


def test_its_python_is_the_oldest_that_the_project_takes() -> None:
    assert {stage.base for stage in stages()} == {"python:3.11-slim-bookworm"}


def test_the_steps_are_scripts_that_a_shell_reads() -> None:
    for stage in stages():
        for step in stage.all("RUN"):
            read = subprocess.run(
                ["sh", "-n", "-c", step.text], capture_output=True, text=True, check=False
            )
            assert read.returncode == 0, read.stderr
