"""Consequences of a file that could not be fetched, and their end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.connection.protocol.media.failure_policy import (
    MAX_REUPLOAD_REQUESTS,
    REUPLOAD_WAIT,
    Again,
    Failed,
    Trouble,
    verdict,
)
from actors.connection.session.files.pending_downloads import LONGEST_WAIT, Transfer

NOW = 1_800_000_000.0
ALICE = "15550100002@s.whatsapp.net"
FRESH = Transfer(ALICE, ALICE, "A", False, "image", b"k" * 32, "/p", b"h" * 32, b"s" * 32, 5)


def until_it_fails(trouble: Trouble, chance: float = 0.5) -> tuple[list[Again], str]:
    transfer, now, tries = FRESH, NOW, list[Again]()
    while isinstance(follows := verdict(transfer, trouble, now, chance), Again):
        assert now < follows.at <= now + LONGEST_WAIT
        tries.append(follows)
        assert len(tries) < 100
        now = follows.at
        transfer = replace(transfer, attempts=follows.attempts, requests=follows.requests)
    return tries, follows.code


@pytest.mark.parametrize(
    ("trouble", "code", "tries"),
    [
        (Trouble.LOST, "media_gone", 1),  # the phone says so
        (Trouble.SEALED_SO, "media_corrupt", 1),
        (Trouble.TOO_LARGE, "media_too_large", 1),
        (Trouble.DAMAGED, "media_corrupt", 3),
        (Trouble.UNREACHABLE, "media_unreachable", 24),
        (Trouble.GONE, "media_gone", 1 + MAX_REUPLOAD_REQUESTS),
    ],
)
def test_every_trouble_ends(trouble: Trouble, code: str, tries: int) -> None:
    again, failed = until_it_fails(trouble)
    assert (failed, len(again) + 1) == (code, tries)


def test_a_file_that_the_servers_lost_is_asked_for_with_growing_patience() -> None:
    tries, _ = until_it_fails(Trouble.GONE)
    assert [each.request for each in tries] == [True] * MAX_REUPLOAD_REQUESTS
    assert tries[0].at == NOW + REUPLOAD_WAIT
    assert tries[1].at == tries[0].at + 5 * REUPLOAD_WAIT
    assert tries[2].at == tries[1].at + 25 * REUPLOAD_WAIT
    assert tries[-1].at - NOW > 8 * 3600, "a night"
    assert [each.attempts for each in tries] == [0] * MAX_REUPLOAD_REQUESTS


def test_servers_that_do_not_answer_are_tried_over_hours() -> None:
    tries, _ = until_it_fails(Trouble.UNREACHABLE)
    assert tries[-1].at - NOW > 8 * 3600
    assert not any(each.request for each in tries)


def test_a_full_disk_is_no_try() -> None:
    transfer = replace(FRESH, attempts=23, requests=MAX_REUPLOAD_REQUESTS)
    follows = verdict(transfer, Trouble.LOCAL, NOW, 0.0)
    assert isinstance(follows, Again)
    assert (follows.attempts, follows.requests, follows.request) == (
        23,
        MAX_REUPLOAD_REQUESTS,
        False,
    )
    assert verdict(FRESH, Trouble.LOCAL, NOW, 0.0) == Again(NOW + 30, 0, 0)
    assert verdict(FRESH, Trouble.LOCAL, NOW, 0.5) == Again(NOW + 45, 0, 0)


@pytest.mark.parametrize(
    ("attempts", "trouble", "pause", "counted"),
    [
        (0, Trouble.DAMAGED, 1.0, 8),
        (3, Trouble.DAMAGED, 1.0, 11),
        (8, Trouble.DAMAGED, 2.0, 16),
        (0, Trouble.UNREACHABLE, 1.0, 1),
        (2, Trouble.UNREACHABLE, 4.0, 3),
    ],
)
def test_pauses_double_with_each_failure_of_a_kind(
    attempts: int, trouble: Trouble, pause: float, counted: int
) -> None:
    """A damaged file counts as eight that no server answered; requests at the phone stay counted."""
    follows = verdict(replace(FRESH, attempts=attempts, requests=2), trouble, NOW, 0.0)
    assert follows == Again(NOW + pause, counted, 2)


def test_what_failed_together_does_not_return_together() -> None:
    for trouble in (Trouble.UNREACHABLE, Trouble.DAMAGED, Trouble.LOCAL):
        at = {getattr(verdict(FRESH, trouble, NOW, chance), "at", None) for chance in (0.0, 0.9)}
        assert len(at) == 2


def test_asked_long_enough_it_is_gone() -> None:
    assert verdict(
        replace(FRESH, requests=MAX_REUPLOAD_REQUESTS), Trouble.GONE, NOW, 0.0
    ) == Failed("media_gone")
