"""`make whatsmeow-bump` on a small tree: real `go`, a module proxy in files, checks that the library passes or not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed"),
]

SCRIPT = Path(__file__).parents[2] / ".ci/whatsmeow-bump"
BRIDGE = Path("actors/connection/whatsmeow/bridge")
LIBRARY, DEPENDANT = "go.mau.fi/whatsmeow", "go.mau.fi/mautrix-whatsapp"
OLDER, OLD, NEW, NEWER = (
    f"v0.0.0-2026{month}01000000-{number * 12}"
    for month, number in (("08", "a"), ("09", "b"), ("10", "c"), ("11", "d"))
)

MAIN = f"""package main

import "{LIBRARY}"

func main() {{
	if !whatsmeow.Works() {{
		panic("it does not work")
	}}
}}
"""
WORKS = "package whatsmeow\n\nfunc Works() bool { return true }\n"
FAILS = "package whatsmeow\n\nfunc Works() bool { return false }\n"
RENAMED = "package whatsmeow\n\nfunc StillWorks() bool { return true }\n"

MAKEFILE = f"""
whatsmeow:
	cd {BRIDGE} && $(GO) build -mod=readonly -o teimoso-whatsmeow .
check-go:
	cd {BRIDGE} && $(GO) vet .
test-go:
	{BRIDGE}/teimoso-whatsmeow
test-whatsmeow:
	[ ! -e broken ]
"""


@dataclass
class Tree:
    """A project with the program alone, and what its module proxy has."""

    place: Path
    proxy: Path

    def publish(self, version: str, code: str, go: str = "1.21") -> None:
        """Have a commit of the library at the proxy; the newest is the last one."""
        files = {"go.mod": f"module {LIBRARY}\n\ngo {go}\n", "library.go": code}
        told = self._publish(LIBRARY, version, files)
        (self.proxy / LIBRARY / "@v/main.info").write_text(told)

    def release(self, version: str, pinned: str) -> None:
        """Have a release of a project that pins the library."""
        mod = f"module {DEPENDANT}\n\ngo 1.21\n\nrequire {LIBRARY} {pinned}\n"
        self._publish(DEPENDANT, version, {"go.mod": mod})
        with (self.proxy / DEPENDANT / "@v/list").open("a") as listed:
            listed.write(f"{version}\n")

    def _publish(self, module: str, version: str, files: dict[str, str]) -> str:
        place = self.proxy / module / "@v"
        place.mkdir(parents=True, exist_ok=True)
        told = json.dumps({"Version": version, "Time": "2026-01-01T00:00:00Z"})
        (place / f"{version}.info").write_text(told)
        (place / f"{version}.mod").write_text(files["go.mod"])
        with zipfile.ZipFile(place / f"{version}.zip", "w") as packed:
            for name, text in files.items():
                packed.writestr(f"{module}@{version}/{name}", text)
        return told

    @property
    def pinned(self) -> str:
        lines = (self.place / BRIDGE / "go.mod").read_text().splitlines()
        return next(line.split()[-1] for line in lines if LIBRARY in line)

    def go(self, *words: str) -> None:
        subprocess.run(
            ["go", *words], cwd=self.place / BRIDGE, env=self.environment, check=True, timeout=100
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "GOPROXY": f"file://{self.proxy}",
            "GOMODCACHE": str(self.place / "modules"),
            "GOFLAGS": "-modcacherw",
            "GONOSUMDB": "*",
            "GOTOOLCHAIN": "local",
        }

    def bump(self, *words: str) -> tuple[int, str]:
        """The exit code, and the output of both streams."""
        done = subprocess.run(
            [self.place / ".ci/whatsmeow-bump", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=150,
            check=False,
        )
        return done.returncode, done.stdout

    def runs(self) -> bool:
        """Whether the program that is built works."""
        program = self.place / BRIDGE / "teimoso-whatsmeow"
        return subprocess.run([program], check=False, capture_output=True).returncode == 0


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    one = Tree(tmp_path / "tree", tmp_path / "proxy")
    bridge = one.place / BRIDGE
    bridge.mkdir(parents=True)
    (one.place / ".ci").mkdir()
    for script in (SCRIPT, SCRIPT.with_name("whatsmeow-library")):
        shutil.copy2(script, one.place / ".ci")
    (one.place / "Makefile").write_text(MAKEFILE)
    (bridge / "main.go").write_text(MAIN)
    (bridge / "go.mod").write_text("module teimoso-whatsmeow\n\ngo 1.21\n")
    (bridge / "tools.mod").write_text("module teimoso-whatsmeow\n\ngo 1.21\n")
    for version in (OLDER, OLD):
        one.publish(version, WORKS)
    one.go("get", f"{LIBRARY}@{OLD}")
    one.go("build", "-o", "teimoso-whatsmeow", ".")
    return one


def kept(tree: Tree) -> list[bytes]:
    return [(tree.place / BRIDGE / name).read_bytes() for name in ("go.mod", "go.sum")]


def test_the_newest_commit_is_pinned(tree: Tree) -> None:
    tree.publish(NEW, WORKS)
    status, said = tree.bump()
    assert (status, tree.pinned) == (0, NEW), said
    assert f"was {OLD[-12:]} of 2026-09-01, and is {NEW[-12:]} of 2026-10-01, in " in said
    assert tree.runs()


def test_where_nothing_is_newer_the_pin_stays(tree: Tree) -> None:
    before = kept(tree)
    assert tree.bump() == (
        0,
        f"The pin is {OLD[-12:]} of 2026-09-01.\nNothing newer is to be had: the pin stays.\n",
    )
    # A proxy may know an older one as the newest.
    tree.publish(OLDER, WORKS)
    assert tree.bump()[0] == 0
    assert kept(tree) == before


@pytest.mark.parametrize(
    ("code", "failed", "reason"),
    [
        (RENAMED, "make whatsmeow", "undefined: whatsmeow.Works"),
        (FAILS, "make test-go", "it does not work"),
        (WORKS, "make test-whatsmeow", "Error 1"),
    ],
)
def test_what_fails_a_check_is_not_pinned(tree: Tree, code: str, failed: str, reason: str) -> None:
    before = kept(tree)
    tree.publish(NEW, code)
    if code == WORKS:
        (tree.place / "broken").touch()
    status, said = tree.bump()
    assert status == 1, said
    assert f"`{failed}` failed with {NEW[-12:]} of 2026-10-01: the pin stays at {OLD[-12:]}" in said
    assert reason in said
    assert kept(tree) == before
    assert tree.runs(), "the program is not the former one"


def test_what_needs_a_newer_go_is_passed_over(tree: Tree) -> None:
    """The newest that does not is one that releases of another project pin."""
    tree.publish(NEW, WORKS)
    tree.publish(NEWER, WORKS, go="1.999")
    tree.release("v0.2609.0", OLDER)
    tree.release("v0.2610.0", NEW)
    tree.release("v0.2611.0", NEWER)
    status, said = tree.bump()
    assert (status, tree.pinned) == (0, NEW), said
    assert f"{NEWER[-12:]} of 2026-11-01 requires go >= 1.999: passed over." in said


def test_a_commit_that_is_named_is_pinned(tree: Tree) -> None:
    tree.publish(NEWER, WORKS)
    status, said = tree.bump(OLDER)
    assert (status, tree.pinned) == (0, OLDER), said


def test_a_proxy_that_has_nothing_is_reported(tree: Tree) -> None:
    before = kept(tree)
    (tree.proxy / LIBRARY / "@v/main.info").unlink()
    status, said = tree.bump()
    assert status == 1
    assert said.endswith("The newest commit cannot be had.\n")
    assert kept(tree) == before


def test_a_refused_look_is_no_sign_that_nothing_is_newer(tree: Tree) -> None:
    """A proxy without the branch may know another commit as the newest: one that is older than the pin says nothing."""
    latest, main = (tree.proxy / LIBRARY / name for name in ("@latest", "@v/main.info"))
    main.unlink()
    main.with_name("list").touch()
    for known, outcome in ((OLDER, None), (OLD, OLD), (NEW, NEW)):
        tree.publish(known, WORKS)
        main.rename(latest)
        found = subprocess.run(
            [tree.place / ".ci/whatsmeow-library", "newest"],
            env=tree.environment | {"GO": "go"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.stdout.strip() == (outcome or ""), found.stderr
        assert (found.returncode == 0) == (outcome is not None)
        assert ("@main: " in found.stderr) == (outcome is None)


def test_a_commit_that_is_not_there_changes_nothing(tree: Tree) -> None:
    before = kept(tree)
    status, said = tree.bump("0123456789ab")
    assert status == 1
    assert said.endswith("The newest commit cannot be had.\n")
    assert kept(tree) == before
