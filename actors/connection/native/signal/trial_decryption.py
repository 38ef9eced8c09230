"""Decrypts a `msg` or `pkmsg` with the session that fits, at a bounded cost; returns plaintext and changes to store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.connection.native.signal.chains import MAX_JUMP, seed, walk
from actors.connection.native.signal.decryption_budget import (
    ACCEPTANCE,
    AGREEMENT,
    LOADING,
)
from actors.connection.native.signal.key_agreement import BadKey, respond
from actors.connection.native.signal.message_cipher import Identities, unseal
from actors.connection.native.signal.ratchet import Chain, Ratchet
from actors.connection.protocol.decryption_errors import Undecryptable
from actors.connection.session.identities.skipped_keys import SkippedKey
from actors.runtime.limits.bounded_map import BoundedMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.native.signal.decryption_budget import Allowance
    from actors.connection.native.signal.signal_messages import PrekeyMessage, SignalMessage
    from actors.connection.session.identities.credentials import Credentials
    from actors.connection.session.identities.signal_keys import StoredRatchet
    from actors.connection.session.session import Session

_TRIED: Final = 3
"""Sessions that are tried for a message under a key that none knows: the current one, and those before it."""

_UNREAD: Final = 3
"""Tries of such a key on all of them, after which others under it are refused at once."""

_REMEMBERED: Final = 1_024
"""Keys that are remembered as unread."""


@dataclass(frozen=True, slots=True)
class TrialDecryption:
    """A plaintext, and the changes that reading it makes.

    `stored` is the session, None where a first message sets one up; `ratchet` is its state before.
    """

    stored: StoredRatchet | None
    ratchet: Ratchet
    plaintext: bytes = field(repr=False)
    after: Chain | None = None
    """The receiving chain from now on; None where a skipped key served, and the chain stays."""
    skipped: tuple[SkippedKey, ...] = ()
    """Keys of messages that were passed over, oldest first."""
    used: tuple[bytes, int] | None = None
    """The ratchet key and the counter of the skipped key that served."""

    def fits(self, ratchet: Ratchet) -> bool:
        """Whether a session still stands where it stood: only messages were sent on it since."""
        before = self.ratchet
        return (before.receiving, before.own_key) == (ratchet.receiving, ratchet.own_key)


class Trial:
    """Tries the current session, then those that know the message's ratchet key, then archived ones.

    The `Allowance` bounds the number and the length of tries; inside a transaction it raises
    `Unprepared`. All methods raise `Undecryptable` where no session reads the message.

    Hundreds of messages may wait on a session that an old copy of the file does not have. They cost their sender
    no budget, which its answers will need: they are under one key, and that is tried a few times.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._unread = BoundedMap[tuple[bytes, tuple[int, ...]], int](_REMEMBERED)
        """By ratchet key and the sessions that were tried, the tries in vain."""

    async def message(
        self, own: Credentials, address: str, message: SignalMessage, allowance: Allowance
    ) -> TrialDecryption:
        """Try the sessions with an address."""
        current = self._session.keys.current_ratchet(address)
        refused: Undecryptable | None = None
        if current is not None:
            ratchet = _load(current, allowance)
            same_chain = message.ratchet_key in ratchet.peer_keys
            # The first message of a next chain is nearly always one of the current session's.
            if same_chain or message.counter == 0:
                try:
                    return await self._attempt(own, current, ratchet, message, allowance)
                except Undecryptable as error:
                    if same_chain or error.reason != "bad_mac":
                        raise
                    refused = error
        knowing = self._session.keys.ratchets_knowing(address, message.ratchet_key, message.counter)
        if knowing:
            return await self.message_on(own, knowing[0], message, allowance)
        sessions = self._session.keys.ratchets(address, _TRIED)
        unread = message.ratchet_key, tuple(sorted(stored.id for stored in sessions))
        times = self._unread.get(unread, 0)
        if times >= _UNREAD:
            raise Undecryptable("bad_mac")
        if refused is not None:
            sessions = [stored for stored in sessions if not stored.current]
        try:
            return await self._one_of(own, sessions, message, allowance, refused)
        except Undecryptable as error:
            if error.reason == "bad_mac" and not allowance.ran_out:
                self._unread[unread] = times + 1
            raise

    async def _one_of(
        self,
        own: Credentials,
        sessions: Sequence[StoredRatchet],
        message: SignalMessage,
        allowance: Allowance,
        refused: Undecryptable | None,
    ) -> TrialDecryption:
        """Try several sessions; `refused` is why one before them did not read the message."""
        for stored in sessions:
            try:
                return await self.message_on(own, stored, message, allowance)
            except Undecryptable as error:
                if error.reason != "bad_mac":
                    raise
                refused = error
        raise refused or Undecryptable("no_session")

    async def message_on(
        self,
        own: Credentials,
        stored: StoredRatchet,
        message: SignalMessage,
        allowance: Allowance,
    ) -> TrialDecryption:
        """Try one session."""
        return await self._attempt(own, stored, _load(stored, allowance), message, allowance)

    async def _attempt(
        self,
        own: Credentials,
        stored: StoredRatchet,
        ratchet: Ratchet,
        message: SignalMessage,
        allowance: Allowance,
    ) -> TrialDecryption:
        """Try one session. A message of a chain that it has belongs to it, whatever comes of that."""
        identities = Identities(own.identity_public, stored.identity)
        key, counter = message.ratchet_key, message.counter
        chain = ratchet.receiving
        if key not in ratchet.peer_keys:
            if not ratchet.sent and not stored.spent:
                raise Undecryptable("bad_mac")
            _bound(counter)
            allowance.demand(AGREEMENT + counter, "bad_mac", mac=True)
            begun = await ratchet.chain_of(key)
            read = _follow(begun, message, identities, stored, ratchet)
            return self._with_previous(read, chain, message, allowance)
        if key == ratchet.peer_keys[0] and chain is None:
            raise Undecryptable("invalid_message")
        if chain is None or key != chain.ratchet_key or counter < chain.counter:
            kept = self._session.skipped_keys.find(stored.id, key, counter)
            if kept is None:
                raise Undecryptable("old_counter")
            allowance.demand(0, "bad_mac", mac=True)
            plaintext = unseal(kept, message, identities)
            return TrialDecryption(stored, ratchet, plaintext, used=(key, counter))
        _bound(counter - chain.counter)
        allowance.demand(counter - chain.counter, "too_far", mac=True)
        read = _follow(chain, message, identities, stored, ratchet)
        allowance.pay(len(read.skipped))
        return read

    def _with_previous(
        self,
        read: TrialDecryption,
        chain: Chain | None,
        message: SignalMessage,
        allowance: Allowance,
    ) -> TrialDecryption:
        """Add the keys that the chain before still had: the message was authentic, and has their number."""
        # libsignal writes the counter of the previous chain's last message where the specification
        # has their number: reading one more loses nothing in either case (-1 wraps to none).
        previous = (message.previous_counter + 1) & 0xFFFF_FFFF
        missed = 0 if chain is None else max(0, min(previous - chain.counter, MAX_JUMP))
        allowance.pay(len(read.skipped) + 2 * missed)
        if chain is None or not missed:
            return read
        passed = _keys(chain, walk(chain.key, missed - 1))
        return TrialDecryption(
            read.stored, read.ratchet, read.plaintext, read.after, (*passed, *read.skipped)
        )

    async def first(
        self,
        own: Credentials,
        envelope: PrekeyMessage,
        message: SignalMessage,
        allowance: Allowance,
    ) -> TrialDecryption:
        """Set up the session of a first message. The prekey that it names is there still."""
        signed_prekey = self._session.keys.signed_prekey(envelope.signed_prekey_id)
        if signed_prekey is None:
            raise Undecryptable("invalid_signed_prekey")
        prekey = None
        if envelope.prekey_id is not None:
            prekey = self._session.keys.prekey(envelope.prekey_id)
            if prekey is None:
                raise Undecryptable("invalid_prekey")
        _bound(message.counter)
        allowance.demand(ACCEPTANCE + message.counter, "too_far", mac=True)
        try:
            secret = await respond(
                own.identity_private,
                signed_prekey,
                None if prekey is None else (prekey.private, prekey.public),
                envelope.identity_key,
                envelope.base_key,
            )
        except BadKey as error:
            raise Undecryptable("invalid_message") from error
        ratchet = await Ratchet.respond(
            secret, signed_prekey.private, envelope.registration_id, message.ratchet_key
        )
        chain = ratchet.receiving
        assert chain is not None
        identities = Identities(own.identity_public, envelope.identity_key)
        read = _follow(chain, message, identities, None, ratchet)
        allowance.pay(len(read.skipped))
        return read


def _load(stored: StoredRatchet, allowance: Allowance) -> Ratchet:
    allowance.demand(LOADING, "bad_mac")
    return Ratchet.load(stored.state)


def _bound(jump: int) -> None:
    if jump > MAX_JUMP:
        raise Undecryptable("too_far")


def _follow(
    chain: Chain,
    message: SignalMessage,
    identities: Identities,
    stored: StoredRatchet | None,
    ratchet: Ratchet,
) -> TrialDecryption:
    """Read the message where the chain leads to it."""
    *passed, there, behind = walk(chain.key, message.counter - chain.counter + 1)
    plaintext = unseal(seed(there), message, identities)
    after = Chain(chain.ratchet_key, message.counter + 1, behind)
    return TrialDecryption(stored, ratchet, plaintext, after, _keys(chain, passed))


def _keys(chain: Chain, places: list[bytes]) -> tuple[SkippedKey, ...]:
    """The message keys of these places of the chain, from its counter on."""
    return tuple(
        SkippedKey(chain.ratchet_key, chain.counter + number, seed(place))
        for number, place in enumerate(places)
    )
