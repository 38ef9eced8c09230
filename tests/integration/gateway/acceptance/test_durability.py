"""G1 of files, as the kernel sees it: `kill -9` keeps the page cache, so only the calls prove it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.gateway.files import digest, kept, reserve, send, upload
from tests.integration.gateway.served import Gateway
from tests.processes.tracing import CALLS, STRACE, calls

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.valkey import Valkey

MARK = b"token-of-the-durability-test"
NEEDED = ("file", "ledger", "its directory", "media")


def synced_before_the_reply(trace: str, sha256: str) -> set[str]:
    """Returns those of `NEEDED` that were synced between the last write of the file and its 201.

    Raises AssertionError when the trace shows no upload at all.
    """
    synced: set[str] = set()
    written = False
    for name, file, rest in calls(trace):
        if MARK.decode() in rest and "/.tmp-" in file:
            written = True
        elif name in {"fsync", "fdatasync"} and rest.endswith("= 0") and written:
            path = file.partition("<")[2].rstrip(">")
            if "/media/.tmp-" in path:
                synced.add("file")
            elif path.endswith("/media.db-wal"):
                synced.add("ledger")
            elif path.endswith(f"/media/{sha256[:2]}"):
                synced.add("its directory")
            elif path.endswith("/media"):
                synced.add("media")
        elif "201 Created" in rest and re.search("write|send", name):
            assert written
            return synced
    raise AssertionError("no upload in the trace")


@pytest.mark.skipif(STRACE is None, reason="strace is not installed, so no fsync can be seen")
def test_g1_a_file_is_synced_to_disk_before_the_answer_leaves(
    own_gateway: Gateway, tmp_path: Path
) -> None:
    assert own_gateway.process is not None
    output, content = tmp_path / "strace", MARK + os.urandom(100)
    words = [str(STRACE), "-f", "-y", "-s", "4096", "-o", str(output), "-e", CALLS]
    tracer = subprocess.Popen(
        [*words, "-p", str(own_gateway.process.pid)], stderr=subprocess.PIPE, text=True
    )
    try:
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        upload(own_gateway.api, content)
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=20)
    trace, sha256 = output.read_text(), digest(content)
    assert synced_before_the_reply(trace, sha256) == set(NEEDED)
    # The judge can say no.
    unsynced = "\n".join(
        # A call that another thread interrupts is printed in two parts.
        line
        for line in trace.splitlines()
        if not re.search(r"sync(\(| resumed)", line)
    )
    assert synced_before_the_reply(unsynced, sha256) == set()


def test_a_full_disk_refuses_and_keeps_nothing_of_it(
    own_gateway: Gateway, small_disk: Path
) -> None:
    api, headers = own_gateway.api, {"Content-Type": "image/png"}
    assert small_disk.is_mount()
    reserve(own_gateway, 0)
    sha256 = upload(api, os.urandom(300_000))["sha256"]
    refused = api.post("/api/media", content=os.urandom(900_000), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (503, "disk_reserve")
    assert int(refused.headers["Retry-After"]) > 0
    assert kept(own_gateway) == {sha256}
    assert send(api, {"sha256": sha256}).status_code == 202
    upload(api, os.urandom(200_000))


def test_no_more_is_taken_than_all_files_may_have(valkey: Valkey, tmp_path: Path) -> None:
    """By a key for all connections: of 1 500 000 bytes, 250 000 are the part of each of two connections."""
    flags = {"media_limit": 1_500_000, "max_connections": 2}
    with Gateway(tmp_path / "limited", valkey, **flags) as limited:
        api, first = limited.api, os.urandom(600_000)
        assert api.post("/api/connections", json={"id": "shop"}).status_code == 201
        sha256 = upload(api, first)["sha256"]
        headers = {"Content-Type": "image/png"}
        refused = api.post("/api/media", content=os.urandom(400_001), headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (503, "instance_limit_reached")
        assert int(refused.headers["Retry-After"]) > 0
        assert kept(limited) == {sha256}
        upload(api, first)  # it is there already
        last = upload(api, os.urandom(400_000))["sha256"]
        assert kept(limited) == {sha256, last}
        assert send(api, {"sha256": last}).status_code == 202


def test_no_file_is_ever_whole_in_memory(own_gateway: Gateway) -> None:
    """Up, out and into the bucket; what Python itself takes for one piece is allowed for."""
    assert own_gateway.process is not None
    status = f"/proc/{own_gateway.process.pid}/status"

    def peak() -> int:
        with open(status) as file:  # noqa: PTH123 - of the kernel
            found = re.search(r"VmHWM:\s+(\d+) kB", file.read())
        assert found is not None
        return int(found[1]) * 1024

    size, piece = 100 * 2**20, os.urandom(2**20)
    upload(own_gateway.api, piece)
    before = peak()
    pieces = (piece for _ in range(size // len(piece)))
    answer = own_gateway.api.post(
        "/api/media", content=pieces, headers={"Content-Type": "application/pdf"}
    )
    assert answer.json()["size"] == size
    accepted = send(own_gateway.api, {"sha256": answer.json()["sha256"]}, "document")
    read = 0
    with own_gateway.client(None) as client:
        client.event_hooks = {}
        key = own_gateway.api.headers["X-Api-Key"]
        path = f"/api/messages/{accepted.json()['id']}/media"
        with client.stream("GET", path, headers={"X-Api-Key": key}) as given:
            for part in given.iter_raw():
                read += len(part)
    assert read == size
    print(f"100 MB up and out: {(peak() - before) / 2**20:.1f} MB at the peak")
    assert peak() - before < 32 * 2**20
