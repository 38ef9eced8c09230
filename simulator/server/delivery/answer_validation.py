"""Decides whether a client's ack or receipt suffices to dequeue a stanza, and returns the reasons against.

After whatsmeow (`receipt.go` buildBaseReceipt and sendAck) and whatsapp-rust (`nack.rs`; its issues
633, 647 and 649: a server that misses an attribute of the answer sends the stanza again and closes
the stream).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulator.wire.protocol_library import jid_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

RECEIVED: Final = frozenset({"", "inactive", "sender", "peer_msg", "hist_sync"})
"""Types of a receipt by which a device acknowledges a message."""
NACKS: Final = frozenset({487, 488, 489, 490, 491, 493, 495, 496, 499, 500, 550, 551, 552})
"""Errors by which a client refuses a stanza for good: whatsmeow `receipt.go`, Nack…."""


def reasons_against(stanza: Any, answer: Any, *, own_copies: bool = False) -> list[str]:
    """Returns the reasons why an answer does not settle the stanza, in words; empty where it does.

    `answer` is an ack or a receipt with the id of `stanza`, which was sent to the client. With
    `own_copies` the copy of an own message is settled by a receipt of type `sender` alone
    (contested: whatsapp-rust 647, 659).
    """
    return list(_reasons(stanza, answer, own_copies))


def _reasons(stanza: Any, answer: Any, own_copies: bool) -> Iterator[str]:
    given = text_of(answer, "type")
    if answer.tag == "receipt":
        if stanza.tag != "message":
            yield "a receipt"
        elif given not in RECEIVED:
            yield f"{given} alone"
    else:
        yield from _reasons_against_ack(stanza, answer, given)
    if own_copies and "recipient" in stanza.attrs and (answer.tag, given) != ("receipt", "sender"):
        yield "no receipt of type sender"
    sender = jid_of(stanza, "from")
    if jid_of(answer, "to") != sender:
        yield "another to"
    for name in ("participant", "recipient"):
        expected, repeated = jid_of(stanza, name), jid_of(answer, name)
        # whatsapp-rust leaves out the participant of a receipt that is its sender as well.
        if (
            expected is not None
            and repeated != expected
            and not (repeated is None and expected == sender)
        ):
            yield f"{'another' if repeated is not None else 'no'} {name}"


def _reasons_against_ack(stanza: Any, ack: Any, given: str) -> Iterator[str]:
    kind = text_of(ack, "class")
    if kind != stanza.tag:
        yield f"class {kind or 'missing'}"
    error = text_of(ack, "error")
    if error and error not in map(str, NACKS):
        yield f"error {error}"
    shown = text_of(stanza, "type")
    # A message's ack has a type or none. WhatsApp Web leaves it out for a new identity, and so does
    # whatsapp-rust (`is_encrypt_identity_notification`); whatsmeow repeats it.
    free = stanza.tag in ("message", "status") or (stanza.tag, shown, given) == (
        "notification",
        "encrypt",
        "",
    )
    if not free and given != shown:
        yield f"type {given or 'missing'}"
