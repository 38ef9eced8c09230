"""Builds the image of `Dockerfile` with Buildah over a Debian of debootstrap, and runs it as a container engine does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil
import pytest

from tests.integration.container.dockerfile import ROOT
from tests.integration.container.mounts import AUTHORITIES, DEVICES
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Sequence

BASE = "docker.io/library/python:3.11-slim-bookworm"
PROGRAMS = ("debootstrap", "buildah", "unshare", "nsenter", "setpriv", "ip")

# The mounts of an engine for `read_only: true`, `tmpfs: [/tmp]` and a volume; all are gone with the namespace.
_START = f"""
hostname teimoso
ip link set lo up
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
{DEVICES}
mount --bind "$volume" "$root/$place"
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""


def check_host() -> None:
    """Skips the test, and says why, where an image cannot be built or run."""
    if os.geteuid() != 0:
        pytest.skip("building an image takes root here")
    for program in PROGRAMS:
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            pytest.skip(f"{program} is not installed here")


class Image:
    """The built image; its root is a directory until `remove`. Its steps were `begun` at a time of the monotonic clock."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._base()
        self.begun = time.monotonic()
        self._buildah(
            "bud",
            "--isolation",
            "chroot",
            "--pull-never",
            "--format",
            "docker",
            "--tag",
            "teimoso",
            str(ROOT),
        )
        told = json.loads(self._buildah("inspect", "--type", "image", "teimoso"))
        self.config: dict[str, Any] = told["Docker"]["config"]
        self.root = Path(self._buildah("mount", self._buildah("from", "--pull-never", "teimoso")))

    def remove(self) -> None:
        self._buildah("umount", "--all")
        self._buildah("rm", "--all")
        self._buildah("rmi", "--all", "--force")

    def _base(self) -> None:
        """Makes the image after `FROM`: Debian with Python, and this host's certificate authorities."""
        tree = self.directory / "debian"
        subprocess.run(
            [
                "debootstrap",
                "--variant=minbase",
                "--include=python3,python3-venv,python3-pip,ca-certificates",
                "bookworm",
                tree,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (tree / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        container = self._buildah("from", "scratch")
        packed = self.directory / "debian.tar"
        subprocess.run(
            ["tar", "-C", tree, "--exclude=./proc/*", "--exclude=./sys/*", "-cf", packed, "."],
            check=True,
        )
        self._buildah("add", "--quiet", container, str(packed), "/")
        if AUTHORITIES.exists():
            self._buildah("copy", "--quiet", container, str(AUTHORITIES), str(AUTHORITIES))
            for name in ("PIP_CERT", "SSL_CERT_FILE"):
                self._buildah("config", "--env", f"{name}={AUTHORITIES}", container)
        self._buildah("commit", "--quiet", "--rm", container, BASE)
        packed.unlink()
        shutil.rmtree(tree)

    def _buildah(self, *words: str) -> str:
        places = ("--root", self.directory / "storage", "--runroot", self.directory / "running")
        done = subprocess.run(
            ["buildah", *places, *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout.strip()


class Container:
    """A process tree in namespaces of its own: the image's user, no capability, a root that is read alone."""

    def __init__(self, image: Image, volume: Path, command: Sequence[str] | None = None) -> None:
        config = image.config
        user, _, group = config["User"].partition(":")
        self._as = (
            *("setpriv", "--reuid", user, "--regid", group, "--clear-groups"),
            *("--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"),
            *("env", "-i", "HOME=/", *config["Env"]),
        )
        (place,) = config["Volumes"]
        os.chown(volume, int(user), int(group))
        inner = [*self._as, *config["Entrypoint"], *(command or config["Cmd"])]
        self._log = (image.directory / f"{time.monotonic_ns()}.log").open("w+")
        self._outer = subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork"),
                *("bash", "-ec", _START, "-", *inner),
            ],
            env={**os.environ, "root": str(image.root), "volume": str(volume), "place": place},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._check = config["Healthcheck"]["Test"][1:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._outer.poll() is None:
            self.first().kill()  # the kernel ends all others of the namespace
            self._outer.wait(30)
        self._log.close()

    def first(self) -> psutil.Process:
        """The process 1 of the container."""
        return psutil.Process(self._outer.pid).children()[0]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """As `docker exec` does."""
        spaces = ("nsenter", "-t", str(self.first().pid), "-m", "-p", "-n", "-u", "-i", "-r", "-w")
        return subprocess.run(
            [*spaces, *self._as, *words], capture_output=True, text=True, timeout=120, check=False
        )

    def is_healthy(self) -> bool:
        return self.run(*self._check).returncode == 0

    def wait_until_healthy(self) -> None:
        def healthy() -> bool:
            assert self._outer.poll() is None, self.output()
            return bool(psutil.Process(self._outer.pid).children()) and self.is_healthy()

        until("the container is healthy", healthy, 180)

    def stop(self, within: float) -> int:
        """As `docker stop` does: SIGTERM to process 1, whose status is the answer."""
        self.first().terminate()
        return self._outer.wait(within)

    def output(self) -> str:
        """The text that a container's log would have."""
        self._log.seek(0)
        return self._log.read()
