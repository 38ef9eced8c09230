"""Reads all pages of a list of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.integration.gateway.served import Api


def all_pages(api: Api, path: str, **query: Any) -> list[dict[str, Any]]:
    """The items of all pages for the connection `shop`; none has more than its limit."""
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        answer = api.get(path, params={"connection": "shop", **query, **after})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= int(query.get("limit", 50))
        found += page["items"]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}
