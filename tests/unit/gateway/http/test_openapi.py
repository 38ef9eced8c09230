from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from openapi_spec_validator import OpenAPIV31SpecValidator

from actors.config.sources import resolve_settings
from actors.messages import content
from gateway import app
from gateway.app import OPERATIONS
from gateway.http.openapi import refusals
from gateway.http.problems import PROBLEM_KINDS
from tests.api_document import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_limits_are_words_of_json_schema() -> None:
    """Pydantic writes `ge` and `le` where it cannot tell the type that they limit; no reader knows these."""
    found = [place for place, words in _objects(DOCUMENT) if {"ge", "gt", "le", "lt"} & set(words)]
    assert not found


def _objects(value: object, place: str = "") -> Iterator[tuple[str, dict[str, object]]]:
    if isinstance(value, dict):
        yield place, value
        for name, each in value.items():
            yield from _objects(each, f"{place}/{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _objects(each, f"{place}/{number}")


def test_a_start_does_not_make_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr("gateway.app.openapi.document", lambda _, version: made.append(version))
    app._document.cache_clear()
    served = app.application(resolve_settings(whatsapp_root_key="00" * 32))
    assert made == []
    served.state.openapi()
    served.state.openapi()
    assert len(made) == 1
    app._document.cache_clear()


def test_every_operation_is_described_once() -> None:
    found = {(method.upper(), path) for path, of in DOCUMENT["paths"].items() for method in of}
    assert found == {(operation.method, operation.path) for operation in OPERATIONS}
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)


def test_every_problem_is_promised_somewhere() -> None:
    promised = {
        kind.code
        for operation in OPERATIONS
        for kinds in refusals(operation).values()
        for kind in kinds
    }
    # what the router and the console refuse belongs to no operation
    assert set(PROBLEM_KINDS) - promised == {"not_found", "method_not_allowed", "cross_site"}


def test_without_a_key_health_and_pages_alone_are_open() -> None:
    anybody = {operation.path for operation in OPERATIONS if operation.scope is None}
    assert anybody == {"/docs", "/openapi.json", "/health", "/health/live", "/health/ready"}
    page = (Path(__file__).parents[4] / "docs" / "security.md").read_text()
    [told] = [line for line in page.splitlines() if line.startswith("| API |")]
    assert not [path for path in anybody if f"`{path}`" not in told]


def test_the_scopes_that_open_an_operation_are_named_once() -> None:
    said = {
        operation.get("description")
        for of in DOCUMENT["paths"].values()
        for operation in of.values()
    }
    assert "Needs a key with the scope `admin`." in said
    assert "Needs a key with the scope `send` or `admin`." in said
    assert not any(text and text.count("`admin`") > 1 for text in said)


def test_a_former_name_is_marked_and_names_the_one_to_use() -> None:
    former = {each.id: each.instead for each in OPERATIONS if each.instead is not None}
    assert former == {
        "retryDead": "POST /api/queue/dead/{id}/redrive",
        "retryFailed": "POST /api/queue/redrive",
    }
    assert {*former.values()} <= {f"{each.method} {each.path}" for each in OPERATIONS}
    for of in DOCUMENT["paths"].values():
        for operation in of.values():
            instead = former.get(operation["operationId"])
            assert operation.get("deprecated", False) is (instead is not None)
            if instead is not None:
                assert f"use `{instead}`" in operation["description"]


def test_examples_of_the_models_are_there() -> None:
    assert DOCUMENT["components"]["schemas"]["NewText"]["properties"]["to"]["examples"]


def test_the_type_of_a_message_names_its_model() -> None:
    message = DOCUMENT["components"]["schemas"]["NewMessage"]
    mapped = message["discriminator"]["mapping"]
    assert message["discriminator"]["propertyName"] == "type"
    assert set(mapped) == set(content.CONTENT_KINDS)
    assert {one["$ref"] for one in message["oneOf"]} == set(mapped.values())
    for kind, reference in mapped.items():
        schema = DOCUMENT["components"]["schemas"][reference.rsplit("/", 1)[1]]
        assert schema["properties"]["type"]["const"] == kind
        assert "type" in schema["required"] or kind == "text", "without one it is a text"
