"""`whatsapp.proto` against the declarations of two libraries, and its classes against those of one."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st
from pyaileys.proto import WAProto_pb2 as pyaileys

from actors.connection.protocol.wire_format import whatsapp_pb2
from tests.conformance.processes import absent, interpreter
from tests.unit.actors.connection.protocol.wire_format.neonize_declarations import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    Declarations = dict[str, dict[str, dict[str, Any]]]

ROOT: Final = Path(__file__).resolve().parents[6]
FILE: Final = Path("actors/connection/protocol/wire_format/whatsapp.proto")
PACKAGE: Final = "teimoso.whatsapp."

NEWER: Final = 115
"""The first kind of a message that pyaileys does not know; it has that one as 114, and the others as 115."""

NEWER_KINDS: Final = {f"Message.{name}Message" for name in ("EventInvite", "Music", "SplitPayment")}
"""Messages of these kinds of which a field is declared."""

UNREFERENCED: Final = {
    "Message.PollVoteMessage": "PollVoteMessage",
    "CertChain.NoiseCertificate.Details": "CertChain.NoiseCertificate.Details",
}
"""Messages that no field holds, with their names in neonize: they travel inside bytes."""


def messages(parent: Any = whatsapp_pb2.DESCRIPTOR) -> Iterator[Any]:
    """All declared messages, those inside of others included."""
    inside = parent is not whatsapp_pb2.DESCRIPTOR
    for message in parent.nested_types if inside else parent.message_types_by_name.values():
        yield message
        yield from messages(message)


def test_the_classes_are_made_of_the_declaration(tmp_path: Path) -> None:
    if find_spec("grpc_tools") is None:
        pytest.skip("grpcio-tools, which compiles the declaration, is not installed")
    words = ("-m", "grpc_tools.protoc", "--proto_path=.", f"--python_out={tmp_path}", FILE)
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True)
    made = (tmp_path / FILE).with_name("whatsapp_pb2.py").read_text()
    assert (ROOT / FILE).with_name("whatsapp_pb2.py").read_text() == made, "`make proto` makes it"


def ours() -> Declarations:
    found: Declarations = {}
    for message in messages():
        shown(message, found)
    return found


def differences(
    name: str, theirs: Declarations, other: str, seen: set[str], known: Declarations
) -> Iterator[str]:
    """Each field of a message, and of all that it holds, that another library declares differently."""
    if name in seen:
        return
    seen.add(name)
    for number, field in known[name].items():
        there, where = theirs[other].get(number), f"{name}.{field['name']}"
        if there is None:
            yield f"{where} is unknown"
            continue
        same = there["name"].lower() == field["name"].lower()
        if not same or any(there[each] != field[each] for each in ("type", "repeated")):
            yield f"{where} is {there['name']}, type {there['type']}"
        if not field["values"].items() <= there["values"].items():
            yield f"{where} has other values"
        if field["message"] is not None and there["message"] is not None:
            yield from differences(field["message"], theirs, there["message"], seen, known)


def compared(theirs: Declarations, pairs: dict[str, str]) -> tuple[set[str], set[str]]:
    """All differences, and the declared messages that were not compared."""
    known, seen = ours(), set[str]()
    found = {
        one
        for name, other in pairs.items()
        for one in differences(PACKAGE + name, theirs, other, seen, known)
    }
    return found, {name.removeprefix(PACKAGE) for name in set(known) - seen}


TOPS: Final = tuple(whatsapp_pb2.DESCRIPTOR.message_types_by_name)


def test_pyaileys_declares_the_same() -> None:
    theirs: Declarations = {}
    for message in pyaileys.DESCRIPTOR.message_types_by_name.values():
        shown(message, theirs)
    found, left = compared(theirs, {name: f"proto.{name}" for name in (*TOPS, *UNREFERENCED)})
    kinds = whatsapp_pb2.DESCRIPTOR.message_types_by_name["Message"].fields
    newer = [field.name for field in kinds if field.number >= NEWER]
    assert found == {f"{PACKAGE}Message.{name} is unknown" for name in newer}
    assert left == NEWER_KINDS


def test_whatsmeow_declares_the_same() -> None:
    if reason := absent("neonize"):
        pytest.skip(reason)
    program = Path(__file__).with_name("neonize_declarations.py")
    told = subprocess.run(
        [interpreter("neonize"), "-W", "ignore", program], capture_output=True, check=True
    )
    theirs = json.loads(told.stdout)
    roots = theirs["roots"]
    pairs = {name: roots[name] for name in TOPS}
    for name, other in UNREFERENCED.items():
        top, dot, rest = other.partition(".")
        pairs[name] = f"{roots[top]}{dot}{rest}"
    assert compared(theirs["messages"], pairs) == (set(), set())


# values, from the classes of one to those of the other and back

SCALARS: Final[dict[int, st.SearchStrategy[Any]]] = {
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SFIXED32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: st.integers(0, 2**64 - 1),
    # one that nobody declared is a number as well
    FieldDescriptor.TYPE_ENUM: st.integers(0, 40),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_STRING: st.text(max_size=6),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=6),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False),
    FieldDescriptor.TYPE_FLOAT: st.floats(allow_nan=False, width=32),
}


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


@st.composite
def filled(draw: st.DrawFn, message: Any, known: Any, depth: int = 3) -> Any:
    """A message with values in some of the fields that `known` has as well."""
    made = GetMessageClass(message)()
    fields = [
        field
        for field in message.fields
        if field.number in known.fields_by_number and not _is_map(field)
    ]
    if not fields:
        return made
    for field in draw(st.lists(st.sampled_from(fields), max_size=4, unique=True)):
        inner = known.fields_by_number[field.number].message_type
        if field.message_type is None:
            drawn = SCALARS[field.type]
        elif depth:
            drawn = filled(field.message_type, inner, depth - 1)
        else:
            continue
        if field.is_repeated:
            getattr(made, field.name).extend(draw(st.lists(drawn, max_size=2)))
        elif field.message_type is None:
            setattr(made, field.name, draw(drawn))
        else:
            getattr(made, field.name).CopyFrom(draw(drawn))
            getattr(made, field.name).SetInParent()
    return made


def values(message: Any, own: Any, other: Any) -> dict[int, Any]:
    """The values of a message by number, of the fields that both have; a zero only where both tell it from none."""
    found: dict[int, Any] = {}
    for field, value in message.ListFields():
        pair = [each.fields_by_number.get(field.number) for each in (own, other)]
        if None in pair:
            continue
        inner = [each.message_type for each in pair]
        if None in inner:
            if value or field.is_repeated or all(each.has_presence for each in pair):
                found[field.number] = value
        elif field.is_repeated:
            found[field.number] = [values(one, *inner) for one in value]
        else:
            found[field.number] = values(value, *inner)
    return found


def counterparts() -> Iterator[tuple[Any, Any]]:
    """Each declared message, and pyaileys' of the same name."""
    tops = pyaileys.DESCRIPTOR.message_types_by_name
    for message in messages():
        first, *rest = message.full_name.removeprefix(PACKAGE).split(".")
        other = tops[first]
        for name in rest:
            other = other and other.nested_types_by_name.get(name)
        if other is not None:
            yield message, other


PAIRS: Final = [
    pytest.param(own, other, id=own.full_name.removeprefix(PACKAGE))
    for own, other in counterparts()
]


@pytest.mark.parametrize(("own", "other"), PAIRS)
@settings(max_examples=10)
@given(data=st.data())
def test_pyaileys_reads_what_is_written(own: Any, other: Any, data: Any) -> None:
    message = data.draw(filled(own, other))
    read = GetMessageClass(other).FromString(message.SerializeToString())
    assert values(read, own, other) == values(message, own, other)


@pytest.mark.parametrize(("own", "other"), PAIRS)
@settings(max_examples=10)
@given(data=st.data())
def test_what_pyaileys_writes_is_read_and_stays_whole(own: Any, other: Any, data: Any) -> None:
    """Also what is not declared here: it leaves as it came."""
    message = data.draw(filled(other, other))
    read = GetMessageClass(own).FromString(message.SerializeToString())
    assert values(read, own, other) == values(message, own, other)
    assert GetMessageClass(other).FromString(read.SerializeToString()) == message
