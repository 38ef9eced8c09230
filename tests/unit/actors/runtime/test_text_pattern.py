from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from actors.runtime.text_pattern import TextPattern


class Order(BaseModel):
    model_config = ConfigDict(strict=True)
    code: Annotated[str, TextPattern("^[a-z]+$", "use letters, as in abc", 2, 4)] | None = None


@pytest.mark.parametrize("given", ["a", "abcde", "a1", "ABC", "", "ab\n", 5, ["ab"]])
def test_a_refusal_is_the_rule(given: object) -> None:
    with pytest.raises(ValidationError) as refused:
        Order.model_validate({"code": given})
    [error] = refused.value.errors()
    assert (error["type"], error["msg"]) == ("invalid_field", "use letters, as in abc")
    assert error["loc"] == ("code",)


def test_a_text_that_matches_is_taken() -> None:
    assert Order.model_validate({"code": "abcd"}).code == "abcd"
    assert Order.model_validate({"code": None}).code is None


def test_the_schema_has_the_pattern_and_the_lengths() -> None:
    text, null = Order.model_json_schema()["properties"]["code"]["anyOf"]
    assert text == {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 4}
    assert null == {"type": "null"}
