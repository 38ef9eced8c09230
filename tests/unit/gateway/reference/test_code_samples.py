from __future__ import annotations

import ast

import pytest

from gateway.reference.code_samples import samples

BODY = {"text": 'it\'s "7" $HOME `x`\nnext', "list": [True, None, 1.5], "of": {"a": "é"}, "no": {}}


def test_python_has_the_body_as_it_is() -> None:
    [call] = [
        node
        for node in ast.walk(ast.parse(samples("post", "/api/x", BODY)["Python"]))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "request"
    ]
    assert [ast.literal_eval(one) for one in call.args] == ["POST", "http://127.0.0.1:8080/api/x"]
    given = {one.arg: one.value for one in call.keywords}
    assert ast.literal_eval(given["json"]) == BODY


@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript"])
def test_a_request_without_a_key_names_none(language: str) -> None:
    assert "TEIMOSO_API_KEY" not in samples("get", "/health", keyed=False)[language]
    assert "TEIMOSO_API_KEY" in samples("get", "/api/x")[language]
    assert "Content-Type" not in samples("get", "/api/x")[language]


def test_the_method_of_curl_is_named_where_it_is_not_meant_anyway() -> None:
    assert "-X" not in samples("get", "/x")["curl"]
    assert "-X" not in samples("post", "/x", {"a": 1})["curl"]
    for method, body in (("post", None), ("patch", {"a": 1}), ("delete", None)):
        assert f"-X {method.upper()}" in samples(method, "/x", body)["curl"]
