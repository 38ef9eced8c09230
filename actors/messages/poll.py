"""Defines the message content types of a poll and of a vote in a poll."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from actors.messages.field_types import Choices, Chosen, Hidden, Options, Question
    from actors.messages.references import Quote, Target


@dataclass(frozen=True, slots=True)
class Poll:
    """`choices` is how many options one may choose, 0 any number; `secret` (hex) keys the votes."""

    type: ClassVar = "poll"
    question: Question
    options: Options
    choices: Choices
    secret: Hidden[str] | None = None
    reply_to: Quote | None = None


@dataclass(frozen=True, slots=True)
class PollVote:
    """The options that a voter chooses in a poll, in place of their earlier ones.

    `options` None: it could not be read. `secret` (hex) is the poll's, in a vote that is to be sent.
    `at_ms` is the sender's time in milliseconds, where it is known: of two votes the later one counts.
    """

    type: ClassVar = "poll_vote"
    target: Target
    options: Chosen | None = None
    secret: Hidden[str] | None = None
    at_ms: Hidden[int] | None = field(default=None, compare=False)
