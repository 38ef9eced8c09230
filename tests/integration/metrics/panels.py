"""The queries of the dashboards and of the alert rules, as they are asked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
GRAFANA = ROOT / "grafana"
RULES = GRAFANA / "alerts" / "rules.yml"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))

_COMPARED = re.compile(r" (==|!=|>=|<=|>|<) (?=[\d.]+$)")


class Query(NamedTuple):
    where: str
    text: str


def dashboards() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in DASHBOARDS:
        yield path.stem, json.loads(path.read_text())


def of_panels(connection: str) -> Iterator[Query]:
    """Those of panels and annotations, with what Grafana would put in for its variables."""
    for name, dashboard in dashboards():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                yield Query(f"{name}: {panel['title']}", _filled(target["expr"], connection))
        for annotation in dashboard["annotations"]["list"]:
            text = _COMPARED.sub(r" \1 bool ", annotation["expr"])
            yield Query(f"{name}: {annotation['name']}", _filled(text, connection))


def _filled(text: str, connection: str) -> str:
    for variable, value in (
        ("$__rate_interval", "15s"),
        ("$__range", "5m"),
        ("$connection", connection),
        ("$instance", ".*"),
        ("$job", ".*"),
    ):
        text = text.replace(variable, value)
    return text


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def of_rules() -> Iterator[Query]:
    """Each with its comparison as a number: that nothing is wrong is a point as well."""
    for rule in rules():
        text, times = _COMPARED.subn(r" \1 bool ", rule["expr"])
        assert times == 1, f"{rule['alert']} does not end in a comparison with a number"
        yield Query(f"alert: {rule['alert']}", text)


def metrics(query: str) -> set[str]:
    """The names in it."""
    return set(re.findall(r"\b(?:teimoso|process)_[a-z_]+", query))
