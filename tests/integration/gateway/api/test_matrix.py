"""Every operation of the route table and every kind of bad input: refused, and nothing written.

All of it is made from `OPERATIONS` and the models there: a new endpoint is in it without a line
here. Input that one place refuses for all operations is given to each in part (`some`).
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

import httpx
import pytest
from pydantic import RootModel

from gateway.app import OPERATIONS
from gateway.http.endpoint import Operation
from gateway.http.openapi import refusals
from gateway.http.problems import PROBLEM_KINDS
from tests.integration.gateway.api.bad_inputs import (
    NO_ENCODINGS,
    NO_KEYS,
    NO_MEDIA_TYPES,
    NO_PARAMETERS,
    NOT_JSON,
    NUMBER,
    OTHER_JSON,
    TEXT,
    bad_parameters,
    bad_values,
    some,
)
from tests.integration.gateway.api.held_contents import HeldContents
from tests.integration.gateway.served import CONTRACT, KEY, SHOP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from tests.integration.gateway.served import Api, Gateway

SECRETS = (NUMBER, TEXT, KEY, "x" * 40, "9" * 40)
GUARDED = [each for each in OPERATIONS if each.scope is not None]
WITH_BODY = [each for each in OPERATIONS if each.body is not None]
WITH_QUERY = [each for each in OPERATIONS if each.query is not None]
PATHS = sorted({each.path for each in OPERATIONS})
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
JSON = {"Content-Type": "application/json"}

IN_PATHS = {
    "connection": "shop",
    "id": f"{SHOP}.3EB0" + "0" * 18,
    "number": "15550100002",
    "chat": "15550100002",
    "group": "120363000000000001@g.us",
    "person": "15550100002",
    "code": "AbCdEfGhIjKlMnOpQrStUv",
    "who": "15550100002",
    "webhook": "wh_" + "0" * 24,
    "delivery": "1",
    "key": "0" * 16,
}


@pytest.fixture(scope="module")
def held(gateway: Gateway) -> Iterator[HeldContents]:
    contents = HeldContents(gateway)
    try:
        contents.last = contents.read()
        yield contents
    finally:
        contents.close()


@pytest.fixture(autouse=True)
def _nothing_is_written(held: HeldContents) -> Iterator[None]:
    yield
    before, held.last = held.last, held.read()
    assert held.last == before


def _name(operation: Operation) -> str:
    return operation.id


def path_of(operation: Operation) -> str:
    return concrete_of(operation.path)


def concrete_of(path: str) -> str:
    for name, value in IN_PATHS.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def models_of(body: type[BaseModel]) -> tuple[type[BaseModel], ...]:
    """The model of a body, or each of those that it may be one of."""
    if not issubclass(body, RootModel):
        return (body,)
    union = get_args(body.model_fields["root"].annotation)
    return tuple(get_args(each)[0] for each in union)


def good(operation: Operation, model: type[BaseModel] | None = None) -> dict[str, Any]:
    """A body that would be taken, made of the examples that a model has to give."""
    assert operation.body is not None
    schema = schema_of(model or models_of(operation.body)[0])
    return {name: _example(schema["properties"][name]) for name in schema.get("required", ())}


def needed(operation: Operation) -> dict[str, str]:
    """The parameters without which an operation takes nothing."""
    if operation.query is None:
        return {}
    schema = schema_of(operation.query)
    return {
        name: IN_PATHS.get(name) or _example(schema["properties"][name])
        for name in schema.get("required", ())
    }


@cache
def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Made once: to make one takes longer than a request."""
    return model.model_json_schema()


def _example(schema: dict[str, Any]) -> Any:
    return schema["examples"][0] if "examples" in schema else schema["const"]


def ask(api: Api, operation: Operation, **more: Any) -> httpx.Response:
    if operation.body is not None and "content" not in more:
        more |= {"content": json.dumps(good(operation)), "headers": JSON}
    if operation.body is not None:
        more.setdefault("params", needed(operation))
    return api.request(operation.method, more.pop("path", path_of(operation)), **more)


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem in its right form that repeats nothing it was given."""
    assert 400 <= answer.status_code < 500, (answer.request.url, answer.text)
    if answer.request.method == "HEAD":
        return answer.status_code, ""
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code == PROBLEM_KINDS[problem["code"]].status
    assert problem["detail"].endswith(".")
    assert not any(secret in answer.text for secret in SECRETS), answer.text
    return answer.status_code, problem["code"]


@pytest.mark.parametrize("operation", GUARDED, ids=_name)
def test_without_a_key(gateway: Gateway, operation: Operation) -> None:
    with gateway.client(None, address=f"127.0.2.{1 + GUARDED.index(operation)}") as nobody:
        none = ask(nobody, operation)
        assert refused(none) == (401, "unauthorized")
        for key in some(NO_KEYS, GUARDED, operation):
            answer = ask(nobody, operation, **_keyed(key, operation))
            assert refused(answer) == (401, "unauthorized")
            assert answer.headers["www-authenticate"]
        large = ask(nobody, operation, content=b" " * 10_000_000, headers=JSON)
        assert refused(large) == (401, "unauthorized")


def _keyed(key: str, operation: Operation) -> dict[str, Any]:
    body = {"content": json.dumps(good(operation))} if operation.body is not None else {}
    return {"headers": {**JSON, "X-Api-Key": key.encode()}, **body}


@pytest.mark.parametrize("operation", GUARDED, ids=_name)
def test_queries_that_no_operation_takes(api: Api, operation: Operation) -> None:
    for query in some(NO_PARAMETERS, GUARDED, operation):
        answer = ask(api, operation, params=query)
        assert refused(answer) == (422, "unknown_parameter"), query


@pytest.mark.parametrize("operation", WITH_QUERY, ids=_name)
def test_values_of_parameters(api: Api, operation: Operation) -> None:
    assert operation.query is not None
    taken = {kind.code for kinds in refusals(operation).values() for kind in kinds}
    for name, schema in operation.query.model_json_schema()["properties"].items():
        for value in bad_parameters(schema):
            answer = ask(api, operation, params={**needed(operation), name: value})
            status, code = refused(answer)
            assert code in taken
            assert status in {400, 422}, (name, value)
            if status == 422:
                assert answer.json()["errors"][0]["field"] == name
                assert f"The parameter {name}: " in answer.json()["detail"]
        others = [each for each in needed(operation).items() if each[0] != name]
        twice = ask(api, operation, params=[*others, (name, "1"), (name, NUMBER)])
        assert refused(twice) == (422, "invalid_parameter")
        assert f"The parameter {name}: " in twice.json()["detail"]


@pytest.mark.parametrize("operation", WITH_BODY, ids=_name)
def test_what_is_not_json(api: Api, operation: Operation) -> None:
    for content in some(NOT_JSON, WITH_BODY, operation):
        answer = ask(api, operation, content=content, headers=JSON)
        assert refused(answer) == (400, "malformed_json"), content[:40]
    for content in some(OTHER_JSON, WITH_BODY, operation):
        answer = ask(api, operation, content=content, headers=JSON)
        assert refused(answer)[0] in {400, 422}, content
    if not operation.body_optional:
        assert refused(ask(api, operation, content=b"", headers=JSON)) == (400, "malformed_json")


@pytest.mark.parametrize("operation", WITH_BODY, ids=_name)
def test_other_media_types(api: Api, operation: Operation) -> None:
    content = json.dumps(good(operation))
    for media_type in some(NO_MEDIA_TYPES, WITH_BODY, operation):
        answer = ask(api, operation, content=content, headers={"Content-Type": media_type})
        assert refused(answer) == (415, "unsupported_media_type"), media_type
    for encoding in some(NO_ENCODINGS, WITH_BODY, operation):
        headers = {**JSON, "Content-Encoding": encoding}
        answer = ask(api, operation, content=content, headers=headers)
        assert refused(answer) == (415, "unsupported_media_type"), encoding


@pytest.mark.parametrize("operation", WITH_BODY, ids=_name)
def test_bodies_that_are_too_large(api: Api, operation: Operation) -> None:
    announced = ask(api, operation, content=b" " * 10_000_000, headers=JSON)
    assert refused(announced) == (413, "body_too_large")
    chunks = (b" " * 100_000 for _ in range(100))
    assert refused(ask(api, operation, content=chunks, headers=JSON)) == (413, "body_too_large")
    assert api.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    ("operation", "model"),
    [(each, model) for each in WITH_BODY if each.body for model in models_of(each.body)],
    ids=lambda value: value.id if isinstance(value, Operation) else value.__name__,
)
def test_values_of_fields(api: Api, operation: Operation, model: type[BaseModel]) -> None:
    schema = schema_of(model)
    taken = {kind.code for kinds in refusals(operation).values() for kind in kinds}
    for name, of in schema["properties"].items():
        for value in bad_values({**of, "$defs": schema.get("$defs", {})}):
            content = json.dumps({**good(operation, model), name: value})
            answer = ask(api, operation, content=content, headers=JSON)
            status, code = refused(answer)
            assert status == 422, (name, value)
            assert code in taken
            field = answer.json()["errors"][0]["field"]
            assert field.partition(".")[0] == name
            assert answer.json()["detail"].startswith(f"The field {field}: ")
        given = _example(of) if "examples" in of or "const" in of else of.get("default")
        named = json.dumps(given)
        start = json.dumps({**good(operation, model), name: given})[:-1]
        twice = ask(api, operation, content=f'{start}, "{name}": {named}}}', headers=JSON)
        assert refused(twice)[1] in {"duplicate_field", "invalid_field"}
        assert twice.json()["detail"].startswith(f"The field {name}: ")
        if name in schema.get("required", ()):
            lacking = {key: value for key, value in good(operation, model).items() if key != name}
            if name == "type":
                continue  # without it, it is another kind
            answer = ask(api, operation, content=json.dumps(lacking), headers=JSON)
            assert refused(answer) == (422, "missing_field")
            assert answer.json()["detail"].startswith(f"The field {name}: ")
    for name in ("colour", NUMBER, KEY, "", "x" * 70_000, "\0", "__class__"):
        content = json.dumps({**good(operation, model), name: TEXT})
        answer = ask(api, operation, content=content, headers=JSON)
        assert refused(answer) == (422, "unknown_field"), name


@pytest.mark.parametrize("path", PATHS)
def test_methods_that_a_path_does_not_have(api: Api, path: str) -> None:
    concrete = concrete_of(path)
    has = {each.method for each in OPERATIONS if CONTRACT.matches(each.path, concrete)}
    has |= {"HEAD"} if "GET" in has else set()
    for method in METHODS:
        if method not in has:
            answer = api.request(method, concrete, content=b"{}", headers=JSON)
            assert refused(answer) == (405, "method_not_allowed"), method
            assert set(answer.headers["allow"].split(", ")) <= has
    if "GET" not in has:
        assert api.head(concrete).status_code == 405


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_are_nearly_right(gateway: Gateway, api: Api, path: str) -> None:
    concrete = concrete_of(path)
    nearly = (
        f"/{concrete}",
        f"{concrete}/",
        f"{concrete}//",
        f"{concrete}/%2e%2e/{TEXT}",
        f"{concrete}%2f",
        *(() if {f"{path}/{{who}}", f"{path}/{{chat}}"} & {*PATHS} else (f"{concrete}/{NUMBER}",)),
        concrete.replace("/", "//"),
        concrete.replace("/", "/%2e/", 1),
        f"{concrete}%00/x",
    )
    for wrong in some(nearly, PATHS, path):
        url = httpx.URL(f"http://127.0.0.1:{gateway.port}").copy_with(raw_path=wrong.encode())
        status, code = refused(api.get(url))
        assert (status, code) in {
            (404, "not_found"),
            (404, "unknown_message"),
            (404, "unknown_connection"),
            (404, "unknown_webhook"),
            (404, "unknown_key"),
            (405, "method_not_allowed"),
        }, wrong


@pytest.mark.parametrize("operation", [each for each in GUARDED if "{" in each.path], ids=_name)
def test_things_that_do_not_exist(gateway: Gateway, api: Api, operation: Operation) -> None:
    start, _, rest = operation.path.partition("{")
    end = rest.partition("}")[2]
    for name in (
        "nobody",
        "NO",
        "%00",
        "%ff",
        "%F0%9F%98%80",
        "shop%0a",
        "shop%20",
        "%73hop%00",
        "*",
        NUMBER,
        "x" * 1000,
        "nobody.3EB0" + "0" * 18,
        f"{SHOP}.3EB0" + "0" * 17,
        "shop.3eb0" + "a" * 18,
        f"{SHOP}.in." + "0" * 24,
        f"{SHOP}.in." + "0" * 23,
        "shop.out." + "0" * 24,
    ):
        url = httpx.URL(f"http://127.0.0.1:{gateway.port}").copy_with(
            raw_path=f"{start}{name}{end}".encode()
        )
        query = {"params": needed(operation)} if needed(operation) else {}
        status, code = refused(ask(api, operation, path=url, **query))
        if "{group}" in operation.path:
            assert (status, code) == (422, "unsupported_chat"), name
            continue
        if operation.id == "previewInvite":
            assert (status, code) in {(404, "unknown_invite"), (409, "connection_not_open")}, name
            continue
        nouns = {"connection": "connection", "webhook": "webhook", "key": "key", "id": "message"}
        noun = next(noun for part, noun in nouns.items() if f"{{{part}}}" in operation.path)
        expected = {(404, f"unknown_{noun}")}
        if operation.id == "cancelMessage" and name == f"{SHOP}.in." + "0" * 24:
            expected = {(409, "not_cancellable")}
        if operation.id == "markMessageRead" and ".in." not in name:
            expected.add((409, "not_incoming"))  # it is the id of one that goes out
        if "{document}" in operation.path:
            expected.add((404, "unknown_document"))  # its id is none either
        if operation.id == "requestResend":
            expected.add((404, "unknown_connection"))
        assert (status, code) in expected, name


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.headers], ids=_name)
def test_headers_that_an_operation_reads(api: Api, operation: Operation) -> None:
    body = json.dumps(good(operation)) if operation.body is not None else None
    for name in operation.headers:
        for value in (b"", b"\xff", b"a\tb", b"x" * 256, "ä".encode(), b"\x7f"):
            answer = api.request(
                operation.method,
                path_of(operation),
                content=body,
                headers=[(b"Content-Type", b"application/json"), (name.encode(), value)],
            )
            assert refused(answer)[0] == 400, value
        twice = [("Content-Type", "application/json"), (name, "a"), (name, "b")]
        answer = api.request(operation.method, path_of(operation), content=body, headers=twice)
        assert refused(answer)[0] == 400
