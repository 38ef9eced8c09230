"""The catalogue knows the rules of WhatsApp: a trace in which they are at work has nothing new.

Recorded are the clients of `tests/conformance`; a rule whose traffic none of them causes is not judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from simulator.trace import catalogue
from simulator.trace.comparison import TraceComparison

if TYPE_CHECKING:
    from simulator.trace.features import Feature

HEAD: Final = {"trace": 1, "by": "whatsmeow", "began": "2026-11-28", "part": 1}
KNOWN: Final = catalogue.load()


def wire(direction: str, tag: str, *parts: Any, **attrs: str) -> dict[str, Any]:
    """A line of a trace; `from_` is the attribute `from`, and `pair_device` a tag with a hyphen."""
    return {"at": 1, "dir": direction, **part(tag, *parts, **attrs)}


def part(tag: str, *parts: Any, **attrs: str) -> dict[str, Any]:
    made: dict[str, Any] = {"tag": tag}
    if attrs:
        made["attrs"] = {name.rstrip("_"): value for name, value in attrs.items()}
    return made | ({"parts": [*parts]} if parts else {})


def notified(kind: str, *parts: Any) -> list[dict[str, Any]]:
    """A notification, and the ack that a client has for it."""
    return [
        wire("in", "notification", *parts, id="#1", type=kind),
        wire("out", "ack", class_="notification", id="#1", type=kind),
    ]


def asked(direction: str, space: str, kind: str, *parts: Any, **attrs: str) -> dict[str, Any]:
    return wire(direction, "iq", *parts, id="#1", type=kind, xmlns=space, **attrs)


SERVER: Final = "s.whatsapp.net"
TRACES: Final[dict[str, list[dict[str, Any]]]] = {
    "1 refused version": [wire("in", "failure", reason="405")],
    "1 end of a version": [wire("in", "ib", part("client_expiration", t="~16"), from_=SERVER)],
    "2 another secret": notified("companion_reg_refresh", part("companion_reg_refresh")),
    "3 passkey": notified("passkey_prologue_request", part("passkey_request_options")),
    "5 client-props": [asked("in", "md", "set", part("pair-success", part("client-props")))],
    "7 locked": [wire("in", "failure", reason="403", logout_message_header="~64")],
    "7 banned": [wire("in", "failure", reason="406")],
    "7 replaced": [wire("in", "stream:error", code="409")],
    "8 LID beside a number": [
        wire("out", "message", to="lid:1", id="#1", type="text", peer_recipient_pn=f"{SERVER}:1")
    ],
    "10 lookup": [
        asked("out", "usync", "get", part("usync", part("list", part("user", part("contact"))))),
        wire(
            "in",
            "iq",
            part("usync", part("list", part("user", jid="lid:1"))),
            id="#1",
            type="result",
        ),
    ],
    "11 hosted device": [wire("in", "message", from_="hosted:1.99", id="#1", type="text")],
    "12 messages of the own phone": [
        wire("in", "message", from_="lid:1", id="#1", type="text", category="peer"),
        wire("out", "receipt", to=f"{SERVER}:1", id="#1", type="peer_msg"),
    ],
    "13 status": [
        wire("in", "status", id="#1"),
        wire("out", "ack", class_="status", id="#1"),
    ],
    "14 nack": [wire("out", "ack", class_="message", id="#1", error="487")],
    "14 stream that ends": [
        wire("in", "stream:error", part("ack", class_="message", id="#1")),
        wire("in", "xmlstreamend"),
    ],
    "15 retry": [wire("out", "receipt", part("retry", count="1"), id="#1", type="retry")],
    "15 own copies": [wire("out", "receipt", id="#1", type="sender", recipient="lid:1")],
    "16 placeholder": [
        wire("in", "message", part("unavailable"), from_="lid:1", id="#1", type="text"),
        wire("out", "message", to=f"{SERVER}:1", id="#2", type="text", category="peer"),
    ],
    "16 without any content": [
        wire("in", "message", from_="lid:1", id="#1", type="text"),
        wire("out", "ack", class_="message", id="#1", error="488"),
    ],
    "17 batches": [
        wire("in", "ib", part("offline_preview", count="300"), from_=SERVER),
        wire("out", "ib", part("offline_batch", count="200")),
        wire("in", "ib", part("offline", count="300"), from_=SERVER),
    ],
    "19 refusals": [
        wire("in", "ack", class_="message", id="#1", error=error) for error in ("463", "475")
    ],
    "20 privacy tokens": [
        *notified("privacy_token", part("tokens", part("token", type="trusted_contact"))),
        asked("out", "privacy", "set", part("tokens", part("token", type="trusted_contact"))),
        wire("out", "message", part("tctoken"), to="lid:1", id="#1", type="text"),
        wire("out", "message", part("cstoken"), to="lid:1", id="#2", type="text"),
    ],
    "21 limits": [*notified("mex", part("update")), asked("out", "w:mex", "get", part("query"))],
    "22 timer of a group": [
        asked("out", "w:g2", "set", part("ephemeral", expiration="86400"), to="g.us:1"),
    ],
    "23 groups": [asked("out", "w:g2", "get", to="@g.us")],
    "23 stale addressing": [wire("in", "ack", class_="message", id="#1", error="421")],
    "24 name": [wire("out", "presence", type="available", name="~16")],
    "25 inactive": [wire(way, "receipt", id="#1", type="inactive") for way in ("in", "out")],
    "25 aggregated by type": [
        wire(
            "in",
            "receipt",
            part("participants", part("user", **user), key="#3"),
            from_="g.us:1",
            **more,
        )
        for user in ({"jid": "lid:1", "t": "~16"},)
        for more in ({"id": "#1"}, {"id": "#2", "type": "read"})
    ],
    "25 aggregated by message": [
        wire(
            "in",
            "receipt",
            part("participants", part("user", jid="lid:1", type="read"), message_id="#1"),
            from_="g.us:1",
            id="#2",
        )
    ],
    "26 read": [wire("out", "receipt", id="#1", type=kind) for kind in ("read", "read-self")],
    "27 app state": [
        *notified("server_sync", part("collection", name="regular_high")),
        asked("out", "w:sync:app:state", "set", part("sync", part("collection", part("patch")))),
    ],
    "28 calls": [
        wire("in", "call", part("offer"), from_="lid:1", id="#1"),
        wire("out", "ack", class_="call", id="#1"),
        wire("in", "call", part("terminate", reason="timeout"), from_="lid:1", id="#2"),
        wire("out", "call", part("reject"), to="lid:1", id="#3"),
    ],
}
"""By row of the list of WhatsApp's rules: stanzas in which the rule shows itself."""


def new(lines: list[dict[str, Any]], known: set[Feature]) -> list[tuple[str, str]]:
    found = TraceComparison(known).report([HEAD, *lines])
    return [(one["kind"], one["what"]) for one in (*found["never_sent"], *found["never_seen"])]


@pytest.mark.parametrize("rule", TRACES)
def test_a_rule_at_work_is_nothing_new(rule: str) -> None:
    assert new(TRACES[rule], KNOWN) == []


@pytest.mark.parametrize("rule", TRACES)
def test_a_rule_is_new_where_the_catalogue_lacks_it(rule: str) -> None:
    """The comparison looks at each of its stanzas."""
    told = catalogue.recorded(TRACES[rule])
    assert {kind for kind, _ in new(TRACES[rule], KNOWN - told)} == {one.kind for one in told}
