"""Boots a Debian of debootstrap with systemd as its process 1, and runs commands there as a person with sudo."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil
import pytest

from tests.integration.container.mounts import AUTHORITIES, DEVICES
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAMS = ("debootstrap", "unshare", "nsenter", "setpriv")
PERSON, HOME = "person", "/srv/person"

# The network is this host's, through which packages come. Of the rest systemd can change nothing here.
_BOOT = f"""
hostname debian
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"; mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
{DEVICES}
mkdir "$root/dev/pts"; mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
container=test exec chroot "$root" /sbin/init
"""


def check_host() -> Path:
    """Returns where this host has its cgroups; skips the test, and says why, where no Debian can be booted."""
    if os.geteuid() != 0:
        pytest.skip("booting a Debian takes root here")
    for program in PROGRAMS:
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            pytest.skip(f"{program} is not installed here")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    pytest.skip("there are no cgroups of version 2 here")


def install(root: Path) -> None:
    """Makes a stock Debian in `root`, with a person who may use sudo."""
    packages = ("ca-certificates", "dbus", "sudo")
    command = ["debootstrap", f"--include={','.join(packages)}", "bookworm", str(root)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    if AUTHORITIES.exists():
        shutil.copy2(AUTHORITIES, root / AUTHORITIES.relative_to("/"))
        # For pip and uv, as sudo starts them.
        names = ("PIP_CERT", "SSL_CERT_FILE")
        (root / "etc/environment").write_text("".join(f"{name}={AUTHORITIES}\n" for name in names))
    chroot = ("chroot", str(root))
    subprocess.run([*chroot, "useradd", "--create-home", "--home-dir", HOME, PERSON], check=True)
    (root / "etc/sudoers.d" / PERSON).write_text(
        f"Defaults env_file=/etc/environment\n{PERSON} ALL=(ALL) NOPASSWD: ALL\n"
    )


class Debian:
    """A machine with a copy of the Debian that `install` made, booted until its power fails."""

    def __init__(self, installed: Path, directory: Path) -> None:
        self.root = directory / "debian"
        subprocess.run(["cp", "--archive", "--reflink=auto", installed, self.root], check=True)
        self._log = (directory / "console").open("w+")
        self._cgroup = check_host() / f"tmo-{os.getpid()}"

    def __enter__(self) -> Self:
        self._cgroup.mkdir()
        spaces = ("--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child")
        self._outer = subprocess.Popen(
            [
                *("bash", "-ec", 'echo $$ >"$cgroup/cgroup.procs"; exec "$@"', "-"),
                *("unshare", *spaces, "bash", "-ec", _BOOT),
            ],
            env={**os.environ, "root": str(self.root), "cgroup": str(self._cgroup)},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            until("systemd has started all", self._is_up, 120)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._outer.kill()  # the kernel ends all others of the namespace
        self._outer.wait(30)
        self._log.close()
        until("its cgroups are empty", self._remove_cgroups, 30)

    def _is_up(self) -> bool:
        assert self._outer.poll() is None, (self.root.parent / "console").read_text()
        if not psutil.Process(self._outer.pid).children():
            return False
        return self._enter(("systemctl", "is-system-running")).stdout in {"running\n", "degraded\n"}

    def _remove_cgroups(self) -> bool:
        try:
            for place, _, _ in os.walk(self._cgroup, topdown=False):
                Path(place).rmdir()
        except OSError:
            return False
        return True

    def run(self, command: str) -> str:
        """Runs a line in a shell of the person; returns its output. One that fails fails the test."""
        person = ("setpriv", "--reuid", PERSON, "--regid", PERSON, "--init-groups")
        path = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
        clean = ("env", "-i", f"--chdir={HOME}", f"HOME={HOME}", f"PATH={path}")
        done = self._enter((*person, *clean, "bash", "-c", command))
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _enter(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        first = psutil.Process(self._outer.pid).children()[0].pid
        spaces = ("-t", str(first), "-m", "-p", "-u", "-i", "-C", "-r", "-w")
        return subprocess.run(
            ["nsenter", *spaces, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
