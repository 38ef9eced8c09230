"""Machines of a network: each has a network, processes, a name and disks of its own, in Linux namespaces."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from tests.processes.valkey import binary
from tests.run import leaks
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[4]
RELEASE = Path("/opt/teimoso")
HIDDEN = (Path("/opt"), Path("/srv"), Path("/var/lib"))
"""Directories that a machine has of its own, in the place of this machine's."""

BOOT = """
mount --make-rprivate /
mount -t tmpfs tmpfs /opt && mkdir /opt/teimoso && mount --bind "$0" /opt/teimoso
mount --bind "$1" /srv && mount --bind "$2" /var/lib && hostname "$3" && exec sleep infinity
"""

RELAY = """
import asyncio, sys

async def pipe(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()

async def relay(reader, writer):
    try:
        inward, outward = await asyncio.open_connection(sys.argv[3], int(sys.argv[4]))
    except OSError:
        return writer.close()
    await asyncio.gather(pipe(reader, outward), pipe(inward, writer))

async def main():
    server = await asyncio.start_server(relay, sys.argv[1], int(sys.argv[2]))
    await server.serve_forever()

asyncio.run(main())
"""


def missing() -> str | None:
    """Why there can be no machines here."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for needed in ("ip", "unshare", "nsenter"):
        if shutil.which(needed) is None:
            return f"{needed} is not installed here"
    if any(ROOT.is_relative_to(each) for each in HIDDEN):
        return (
            f"the machines have their own {', '.join(map(str, HIDDEN))}, and the checkout is below"
        )
    tried = subprocess.run(
        ["unshare", "--net", "ip", "link", "add", "tried", "type", "bridge"],
        capture_output=True,
        check=False,
    )
    return None if tried.returncode == 0 else "this kernel gives no network namespace with a bridge"


class Machine:
    """One of them, from its start until it is lost."""

    def __init__(self, name: str, network: str, place: Path, shared: Path) -> None:
        self.name = name
        self.place = place
        self._relays: list[subprocess.Popen[bytes]] = []
        for each in ("disk/teimoso", "disk/redis", "home", "tmp"):
            (place / each).mkdir(parents=True)
        words = ["ip", "netns", "exec", network, "unshare", "--mount", "--pid", "--uts", "--fork"]
        words += ["--mount-proc", "--kill-child", "sh", "-ec", BOOT]
        with (place / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*words, str(ROOT), str(shared), str(place / "disk"), name], stdout=log, stderr=log
            )
        self._first = until("it has begun", self._begun, 20)

    def _begun(self) -> int | None:
        assert self._process.poll() is None, (self.place / "log").read_text()
        for child in psutil.Process(self._process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if child.name() == "sleep":
                    return child.pid
        return None

    def run(self, command: str, environment: Mapping[str, str], *, seconds: float = 120) -> str:
        """Runs the command in a shell there; returns its output. One that fails fails the test."""
        done = subprocess.run(
            self._inside("sh", "-c", command, environment=environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"{self.name}$ {command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def relay(self, listen: str, port: int, to: str, to_port: int) -> None:
        """Connections to the one address lead to the other, until the machine is lost."""
        words = ("python3", "-c", RELAY, listen, str(port), to, str(to_port))
        relay = subprocess.Popen(
            self._inside(*words, environment={}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._relays.append(relay)
        self.run(
            f"until python3 -c 'import socket; socket.create_connection((\"{listen}\", {port}))';"
            " do sleep 0.1; done 2>&-",
            {},
            seconds=20,
        )

    def _inside(self, *words: str, environment: Mapping[str, str]) -> list[str]:
        tools = f"{RELEASE}/.venv/bin:{RELEASE / binary().parent.relative_to(ROOT)}"
        given = {
            "HOME": str(self.place / "home"),
            "PATH": f"{tools}:/usr/local/bin:/usr/bin:/bin",
            "RAY_TMPDIR": str(self.place / "tmp"),
            **environment,
        }
        inside = ["nsenter", f"--target={self._first}", "--mount", "--pid", "--uts", "--net"]
        inside += [f"--wd={self.place / 'home'}"]
        return [*inside, "env", "-i", *(f"{name}={value}" for name, value in given.items()), *words]

    def lose(self) -> None:
        """Its power fails: all of its processes are gone at once."""
        with suppress(ProcessLookupError):
            os.kill(self._first, signal.SIGKILL)
        for process in (self._process, *self._relays):
            process.wait(20)


class Machines:
    """A network of machines by their addresses, whose `/srv` is one directory."""

    def __init__(self, **addresses: str) -> None:
        self._addresses = addresses
        # Ray's sockets have paths of 107 bytes at most.
        self.place = Path(tempfile.mkdtemp(prefix="tmo-"))
        self._prefix = f"tmo{os.getpid()}"
        self._networks: list[str] = []
        self.machines: dict[str, Machine] = {}

    def __enter__(self) -> Self:
        try:
            (self.place / "srv").mkdir()
            switch = self._network("switch")
            _ip(f"-n {switch} link add bridge type bridge")
            _ip(f"-n {switch} link set bridge up")
            for number, (name, address) in enumerate(self._addresses.items()):
                network, port = self._network(name), f"{self._prefix}-{number}"
                _ip(f"link add {port} netns {switch} type veth peer name wire netns {network}")
                _ip(f"-n {switch} link set {port} master bridge up")
                _ip(f"-n {network} addr add {address}/24 dev wire")
                _ip(f"-n {network} link set wire up")
                self.machines[name] = Machine(name, network, self.place / name, self.place / "srv")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for machine in self.machines.values():
            machine.lose()
        for network in self._networks:
            _ip(f"netns del {network}")
        leaks.closing(self.place)
        shutil.rmtree(self.place, ignore_errors=True)

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    def _network(self, name: str) -> str:
        network = f"{self._prefix}-{name}"
        _ip(f"netns add {network}")
        self._networks.append(network)
        _ip(f"-n {network} link set lo up")
        return network


def _ip(words: str) -> None:
    done = subprocess.run(["ip", *shlex.split(words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {words}: {done.stderr}"
