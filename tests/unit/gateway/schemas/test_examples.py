"""Each operation shows what it takes and gives, and what it shows fits its schema."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.api_document import DOCUMENT

DESCRIBED = [
    (operation["operationId"], operation)
    for methods in DOCUMENT["paths"].values()
    for operation in methods.values()
]


@pytest.mark.parametrize(("name", "operation"), DESCRIBED, ids=[name for name, _ in DESCRIBED])
def test_examples_fit_their_schemas(name: str, operation: dict[str, Any]) -> None:
    contents = [
        of["content"]["application/json"]
        for of in (operation.get("requestBody", {}), *operation["responses"].values())
        if "schema" in of.get("content", {}).get("application/json", {})
    ]
    for content in contents:
        assert content["examples"], name
        schema = {**content["schema"], "components": DOCUMENT["components"]}
        for example in content["examples"].values():
            Draft202012Validator(
                schema, format_checker=Draft202012Validator.FORMAT_CHECKER
            ).validate(example["value"])
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            Draft202012Validator(parameter["schema"]).validate(parameter["example"])
