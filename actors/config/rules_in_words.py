"""Words the rules of values for people, of settings and of requests: pydantic's texts name Python types (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from pydantic_core.core_schema import ErrorType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

EXAMPLE: Final = ", as in "
"""Stands before the example of a rule."""

UNNAMED: Final = "it cannot be used"
"""In place of pydantic's own text for a rule without words here: some of those repeat what was given."""

_NUMBER, _WHOLE, _TRUTH = "write a number", "write a whole number", "write true or false"
_LIST, _OBJECT, _TIME = "write a list", "write an object", "write a time with a zone"
_WORDS: Final[Mapping[str, str]] = {
    "missing": "it is needed",
    "extra_forbidden": "there is none of this name",
    "literal_error": "write {expected}",
    "string_type": "write a text",
    "path_type": "write a path",
    "string_too_short": "write {min_length} or more characters",
    "string_too_long": "write at most {max_length} characters",
    **dict.fromkeys(("bool_type", "bool_parsing"), _TRUTH),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), _WHOLE),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), _NUMBER),
    "greater_than": "write more than {gt}",
    "greater_than_equal": "write {ge} or more",
    "less_than": "write less than {lt}",
    "less_than_equal": "write at most {le}",
    **dict.fromkeys(("list_type", "tuple_type"), _LIST),
    "too_short": "list {min_length} or more",
    "too_long": "list at most {max_length}",
    **dict.fromkeys(
        ("dict_type", "model_type", "model_attributes_type", "dataclass_type"), _OBJECT
    ),
    **dict.fromkeys(("datetime_type", "datetime_parsing", "timezone_aware"), _TIME),
}
_BUILT_IN: Final = frozenset(get_args(ErrorType))


def rule(found: ErrorDetails) -> str:
    """The rule that a value breaks, as what to write instead; never repeats the value.

    The text of a validator of this project is returned as it is.
    """
    kind, message = found["type"], found["msg"]
    words = _WORDS.get(kind)
    if words is not None:
        context = {name: _written(value) for name, value in found.get("ctx", {}).items()}
        return words.format_map(context)
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    return UNNAMED if kind in _BUILT_IN else message


def _written(value: object) -> str:
    """A bound without a decimal point that says nothing, and choices without quotes."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).replace("'", "")
