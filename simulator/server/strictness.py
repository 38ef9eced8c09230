"""Rules of WhatsApp's that are not yet in force for everyone; a request puts one in force."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Strictness:
    """Rules by name, in memory: they end with the process."""

    proper_answers: bool = False
    """Whether a stanza is settled by a proper answer alone (`proper_answers.py`)."""
    group_addresses: bool = False
    """Whether group queries need the JID `@g.us`, and messages the group's addressing mode (421)."""
    shown_names: bool = False
    """Whether others see the name of a presence alone, `-` without one."""
