"""Limits the processor time (in HMACs) of decryption per message and per device; caches trial results in memory.

An HMAC of one chain step takes about 1.5 µs on the slower machines of 2026; the others were measured
beside it, with room. `tests/benchmarks/test_forgeries.py` prints what a message takes at the worst.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from actors.connection.protocol.decryption_errors import Undecryptable, Unprepared
from actors.runtime.limits.bounded_map import BoundedMap
from actors.runtime.limits.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from actors.connection.protocol.decryption_errors import Reason

LOADING: Final = 20
"""Read a stored session, and decode it."""

AGREEMENT: Final = 100
"""An X25519 agreement, the root chain's step, the message's keys and their MAC."""

ACCEPTANCE: Final = 500
"""A first message: the four agreements of X3DH and two of the ratchet."""

SIGNATURE: Final = 60
"""The signature of a group's message."""

BYTES_PER_MAC: Final = 1_024
"""Bytes of a message for which a MAC takes one more."""

ORDINARY: Final = 150
"""An ordinary message on the current session takes less; more is not computed inside a transaction."""

MAX_UNVERIFIED_HMACS: Final = 540
"""One message takes no more before its MAC is checked, or its bytes and what an ordinary one takes."""

BURST: Final = 20_000
"""Effort that a device may cause at once, beyond its ordinary messages."""

RATE: Final = 500.0
"""Effort a second that its budget gains."""

_BUDGET: Final = TokenBucket(BURST, 1 / RATE)

_PEERS: Final = 1_024
"""Budgets in memory: those of the devices that were charged last."""

T = TypeVar("T")


class Allowance:
    """Effort that one message may take.

    More raises `Unprepared` inside a transaction, so that the message is prepared outside, and
    `Undecryptable` elsewhere, where one MAC over the `size` bytes of the message is free: they arrived.
    """

    def __init__(
        self, most: int, size: int, *, within: bool = False, exhausted: bool = False
    ) -> None:
        """`exhausted`: the sender's budget is, which is then the reason for a refusal."""
        self._size = size // BYTES_PER_MAC
        self._left = most if within else most + self._size
        self._within, self._exhausted = within, exhausted
        self.spent = 0
        self.ran_out = False
        """Whether something was not computed for want of it."""

    def demand(self, effort: int, reason: Reason, *, mac: bool = False) -> None:
        """Take this much. `mac`: all of the message is authenticated for it."""
        whole = effort + (self._size if mac else 0)
        if whole > self._left:
            # Outside, an exhausted device gets no more than its bytes beyond what it gets here.
            if self._within and (effort <= self._left or not self._exhausted):
                raise Unprepared
            self.ran_out = True
            raise Undecryptable("over_budget" if self._exhausted else reason)
        self._left -= whole
        self.spent += whole

    def pay(self, effort: int) -> None:
        """Take this much for a message whose MAC was right, outside a transaction however little is left."""
        if effort > self._left and self._within:
            raise Unprepared
        self._left -= effort
        self.spent += effort


class Budgets:
    """Effort that each device may cause beyond ordinary messages, in this process.

    A device without any left gets what an ordinary message takes, and no more: messages in order on its
    current session, and first messages of a new one, are read as ever. `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_at = BoundedMap[str, float](_PEERS)

    @contextmanager
    def allowance(self, device: str, size: int, *, base: int = 0) -> Iterator[Allowance]:
        """Effort for a message of `size` bytes; `base` is the part that it takes in any case.

        Afterwards the budget pays for what was more than ordinary.
        """
        exhausted = self.exhausted(device)
        macs = size // BYTES_PER_MAC
        # Hardly a message may be missing before a large one that begins a session.
        ordinary = base + (max(LOADING, ORDINARY - macs) if base else ORDINARY)
        most = ordinary if exhausted else max(MAX_UNVERIFIED_HMACS - macs, ordinary)
        allowed = Allowance(most, size, exhausted=exhausted)
        try:
            yield allowed
        finally:
            if allowed.spent > ordinary:
                self._charge(device, allowed.spent)

    def exhausted(self, device: str) -> bool:
        """Whether a message of the device gets no more than an ordinary one takes."""
        return _BUDGET.left(self._full_at.get(device, 0.0), self._clock()) <= 0

    def within(self, device: str, size: int) -> Allowance:
        """Effort for a message inside a transaction: preparing it gives an exhausted device its bytes, and no more."""
        return Allowance(ORDINARY, size, within=True, exhausted=self.exhausted(device))

    def _charge(self, device: str, spent: int) -> None:
        before = self._full_at.get(device, 0.0)
        self._full_at[device] = _BUDGET.charge(before, self._clock(), spent)


class Prepared(Generic[T]):
    """Results for messages that were tried outside the transaction that they are read in.

    They hold for an owner (a device, or a device in a group) until the keys of that owner change.
    """

    def __init__(self) -> None:
        self._found: dict[Hashable, dict[bytes, T | Undecryptable]] = {}

    def put(self, owner: Hashable, ciphertext: bytes, found: T | Undecryptable) -> None:
        """Store the result of a trial; `Undecryptable` is one, too."""
        self._found.setdefault(owner, {})[ciphertext] = found

    def waits(self, owner: Hashable, ciphertext: bytes) -> bool:
        """Whether trying a message is of use: it was not, and no message before it changes the owner's keys."""
        found = self._found.get(owner, {})
        return ciphertext not in found and all(
            isinstance(each, Undecryptable) for each in found.values()
        )

    def get(self, owner: Hashable, ciphertext: bytes) -> T | None:
        """The result; None where there is none. Raises `Undecryptable` where that is the result, once."""
        results = self._found.get(owner, {})
        found = results.get(ciphertext)
        if isinstance(found, Undecryptable):
            del results[ciphertext]
            raise Undecryptable(found.reason)
        return found

    def drop(self, owner: Hashable) -> None:
        """Forget the owner's: its keys change."""
        self._found.pop(owner, None)

    def clear(self) -> None:
        """Forget all results."""
        self._found.clear()
