"""Ports are kept where they can be, never given twice, and never taken from a stranger."""

from __future__ import annotations

import socket
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.keeper.parts import ports

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOWN = dict(zip(ports.PORT_NAMES, range(25_000, 25_100), strict=False))


def line() -> Iterator[int]:
    return iter(range(21_000, 21_100))


def test_a_first_start_takes_the_first_free_ones() -> None:
    settled = ports.settle({}, (), line(), lambda port: port != 21_001)
    assert list(settled) == list(ports.PORT_NAMES)
    assert sorted(settled.values()) == [21_000, *range(21_002, 21_002 + len(ports.PORT_NAMES) - 1)]


def test_known_ports_stay() -> None:
    assert ports.settle(KNOWN, (), line(), lambda _: True) == KNOWN


def test_a_port_that_a_stranger_took_moves_alone() -> None:
    taken = KNOWN[ports.VALKEY]
    settled = ports.settle(KNOWN, (), line(), lambda port: port != taken)
    assert settled == {**KNOWN, ports.VALKEY: 21_000}


def test_a_port_that_a_part_of_ours_holds_stays() -> None:
    assert ports.settle(KNOWN, ports.PORT_NAMES, line(), lambda _: False) == KNOWN


def test_no_port_at_all() -> None:
    with pytest.raises(ports.NoPortFree):
        ports.settle({}, (), line(), lambda _: False)


@given(st.sets(st.integers(21_000, 21_060)), st.sets(st.sampled_from(ports.PORT_NAMES)))
def test_no_port_is_given_twice(taken: set[int], known: set[str]) -> None:
    before = {name: 21_000 + number for number, name in enumerate(known)}
    settled = ports.settle(before, (), line(), lambda port: port not in taken)
    assert len(set(settled.values())) == len(ports.PORT_NAMES)
    assert not taken & set(settled.values())


def test_directories_begin_at_places_of_their_own() -> None:
    begins = {next(ports.candidates(Path(f"/srv/{number}"))) for number in range(50)}
    assert len(begins) > 40
    assert all(ports.FIRST_PORT <= port < ports.LAST_PORT for port in begins)
    every = list(ports.candidates(Path("/srv")))
    assert sorted(every) == list(range(ports.FIRST_PORT, ports.LAST_PORT))
    assert list(islice(ports.candidates(Path("/srv")), 20)) == every[:20]


def test_free_means_that_a_server_could_listen() -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen(1)
        port = somebody.getsockname()[1]
        assert not ports.free(port)
    assert ports.free(port)
