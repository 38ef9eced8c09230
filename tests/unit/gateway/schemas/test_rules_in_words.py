"""A refusal names its field and a rule in words; no person reads a regular expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ValidationError

from actors.config.settings import InvalidSettings, Settings
from actors.config.sources import resolve_settings
from gateway.app import OPERATIONS
from gateway.http.problems import from_validation
from gateway.schemas.connection_requests import NewConnection
from gateway.schemas.request_models import ListMessages

if TYPE_CHECKING:
    from collections.abc import Iterator

MODELS: set[type[BaseModel]] = {
    Settings,
    *(model for each in OPERATIONS for model in (each.body, each.query) if model is not None),
}


def patterns(schema: Any, *, worded: bool = False) -> Iterator[str]:
    """The patterns of a core schema whose mismatch would be reported by the pattern itself."""
    if isinstance(schema, dict):
        worded = worded or schema.get("type") == "custom-error"
        if schema.get("type") == "str" and "pattern" in schema and not worded:
            yield str(schema["pattern"])
        for name, each in schema.items():
            if name != "metadata":
                yield from patterns(each, worded=worded)
    elif isinstance(schema, list | tuple):
        for each in schema:
            yield from patterns(each, worded=worded)


@pytest.mark.parametrize("model", sorted(MODELS, key=str))
def test_every_pattern_has_a_rule_in_words(model: type[BaseModel]) -> None:
    assert list(patterns(model.__pydantic_core_schema__)) == []


def test_a_pattern_without_a_rule_is_found() -> None:
    from pydantic import Field

    class Bare(BaseModel):
        name: str = Field(pattern="^a$")

    assert list(patterns(Bare.__pydantic_core_schema__)) == ["^a$"]


def test_a_refused_name_has_the_rule_and_an_example() -> None:
    with pytest.raises(ValidationError) as refused:
        NewConnection.model_validate_json('{"id": "My Shop"}')
    problem = from_validation(refused.value)
    assert problem.kind.code == "invalid_field"
    assert problem.detail == (
        "The field id: use 1 to 64 lower-case letters, digits, - and _, a letter or digit first, as in"
        " shop-2."
    )


def test_a_refused_parameter_keeps_its_code() -> None:
    with pytest.raises(ValidationError) as refused:
        ListMessages.model_validate({"connection": "My Shop"})
    problem = from_validation(refused.value, parameters=True)
    assert problem.kind.code == "invalid_parameter"
    assert problem.detail.startswith("The parameter connection: a connection's id has lower-case")


def test_a_refused_setting_has_the_rule_and_an_example() -> None:
    with pytest.raises(InvalidSettings) as refused:
        resolve_settings(whatsapp_version="latest")
    assert str(refused.value).endswith(
        "WHATSAPP_VERSION is not valid: a version has three numbers with dots between, as in"
        " 2.3000.1027."
    )
