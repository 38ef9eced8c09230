from __future__ import annotations

import json

import pytest

from gateway.api.qr import chosen, shown
from gateway.http.problems import Problem

JSON, PNG, SVG = "application/json", "image/png", "image/svg+xml"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("image/png", PNG),
        ("image/svg+xml", SVG),
        ("image/*", PNG),
        ("image/svg+xml, image/png;q=0.5", SVG),
        ("application/json;q=0.1, */*;q=0.5", PNG),
        ("IMAGE/PNG", PNG),
        ("image/avif,image/webp,image/svg+xml,image/*;q=0.8,*/*;q=0.5", SVG),
        ("text/html, image/png;q=0.2", PNG),
        ("application/json;q=oops, image/png", PNG),
    ],
)
def test_what_is_acceptable(accept: str, expected: str) -> None:
    assert chosen(accept) == expected


@pytest.mark.parametrize("accept", ["text/html", "image/png;q=0", "nonsense", "*/*;q=0"])
def test_nothing_is_acceptable(accept: str) -> None:
    with pytest.raises(Problem) as refused:
        chosen(accept)
    assert refused.value.kind.code == "not_acceptable"


def test_the_three_forms() -> None:
    assert json.loads(bytes(shown(JSON, "2@a,b,c", 0).body)) == {
        "qr": "2@a,b,c",
        "expires_at": "1970-01-01T00:00:00.000Z",
    }
    assert bytes(shown(PNG, "2@a,b,c", 0).body).startswith(b"\x89PNG")
    assert b"<svg" in bytes(shown(SVG, "2@a,b,c", 0).body)
