"""Faults on demand and counts of requests, over the port of the emulator."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from tests.emulators.firestore.refusals import Code, Refused

Kind = Literal[
    "unavailable", "exhausted", "aborted", "slow", "late", "frozen", "lost", "killed", "refused"
]

_REFUSALS = {
    "unavailable": (Code.UNAVAILABLE, "the service is unavailable"),
    "exhausted": (Code.RESOURCE_EXHAUSTED, "quota exceeded"),
    "aborted": (Code.ABORTED, "Too much contention on these documents."),
}


@dataclass(slots=True)
class Fault:
    """Strikes the calls named by `methods` (all, if empty), `times` in all, or until it is lifted.

    ``unavailable``, ``exhausted`` and ``aborted`` refuse · ``slow`` takes `seconds` longer ·
    ``late`` does what it was asked, and says so `seconds` later · ``frozen`` answers nothing while it lasts · ``lost`` does what it was asked and says
    ``unavailable`` · ``killed`` ends the process with SIGKILL in the middle of a commit · ``refused`` takes no
    document with `mark` in it, as it takes none above 1 MiB.
    """

    kind: Kind
    methods: list[str] = field(default_factory=list)
    times: int | None = None
    seconds: float = 0.0
    mark: str = ""
    struck: int = 0


@dataclass(slots=True)
class Counts:
    """As Google bills them: documents, whatever the calls. Also by collection, and writes of each."""

    reads: int = 0
    writes: int = 0
    deletes: int = 0
    by_collection: dict[str, int] = field(default_factory=dict)
    by_document: dict[str, dict[str, int]] = field(default_factory=dict)

    def read(self, documents: int) -> None:
        self.reads += max(1, documents)  # a query that finds nothing is one read

    def wrote(self, name: str, *, deletes: bool) -> None:
        collection, document = name.split("/")[-2:]
        if deletes:
            self.deletes += 1
        else:
            self.writes += 1
            written = self.by_document.setdefault(collection, {})
            written[document] = written.get(document, 0) + 1
        key = f"{'deletes' if deletes else 'writes'} {collection}"
        self.by_collection[key] = self.by_collection.get(key, 0) + 1


class Faults:
    """One fault at a time."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self.counts = Counts()
        self.calls: Counter[str] = Counter()
        self._lifted = asyncio.Event()

    def command(self, asked: dict[str, Any]) -> dict[str, Any]:
        """``{"fault": {…} or null}`` and ``{"reset": true}``; answers with how things stand.

        With ``{"written": COLLECTION}`` also with how often each document of it was written.
        """
        if "fault" in asked:
            self._lifted.set()
            self._lifted = asyncio.Event()
            self.fault = None if asked["fault"] is None else Fault(**asked["fault"])
        stand = {
            "struck": 0 if self.fault is None else self.fault.struck,
            "calls": dict(self.calls),
            **{name: value for name, value in asdict(self.counts).items() if name != "by_document"},
        }
        if "written" in asked:
            stand["written"] = self.counts.by_document.get(asked["written"], {})
        if asked.get("reset"):
            self.counts, self.calls = Counts(), Counter()
        return stand

    async def before(self, method: str) -> None:
        """A call arrived; raises `Refused` where the fault refuses it."""
        self.calls[method] += 1
        fault = self._strikes(method, "unavailable", "exhausted", "aborted", "slow", "frozen")
        if fault is None:
            return
        fault.struck += 1
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "frozen":
            await self._lifted.wait()
        else:
            raise Refused(*_REFUSALS[fault.kind])

    def half(self) -> None:
        """In the middle of a commit."""
        if (fault := self._strikes("Commit", "killed")) is not None:
            fault.struck += 1
            os.kill(os.getpid(), signal.SIGKILL)

    def check(self, document: Any) -> None:
        """Raise `Refused` for a document that is to be written, where the fault takes none like it."""
        fault = self._strikes("Commit", "refused")
        if fault is not None and fault.mark.encode() in document.SerializeToString():
            fault.struck += 1
            raise Refused(Code.INVALID_ARGUMENT, "a document like this is not taken")

    async def after(self, method: str) -> None:
        """Runs after the request is executed. Raises `Refused` where the answer gets lost."""
        if (fault := self._strikes(method, "late")) is not None:
            fault.struck += 1
            await asyncio.sleep(fault.seconds)
        if (fault := self._strikes(method, "lost")) is not None:
            fault.struck += 1
            raise Refused(*_REFUSALS["unavailable"])

    def _strikes(self, method: str, *kinds: Kind) -> Fault | None:
        fault = self.fault
        if fault is None or fault.kind not in kinds:
            return None
        if fault.methods and method not in fault.methods:
            return None
        if fault.times is not None and fault.struck >= fault.times:
            return None
        return fault
