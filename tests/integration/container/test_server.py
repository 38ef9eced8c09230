"""The commands of `docs/server.md` on a Debian with systemd: an installation, the unit, a message, an upgrade, the end."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.container.debian import HOME, Debian, check_host, install
from tests.integration.container.dockerfile import ROOT
from tests.integration.test_distributions import PROGRAM, REQUIREMENTS, SERVICE
from tests.processes.valkey import free_port
from tests.run import answers
from tests.run.figures import first_message
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.run.figures import Figure

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

PAGE = (ROOT / "docs" / "server.md").read_text()
ADDRESS = "/srv/teimoso.git"
DATA = "/var/lib/teimoso"
WAYS = ("a clone", "a folder of wheels")
PHONE, CONTACT = "15550100061", "15550100062"

# WhatsApp's server is the simulator here, and other ports may be in use: the network is the host's.
SIMULATED = f"""\
[Service]
ExecStart=
ExecStart=/usr/local/bin/teimoso up --simulate --port {{port}} --simulator-control-port {{control}} \\
    --data {DATA} --settings /etc/teimoso.env
"""


def blocks(title: str) -> list[list[str]]:
    """The lines of each block of commands in a section of the page."""
    section = re.split(rf"^## {title}\n", PAGE, maxsplit=1, flags=re.MULTILINE)[1]
    found = re.findall(r"^```sh\n(.*?)^```", section.split("\n## ")[0], re.DOTALL | re.MULTILINE)
    return [block.splitlines() for block in found]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stock Debian with this tree's repository and the folder `dist`, which a person would have fetched."""
    check_host()
    place = tmp_path_factory.mktemp("installed")
    root = place / "debian"
    install(root)
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT, f"{root}{ADDRESS}"], check=True)
    folder = f"{root}{HOME}/dist"
    for script in ((*PROGRAM, folder, "x86_64"), (*SERVICE, folder), (REQUIREMENTS, folder)):
        subprocess.run(script, cwd=ROOT, check=True)
    yield root
    shutil.rmtree(place)


@pytest.fixture
def debian(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    """A machine of its own for each way: the other one left nothing there, also where it failed."""
    place = tmp_path_factory.mktemp("server")
    with Debian(installed, place) as machine:
        yield machine
    shutil.rmtree(place)


@pytest.mark.parametrize("way", WAYS)
def test_a_service_is_installed_and_removed(debian: Debian, way: str, figure: Figure) -> None:
    port, control = free_port(), free_port()
    unit = SIMULATED.format(port=port, control=control)
    debian.run(
        "sudo mkdir --parents /etc/systemd/system/teimoso.service.d && sudo tee"
        f" /etc/systemd/system/teimoso.service.d/simulator.conf <<'end' >/dev/null\n{unit}end"
    )
    cloned, wheels, settings = blocks("Debian")
    begun = time.monotonic()
    # Without a clone a block of its own stands in the place of two lines.
    for line in cloned if way == WAYS[0] else [*cloned[:-3], *wheels, cloned[-1]]:
        debian.run(line.replace("ADDRESS", ADDRESS))
    for lacking in ("go", "cc"):
        assert not debian.run(f"command -v {lacking} || true")
    for line in settings:
        printed = debian.run(line)
    [key] = re.findall(r"tmo_[\w-]{43}", printed)

    def teimoso(words: str) -> str:
        return debian.run(
            f"sudo -u teimoso env TEIMOSO_API_KEY={key} TEIMOSO_DATA={DATA} teimoso {words}"
        )

    until("all of it runs", lambda: status(debian)["ready"], 90)
    answers.CHECK.watch(f"http://127.0.0.1:{control}")
    for words in (
        "connections add demo",
        f"simulate phone {PHONE}",
        f"simulate scan demo {PHONE}",
    ):
        teimoso(words)
    until("it is open", lambda: '"open"' in teimoso("connections show demo --json"), 60)
    teimoso(f"send demo {CONTACT} 'on a server' --wait 30")
    first_message(figure, f"docs/server.md with {way}", begun)
    assert "on a server" in teimoso(f"simulate inbox {CONTACT}")
    _is_kept_running(debian)
    for line in blocks("Upgrade")[WAYS.index(way)]:
        debian.run(line)
    teimoso(f"send demo {CONTACT} 'and still' --wait 30")
    answers.CHECK.end(f"http://127.0.0.1:{control}")
    _ends(debian)


def status(debian: Debian) -> dict[str, Any]:
    """The output of `teimoso status`, also while not all of it runs."""
    shown = debian.run(f"sudo -u teimoso teimoso status --data {DATA} --json || true")
    found: dict[str, Any] = json.loads(shown)
    return found


def _is_kept_running(debian: Debian) -> None:
    """`kill -9` of the unit's process: systemd starts it again, and all else goes on."""

    def others() -> set[tuple[str, int]]:
        return {(each["role"], each["pid"]) for each in status(debian)["processes"]}

    def is_another() -> bool:
        shown = debian.run("systemctl show teimoso --property ActiveState,MainPID")
        return "ActiveState=active" in shown and f"MainPID={first}\n" not in shown

    before = others()
    first = debian.run("systemctl show teimoso --property MainPID --value").strip()
    debian.run("sudo systemctl kill --signal KILL --kill-whom main teimoso")
    until("systemd starts it again", is_another, 60)
    assert {"keeper", "valkey", "ray", "root", "connection"} <= {role for role, _ in before}
    assert {each for each in before if each[0] != "standby"} <= others()


def _ends(debian: Debian) -> None:
    """A stop leaves no process, and an uninstallation nothing but the data."""
    debian.run("sudo systemctl stop teimoso")
    assert not debian.run("find /proc -maxdepth 1 -ignore_readdir_race -user teimoso")
    (lines,) = blocks("Uninstall")
    for line in lines:
        debian.run(line)
    left = debian.run("ls /etc/systemd/system /usr/local/bin /opt; getent passwd teimoso || true")
    assert "teimoso.service\n" not in left
    assert "teimoso\n" not in left
    assert "teimoso:" not in left
    debian.run(f"sudo test -d {DATA} && sudo rm -r {DATA}")
