"""Real frames, and the ways in which a hostile peer changes them."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from actors.connection.protocol.wire_format.nodes import Node
from simulator.wire import protocol_library

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES: Final = Path(__file__).with_name("frames.json")
RECORDED: Final[dict[str, Any]] = json.loads(FRAMES.read_text()) if FRAMES.exists() else {}

EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "0"))


def fuzzed(examples: int) -> settings:
    """Returns the settings of a test here: the same few examples each time, or `FUZZ_EXAMPLES` fresh ones."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def recorded(kind: str) -> list[bytes]:
    """The frames of one direction, flag byte included, as they were before encryption."""
    return [bytes.fromhex(data) for data in RECORDED.get(kind, ())]


def stanzas(kind: str) -> list[Node]:
    """The same as nodes."""
    return [_node(protocol_library.decode(data)) for data in recorded(kind)]


def _node(stanza: Any) -> Node:
    attrs = {name: str(value) for name, value in stanza.attrs.items()}
    content = stanza.content
    return Node(stanza.tag, attrs, [*map(_node, content)] if isinstance(content, list) else content)


def encode(node: Node) -> bytes:
    """The frame of a stanza, flag byte included."""
    return protocol_library.encode(_stanza(node))


def _stanza(node: Node) -> Any:
    children = node.children()
    content = [*map(_stanza, children)] if children else node.data or None
    # The library packs texts of digits, but none that is long.
    attrs = {name: text.encode() if len(text) > 100 else text for name, text in node.attrs.items()}
    return protocol_library.Node(node.tag, attrs, content)


ACCOUNT: Final = "15550100001@s.whatsapp.net"
DEVICE: Final = "15550100001:1@s.whatsapp.net"
CONTACT: Final = "15550100002@s.whatsapp.net"
COMING: Final = stanzas("to_client")


# Bytes that mean something in one of the formats: lists, lengths, addresses, varints, zlib.
_MEANINGFUL = [
    b"\x00",
    b"\xff",
    b"\x80",
    b"\xf8\x00",
    b"\xf8\x01",
    b"\xf9\xff\xff",
    b"\xfc\xff",
    b"\xfd\x0f\xff\xff",
    b"\xfe\xff\xff\xff\xff",
    b"\xfa",
    b"\xf7\x80\xff",
    b"\xf6",
    b"\xf5",
    b"\xfb\xff",
    b"\xff\x7f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x0a\xff\xff\xff\xff\x0f",
    b"\x78\x9c",
]


@st.composite
def damaged(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """One of the originals, changed in up to four places, or none at all."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 7)):
            case 0 if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del data[at:]
            case 2:
                del data[at : at + draw(st.integers(1, 40))]
            case 3:
                data[at:at] = draw(st.binary(max_size=20))
            case 4:
                piece = draw(st.sampled_from(_MEANINGFUL))
                data[at : at + draw(st.sampled_from([0, len(piece)]))] = piece
            case 5:
                other = draw(st.sampled_from(originals))
                start = draw(st.integers(0, len(other)))
                data[at:] = other[start:]
            case 6:
                piece = bytes(data[at : at + draw(st.integers(1, 30))])
                data[at:at] = piece * draw(st.integers(1, 60))
            case _:
                data[at:at] = draw(st.sampled_from(_MEANINGFUL)) * draw(st.integers(1, 400))
    return bytes(data)


@st.composite
def frames(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """Damaged frames, some of them compressed before or after."""
    data = draw(damaged(originals))
    match draw(st.integers(0, 5)):
        case 0:
            return b"\x02" + zlib.compress(data[1:])
        case 1:
            return b"\x02" + draw(damaged([zlib.compress(data[1:])]))
        case _:
            return data


HOSTILE_TEXTS: Final = [
    "",
    "0",
    "-1",
    "²",
    "NaN",
    "4294967296",
    "18446744073709551616",
    "9" * 400,
    "9" * 5000,
    "\0",
    "a:b@c",
    "@",
    "@lid",
    "a@b@c",
    "x" * 70_000,
    "'; DROP TABLE messages; --",
    "15550100002:99999@s.whatsapp.net",
    "15550100002_1:3@s.whatsapp.net",
    "90000000000002:3@lid",
    "15550100001@s.whatsapp.net",
    "15550100001:1@s.whatsapp.net",
    "15550100009@lid",
    "120363000000000001@g.us",
    "status@broadcast",
    "s.whatsapp.net",
    "message",
    "retry",
    "pkmsg",
    "skmsg",
    "set",
    "get",
    "result",
    "error",
]

_TEXTS = st.sampled_from(HOSTILE_TEXTS) | st.text(max_size=12)


@st.composite
def changed(draw: st.DrawFn, originals: list[Node]) -> Node:
    """One of the stanzas with parts that are hostile, missing, twice, or another stanza's."""
    node = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(0, 4))):
        node = _change(draw, node, originals)
    return node


def _change(draw: Callable[[Any], Any], node: Node, originals: list[Node]) -> Node:
    children = node.children()
    if children and draw(st.integers(0, 2)):
        index = draw(st.integers(0, len(children) - 1))
        children[index] = _change(draw, children[index], originals)
        return Node(node.tag, node.attrs, tuple(children))
    match draw(st.integers(0, 8)):
        case 0 | 1 | 2 if node.attrs:
            name = draw(st.sampled_from(sorted(node.attrs)))
            return Node(node.tag, {**node.attrs, name: draw(_TEXTS)}, node.content)
        case 3 if node.attrs:
            dropped = draw(st.sampled_from(sorted(node.attrs)))
            kept = {name: value for name, value in node.attrs.items() if name != dropped}
            return Node(node.tag, kept, node.content)
        case 4 if children:
            index = draw(st.integers(0, len(children) - 1))
            return Node(node.tag, node.attrs, tuple(children[:index] + children[index + 1 :]))
        case 5 if children:
            index = draw(st.integers(0, len(children) - 1))
            return Node(node.tag, node.attrs, (*children, *[children[index]] * 3))
        case 6 if node.data:
            return Node(node.tag, node.attrs, draw(damaged([node.data])))
        case 7:
            other = draw(st.sampled_from(originals))
            return Node(node.tag, node.attrs, draw(st.sampled_from([None, b"", (other,)])))
        case _:
            other = draw(st.sampled_from(originals))
            return Node(node.tag, {**other.attrs, **node.attrs}, node.content or other.content)
