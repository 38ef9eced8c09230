"""The files around the code: workflows, forms, and what the distribution says of itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
BRIDGE = ROOT / "actors/connection/whatsmeow/bridge"
MAKEFILE = (ROOT / "Makefile").read_text()


def jobs(workflow: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(workflow.read_text())["jobs"]
    return found


def steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(workflow).values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda one: one.stem)
def test_the_first_line_says_that_no_runner_ran_it(workflow: Path) -> None:
    assert workflow.read_text().startswith("# No runner of GitHub has run it yet")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda one: one.stem)
def test_an_action_is_named_by_its_commit(workflow: Path) -> None:
    """A tag may be moved; the version stands behind the commit, for people."""
    lines = [line for line in workflow.read_text().splitlines() if "uses:" in line]
    assert len(lines) == sum("uses" in step for step in steps(workflow)) > 0
    for line in lines:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda one: one.stem)
def test_a_workflow_asks_for_what_it_needs(workflow: Path) -> None:
    """It reads the repository, keeps no token of it, and one job may prove to a registry what it is."""
    text = workflow.read_text()
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    for name, job in jobs(workflow).items():
        more = set(job.get("permissions", {}).items()) - {("contents", "read")}
        assert more == ({("id-token", "write")} if name == "publish" else set())
        assert job["timeout-minutes"] <= 120
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda one: one.stem)
def test_the_targets_of_make_are_there(workflow: Path) -> None:
    named = [
        word
        for step in steps(workflow)
        for line in step.get("run", "").splitlines()
        if line.startswith("make ")
        for word in line.split()[1:]
        if "=" not in word
    ]
    assert named
    assert not [target for target in named if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda one: one.stem)
def test_a_shell_reads_values_of_github_from_its_environment(workflow: Path) -> None:
    """A name of a branch or a tag, put into the text of a command, would be run."""
    assert [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")] == []


def test_a_release_names_the_repository_that_publishes_it() -> None:
    made = [
        step
        for step in steps(ROOT / ".github/workflows/release.yml")
        if "dist" in step.get("run", "").split()
    ]
    (step,) = made
    assert step["env"] == {"REPOSITORY": "${{ github.server_url }}/${{ github.repository }}"}
    assert 'REPOSITORY="$REPOSITORY"' in step["run"].split()


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/teimoso/teimoso",
        "https://example.org",
        "https://example.org/teimoso/teimoso/",
        "https://example.org/teimoso/teimoso.git",
        "git@example.org:teimoso/teimoso",
        'https://example.org/teimoso"',
        "https://example.org/teimoso|e",
    ],
)
def test_a_publication_is_refused_for_another_address(address: str, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    told = subprocess.run(
        [ROOT / ".ci/project-urls", tmp_path],
        env=os.environ | {"REPOSITORY": address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "https://HOST/PATH" in told.stderr
    assert address in told.stderr
    for name in ("pyproject.toml", "README.md"):
        assert (tmp_path / name).read_text() == (ROOT / name).read_text()


def test_the_tested_pythons_are_those_that_the_distribution_names() -> None:
    tested = jobs(ROOT / ".github/workflows/check.yml")["test"]["strategy"]["matrix"]["python"]
    start = "Programming Language :: Python :: 3."
    classifiers = PROJECT["project"]["classifiers"]
    assert tested == [
        f"3.{one.removeprefix(start)}" for one in classifiers if one.startswith(start)
    ]
    assert PROJECT["project"]["requires-python"] == f">={tested[0]}"


@pytest.mark.parametrize(
    "form", [one for one in FORMS if one.stem != "config"], ids=lambda one: one.stem
)
def test_a_form_is_one(form: Path) -> None:
    told = yaml.safe_load(form.read_text())
    assert told["name"]
    assert told["description"]
    asked = [part for part in told["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in asked}) == len(asked) > 0
    for part in asked:
        assert part["type"] in {"dropdown", "input", "textarea"}
        assert part["attributes"]["label"]


@pytest.mark.parametrize("package", ["actors", "gateway", "simulator", "supervision"])
def test_a_package_says_that_it_has_types(package: str) -> None:
    assert (ROOT / package / "py.typed").read_text() == ""


def test_nothing_names_a_host_for_the_project() -> None:
    """The project has no public address yet; `docs/contributing.md` gives the reason to readers."""
    assert "urls" not in PROJECT["project"]
    program = tomllib.loads((BRIDGE / "pyproject.toml").read_text())
    assert "urls" not in program["project"]
    reason = "the project has no public address yet"
    assert reason in " ".join((ROOT / "docs/contributing.md").read_text().split())
    assert PROJECT["project"]["authors"] == [{"name": "Teimoso contributors"}]
    for name in ("SECURITY.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md"):
        assert not re.search(r"https?://|\S+@\S+\.\S+", (ROOT / name).read_text()), name


def test_each_module_under_mutation_has_its_unit_test() -> None:
    """A module that moves takes its place in `make mutation` along."""
    mutated = PROJECT["tool"]["mutmut"]["only_mutate"]
    tests = [f"tests/unit/{Path(module).parent}/test_{Path(module).name}" for module in mutated]
    assert PROJECT["tool"]["mutmut"]["pytest_add_cli_args_test_selection"] == tests
    assert [each for each in [*mutated, *tests] if not (ROOT / each).exists()] == []


def test_the_tree_of_the_architecture_has_each_package() -> None:
    page = (ROOT / "docs/architecture.md").read_text().partition("## The tree")[2]
    shown: set[str] = set()
    path: list[str] = []
    for indent, name in re.findall(r"^( *)([\w/]+)/ ", page.split("```")[1], re.MULTILINE):
        path = [*path[: len(indent) // 2], name]
        shown.add("/".join(path))
    packages = {
        str(file.parent.relative_to(ROOT))
        for name in ("actors", "gateway", "supervision", "simulator")
        for file in (ROOT / name).rglob("__init__.py")
    }
    assert packages - shown == set()
    assert [each for each in shown if not (ROOT / each).is_dir()] == []


def test_without_go_the_checks_of_the_program_say_so() -> None:
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    told = subprocess.run(
        ["make", "-s", "check-go", "GO=/nowhere/go"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert told.returncode == 0, told.stderr
    assert "the checks of teimoso-whatsmeow are skipped" in told.stdout


def test_the_changelog_has_the_version_with_its_date() -> None:
    """A heading above it is of changes that no version has yet."""
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    dated = next(one for one in headings if one != "Unreleased")
    version, _, date = dated.partition(" - ")
    assert version == PROJECT["project"]["version"]
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", date)
