"""Each field of each body and query is refused by its name, a rule and an example, and without the value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, RootModel, ValidationError

from actors.config.rules_in_words import EXAMPLE, UNNAMED
from gateway.app import OPERATIONS
from gateway.http.problems import from_validation
from gateway.schemas.examples import of_bodies
from gateway.schemas.request_models import ListMessages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.http.problems import Problem

MARK = "4f6a091c"
"""In every wrong text: no answer repeats it."""

WRONG: tuple[Any, ...] = (
    *("", MARK, f"{MARK}\x07", MARK * 9000, "2030-13-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    *(True, -1, 1.5, 10**30, {}, [], [[]], [MARK], [-1], [MARK] * 2000, [{"name": f"{MARK}\n"}]),
    *({MARK: -1}, {"name": 5}, {"a b": MARK}, {"Host": MARK}, {"A": f"{MARK}\n"}),
)
FROM_PYDANTIC = ("Input", "should", "after validation", "String", "List ", "valid ")

BODIES = {
    f"{each.id} {kind}": (each.body, example)
    for each in OPERATIONS
    if each.body is not None
    for kind, example in of_bodies(each.body).items()
}
QUERIES = {each.id: each.query for each in OPERATIONS if each.query is not None}


def fields(model: type[BaseModel], example: Mapping[str, Any]) -> list[str]:
    """The names of the fields of a body, of its kind where there are several."""
    schema = model.model_json_schema()
    if issubclass(model, RootModel):
        kind = schema["discriminator"]["mapping"][example.get("type", "text")]
        schema = schema["$defs"][kind.rpartition("/")[2]]
    return list(schema["properties"])


def spoilt(model: type[BaseModel], example: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Bodies with one thing wrong at most, each with the name of the field that is wrong."""
    for name in fields(model, example):
        yield name, {key: value for key, value in example.items() if key != name}
        for value in WRONG:
            yield name, {**example, name: value}
        if isinstance(given := example.get(name), dict):
            for key, value in ((key, value) for key in given for value in WRONG):
                yield name, {**example, name: {**given, key: value}}
    yield "unknown", {**example, "unknown": MARK}
    yield "", [MARK]


def judge(problem: Problem, *names: str) -> None:
    for error in problem.extra["errors"]:
        message = error["message"]
        assert error["field"].split(".")[0] in names, error
        if error["code"] in {"unknown_field", "unknown_parameter"}:
            assert "; known: " in message, error
        else:
            assert message.count(EXAMPLE) == 1, error
        assert not any(word in message for word in (*FROM_PYDANTIC, UNNAMED)), error
    assert MARK not in bytes(problem.response().body).decode()


@pytest.mark.parametrize(("model", "example"), BODIES.values(), ids=list(BODIES))
def test_a_field_of_a_body_is_refused(model: type[BaseModel], example: dict[str, Any]) -> None:
    refused = 0
    for name, body in spoilt(model, example):
        # A message of no type is a text, for which the fields of its type are unknown.
        names = (name,) if name != "type" else ("type", *example, "text")
        try:
            model.model_validate_json(json.dumps(body))
        except ValidationError as error:
            judge(from_validation(error, model), *names)
            refused += 1
    assert refused > 1


@pytest.mark.parametrize("query", QUERIES.values(), ids=list(QUERIES))
def test_a_parameter_is_refused(query: type[BaseModel]) -> None:
    needed = [name for name, field in query.model_fields.items() if field.is_required()]
    refused = 0
    for name in (*query.model_fields, "unknown"):
        for given in ({name: text} for text in WRONG if isinstance(text, str)):
            try:
                query.model_validate(given)
            except ValidationError as error:
                judge(from_validation(error, query, parameters=True), name, *needed)
                refused += 1
    assert refused > 1


def test_a_field_of_an_item_is_named_as_it_is_written() -> None:
    model, example = BODIES["sendMessage contact"]
    with pytest.raises(ValidationError) as refused:
        model.model_validate_json(json.dumps({**example, "contacts": [{"name": "", "phone": "x"}]}))
    found = [each["field"] for each in from_validation(refused.value, model).extra["errors"]]
    assert found[:2] == ["contacts.0.name", "contacts.0.phone"]


def test_a_choice_names_all_of_its_values() -> None:
    with pytest.raises(ValidationError) as refused:
        ListMessages.model_validate({"order": MARK})
    problem = from_validation(refused.value, ListMessages, parameters=True)
    assert problem.detail == "The parameter order: write newest or oldest, as in newest."
