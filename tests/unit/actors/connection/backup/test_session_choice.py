"""Which session is live: a table."""

from __future__ import annotations

import pytest

from actors.connection.backup.session_choice import Choice, choose
from actors.redis.leases.lease_record import Position

NEW = Choice("nothing")


def at(text: str | None) -> Position | None:
    if text is None:
        return None
    epoch, commit = text.split(".")
    return Position(int(epoch), int(commit))


@pytest.mark.parametrize(
    ("file", "recorded", "kept", "final", "expected", "remark"),
    [
        (None, None, None, False, NEW, "never paired"),
        ("3.9", None, None, False, Choice("file"), "nothing else is known"),
        ("3.9", "3.1", "3.5", False, Choice("file"), "the last owner crashed here"),
        ("3.9", "3.9", "3.9", True, Choice("file"), "it was stopped here"),
        ("3.9", "3.9", "3.5", False, Choice("file"), "it crashed here once all was recorded"),
        ("4.9", "3.1", "3.9", False, Choice("file"), "adopted, and crashed before it was recorded"),
        (None, "3.1", "3.5", False, Choice("vault", renew=True), "the disk is gone"),
        (
            None,
            "3.5",
            "3.5",
            False,
            Choice("vault", renew=True),
            "not given back: there may be more",
        ),
        (None, "3.5", "3.5", True, Choice("vault"), "the last commit, proven"),
        (None, "3.6", "3.5", True, Choice("vault", renew=True), "the last backup did not happen"),
        (None, None, "3.5", False, Choice("vault", renew=True), "Redis is empty as well"),
        ("3.9", "4.2", "4.7", True, Choice("vault", renew=True), "A → B → A; B went on after that"),
        ("3.9", "4.7", "4.7", True, Choice("vault"), "A → B → A, and B's last commit is known"),
        ("3.9", None, "4.7", False, Choice("vault", renew=True), "A → B → A, and Redis is empty"),
        ("3.9", "4.2", None, False, Choice("file", renew=True), "an old file is all there is"),
        ("3.9", "4.2", "3.5", False, Choice("file", renew=True), "and newer than the backup"),
        ("3.4", "3.1", "3.5", False, Choice("vault", renew=True), "the disk was set back"),
        (None, "3.5", None, True, NEW, "there is no copy: it has to be linked again"),
    ],
)
def test_choice(
    *,
    file: str | None,
    recorded: str | None,
    kept: str | None,
    final: bool,
    expected: Choice,
    remark: str,
) -> None:
    assert choose(at(file), at(recorded), at(kept), final=final) == expected, remark


def test_a_session_that_was_not_given_back_may_have_gone_on() -> None:
    known = Position(3, 5)
    assert choose(None, known, known) == Choice("vault", renew=True)


def test_without_the_vault_and_the_record_a_file_is_trusted_only_where_nobody_else_serves() -> None:
    file = Position(3, 9)
    assert choose(file, None, None, blind=True) == Choice("file", renew=True)
    assert choose(file, Position(3, 1), None, blind=True) == Choice("file")
