"""Implements `teimoso alerts` and `teimoso recoveries` by the API: lists alerts and recovery actions, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.cli import output
from gateway.cli.api_client import Api

if TYPE_CHECKING:
    from pathlib import Path

ALERT_COLUMNS = ("raised_at", "cleared_at", "severity", "name", "connection", "reason")
RECOVERIES = ("at", "role", "connection", "cause", "action", "before", "after", "seconds")


def alerts(data: Path, key: str | None, query: dict[str, Any], as_json: bool) -> None:
    """Those that are `active` (true), over (false), or both."""
    answer = _get(data, key, "/api/alerts", query)
    if not as_json:
        for each in answer["items"]:
            each["severity"] = output.severity(each["severity"])
    output.show_page(answer, ALERT_COLUMNS, as_json=as_json, empty="There is no alert.")


def recoveries(data: Path, key: str | None, query: dict[str, Any], as_json: bool) -> None:
    """Print a page of recoveries, or with `as_json` the API's answer."""
    answer = _get(data, key, "/api/recoveries", query)
    output.show_page(answer, RECOVERIES, as_json=as_json, empty="Nothing had to recover.")


def _get(data: Path, key: str | None, path: str, query: dict[str, Any]) -> Any:
    with Api(data, key) as api:
        return api.get(path, query)
