"""Rules of WhatsApp's that are not yet in force for everyone; a request puts one in force."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Strictness:
    """Rules by name, in memory: they end with the process."""

    proper_answers: bool = False
    """Whether a stanza is settled by a proper answer alone (`proper_answers.py`)."""
