"""Each field of a form that a person writes has an example beside it, the one of the API's document."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gateway.app import OPERATIONS
from gateway.console import rendering
from gateway.schemas.examples import field_at

TEMPLATES = {
    path.name: path.read_text() for path in Path(rendering.__file__).parent.rglob("*.html")
}
CALL = re.compile(r"\b(?:as_in|example)\((\"[^)]*)\)")
WRITTEN = re.compile(
    r"<(?:input|textarea)\b(?![^>]*type=\"(?:hidden|checkbox|radio|file|search)\")"
)

OBVIOUS = {
    "key": "pasted as it was shown",
    "assertion": "pasted as a browser printed it",
    "text": "the person's own words, or those of a search",
    "reject_calls_text": "the person's own words",
    "confirm": "the label has the word to write",
}
"""Fields without an example, and why."""


def fields(template: str) -> list[str]:
    """The tags of a template's fields that a person writes."""
    return [
        tag for tag in re.findall(r"<(?:input|textarea)\b[^<]*", template) if WRITTEN.match(tag)
    ]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_field_that_is_written_has_an_example(name: str) -> None:
    template = TEMPLATES[name]
    for tag in fields(template):
        found = re.search(r'\bname="([\w-]+)"', tag)
        assert found, tag
        if found[1] in OBVIOUS:
            continue
        described = re.search(r'aria-describedby="([\w-]+-hint)"', tag)
        hint = described and re.search(rf'id="{described[1]}">.*', template)
        assert 'placeholder="' in tag or (hint and CALL.search(hint[0])), tag


def test_each_example_is_one_of_the_document() -> None:
    models = {each.id: each.body for each in OPERATIONS}
    calls = [call for template in TEMPLATES.values() for call in CALL.findall(template)]
    assert len(calls) > 8
    for call in calls:
        operation, *place = ast.literal_eval(f"({call},)")
        model = models[operation]
        assert model is not None, call
        assert field_at(model, place)[1], call
