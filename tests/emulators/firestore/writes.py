"""One write of a commit, applied to what is there: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.cloud.firestore_v1.types import document as document_types
from google.cloud.firestore_v1.types import write as write_types

from tests.emulators.firestore import fields
from tests.emulators.firestore.documents import PbDocument
from tests.emulators.firestore.refusals import Code, Refused, check_document, check_name, invalid
from tests.emulators.firestore.values import NUMBER, key

if TYPE_CHECKING:
    from collections.abc import Sequence

PbResult: Any = write_types.WriteResult.pb()
_PbValue: Any = document_types.Value.pb()
_INTEGERS = range(-(2**63), 2**63)
_NULL = _PbValue(null_value=0)


def name_of(write: Any) -> str:
    """The document that the write is about."""
    operation = write.WhichOneof("operation")
    if operation == "update":
        name = write.update.name
    elif operation == "delete":
        name = write.delete
    elif operation == "transform":
        name = write.transform.document
    else:
        raise invalid("a write without an operation")
    check_name(name)
    return name


def apply(write: Any, before: Any | None, now: int) -> tuple[Any | None, Any]:
    """The document afterwards (None: there is none) and the `WriteResult`; or `Refused`.

    A write that changes nothing leaves the document's update time as it is.
    """
    name = name_of(write)
    _check_precondition(write.current_document, before, name)
    result = PbResult()
    if write.WhichOneof("operation") == "delete":
        return None, result
    after = PbDocument(name=name)
    masked = write.HasField("update_mask") or write.WhichOneof("operation") == "transform"
    if masked and before is not None:
        after.CopyFrom(before)
    if write.WhichOneof("operation") == "update":
        _update(write, after)
    transforms = [*write.transform.field_transforms, *write.update_transforms]
    result.transform_results.extend(_transform(after, each, now) for each in transforms)
    check_document(after)
    if before is not None and before.fields == after.fields:
        after.CopyFrom(before)
    else:
        after.update_time.FromMicroseconds(now)
        if before is None:
            after.create_time.FromMicroseconds(now)
        else:
            after.create_time.CopyFrom(before.create_time)
    result.update_time.CopyFrom(after.update_time)
    return after, result


def _check_precondition(condition: Any, before: Any | None, name: str) -> None:
    match condition.WhichOneof("condition_type"):
        case "exists" if condition.exists and before is None:
            raise Refused(Code.NOT_FOUND, f"No document to update: {name}")
        case "exists" if not condition.exists and before is not None:
            raise Refused(Code.ALREADY_EXISTS, f"Document already exists: {name}")
        case "update_time" if before is None or before.update_time != condition.update_time:
            raise Refused(Code.FAILED_PRECONDITION, "the document changed since that time")


def _update(write: Any, after: Any) -> None:
    if not write.HasField("update_mask"):
        after.ClearField("fields")
        for name, value in write.update.fields.items():
            after.fields[name].CopyFrom(value)
        return
    for path in map(fields.parts, write.update_mask.field_paths):
        value = fields.find(write.update, path)
        if value is None:
            fields.drop(after, path)
        else:
            fields.put(after, path, value)


def _transform(after: Any, transform: Any, now: int) -> Any:
    path = fields.parts(transform.field_path)
    there = fields.find(after, path)
    result = _NULL
    match transform.WhichOneof("transform_type"):
        case "set_to_server_value":
            changed = _PbValue()
            changed.timestamp_value.FromMicroseconds(now)
            result = changed
        case "increment":
            result = changed = _sum(there, transform.increment)
        case "maximum":
            result = changed = _extreme(there, transform.maximum, 1)
        case "minimum":
            result = changed = _extreme(there, transform.minimum, -1)
        case "append_missing_elements":
            changed = _list(there)
            known = {key(each) for each in changed.array_value.values}
            for each in transform.append_missing_elements.values:
                if key(each) not in known:
                    known.add(key(each))
                    changed.array_value.values.append(each)
        case "remove_all_from_array":
            gone = {key(each) for each in transform.remove_all_from_array.values}
            kept = [each for each in _list(there).array_value.values if key(each) not in gone]
            changed = _of_list(kept)
        case unknown:
            raise invalid(f"not a transform: {unknown}")
    fields.put(after, path, changed)
    return result


def _sum(there: Any | None, by: Any) -> Any:
    if there is None or key(there)[0] != NUMBER:
        return by
    one, other = _number(there), _number(by)
    total = one + other
    if isinstance(total, float):
        return _PbValue(double_value=total)
    # An integer that would overflow stays at the bound.
    return _PbValue(integer_value=min(max(total, _INTEGERS[0]), _INTEGERS[-1]))


def _extreme(there: Any | None, other: Any, sign: int) -> Any:
    if there is None or key(there)[0] != NUMBER:
        return other
    return there if (_number(there) - _number(other)) * sign >= 0 else other


def _number(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value_type"))


def _list(there: Any | None) -> Any:
    if there is None or there.WhichOneof("value_type") != "array_value":
        return _of_list(())
    return _of_list(there.array_value.values)


def _of_list(values: Sequence[Any]) -> Any:
    made = _PbValue()
    made.array_value.SetInParent()
    made.array_value.values.extend(values)
    return made
