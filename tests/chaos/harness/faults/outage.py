"""Valkey taken from a running instance in the ways in which it can go, and what is seen meanwhile."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import time
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil

from supervision.keeper.manifest import Plan
from tests.processes.instance import gone, until

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tests.chaos.harness.traffic import Traffic
    from tests.processes.instance import Instance

PIDFD_GETFD = 438
"""Its number, the same on all architectures; Linux has it since 5.6."""


@contextmanager
def kept_away(instance: Instance) -> Iterator[None]:
    """Kills it, and makes its starts fail until this is left; its files stay."""
    configuration = instance.data / "valkey" / "valkey.conf"
    configuration.unlink()
    configuration.mkdir()  # the keeper writes a file of this name before each start
    try:
        instance.kill("valkey")
        yield
    finally:
        configuration.rmdir()


@contextmanager
def frozen(*processes: psutil.Process) -> Iterator[None]:
    """All of them stand still until this is left, but for those that somebody ended meanwhile."""
    try:
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        for process in processes:
            until(f"{process.pid} stands still", partial(stopped, process), 5)
        yield
    finally:
        for process in processes:
            if not gone(process):
                process.send_signal(signal.SIGCONT)


def cut_off(process: psutil.Process, ports: Collection[int]) -> None:
    """Closes the TCP connections of a frozen process, except those to `ports`, with their unread bytes.

    Bytes that were sent to it while it was frozen do not reach it.
    """
    pidfd = os.pidfd_open(process.pid)
    try:
        for each in process.net_connections("tcp"):
            if each.raddr and each.raddr.port in ports:
                continue
            with closing(socket.socket(fileno=taken(pidfd, each.fd))) as its:
                if each.status == psutil.CONN_LISTEN:
                    while waits(its):
                        its.accept()[0].close()
                else:
                    while waits(its) and its.recv(2**16):
                        pass
                with suppress(OSError):  # the other side was quicker
                    its.shutdown(socket.SHUT_RDWR)
    finally:
        os.close(pidfd)


def taken(pidfd: int, descriptor: int) -> int:
    """A descriptor of another process, opened here as well (pidfd_getfd(2))."""
    own = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, descriptor, 0)
    if own < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(own)


def waits(its: socket.socket) -> bool:
    """Whether something arrived there that was not taken yet."""
    return bool(select.select([its], [], [], 0)[0])


def stopped(process: psutil.Process) -> bool:
    return process.status() == psutil.STATUS_STOPPED


def listens(instance: Instance) -> bool:
    plan = Plan.load(instance.data)
    assert plan is not None
    try:
        socket.create_connection(("127.0.0.1", plan.ports["valkey"]), timeout=1).close()
    except OSError:
        return False
    return True


def delivered(traffic: Traffic) -> int:
    """Returns the number of messages that reached the contacts."""
    return sum(len(traffic.instance.inbox(lane.chat)) for lane in traffic.out)


def until_delivered_again(traffic: Traffic) -> float:
    """Seconds from Valkey's return until messages reach the contacts again."""
    until("Valkey is back", partial(listens, traffic.instance), 90)
    begun, before = time.monotonic(), delivered(traffic)
    until("messages are delivered again", lambda: delivered(traffic) > before, 60)
    return time.monotonic() - begun


def stored(instance: Instance, connection: str) -> int:
    return len(instance.messages(connection=connection, direction="in", limit="500"))


def unacknowledged(instance: Instance, account: str) -> int:
    answer = instance.simulator.get(f"/accounts/{account}").raise_for_status()
    count: int = answer.json()["unacknowledged"]
    return count


def health(instance: Instance) -> dict[str, Any]:
    found: dict[str, Any] = instance.api.get("/health").raise_for_status().json()
    return found
