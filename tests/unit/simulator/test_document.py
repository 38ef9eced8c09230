"""docs/simulator.md names the routes, faults and behaviours there are, and its examples work."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.contacts.message_builder import MESSAGE_FIELDS
from simulator.control.api import application
from simulator.faults import INSTANT, RULES, requested
from simulator.server.rules.properties import ACCOUNT as ACCOUNT_PROPERTIES
from simulator.server.rules.remarks import REMARKS
from simulator.server.rules.switches import SWITCHES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.routing import Route

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

DOCUMENT = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text()
SIM = "http://simulator"
ACCOUNT, FRIEND = "15550100001", "15550100002"


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables that begin with this heading, without their backticks."""
    tables = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", DOCUMENT, re.MULTILINE)
    return [
        [cell.strip() for cell in line.strip("|").replace("`", "").split("|")]
        for table in tables
        for line in table.splitlines()
    ]


EXAMPLE = re.compile(r"^\$ (?:(\w+)=\$\()?curl -s (.*?)(?: \| jq -r \.(\w+)\))?$", re.MULTILINE)


def examples() -> list[tuple[str, str, str]]:
    """Return each example: the words behind `curl -s`, the variable that gets a field of the answer, and the field."""
    return [(line, name, field) for name, line, field in EXAMPLE.findall(DOCUMENT)]


def filled(line: str, variables: dict[str, str]) -> list[str]:
    """The words of a line with the values of its variables, as a shell has them."""
    for name, value in variables.items():
        line = line.replace(f"'\"${name}\"'", value).replace(f"${name}", value)
    return shlex.split(line, comments=True)


async def test_the_routes_are_those_that_are_served(world: ServerState) -> None:
    routes: list[Route] = application(world, str).routes  # type: ignore[assignment]
    served = {
        f"{method} {route.path.replace(':int', '')}"
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
    }
    named = [request for request, _ in rows("request")]
    assert sorted(named) == sorted(served)


def test_the_faults_are_those_that_can_be_asked_for() -> None:
    named = {kind: default for kind, default, _ in rows("kind")}
    assert list(named) == [*INSTANT, *RULES]
    for kind, default in named.items():
        fault = requested({"account": ACCOUNT, "kind": kind}, 1).described()
        given = {
            {"left": "count"}.get(name, name): value
            for name, value in fault.items()
            if name not in ("id", "account", "kind", "struck")
        }
        written = [part.split() for part in default.split(", ") if part]
        assert {name: float(value) for name, value in written} == given, kind


async def test_a_contact_behaves_at_first_as_is_written(world: ServerState) -> None:
    transport = httpx.ASGITransport(application(world, str))
    async with httpx.AsyncClient(transport=transport, base_url=SIM) as http:
        described = (await http.get(f"/contacts/{FRIEND}")).json()
        written = {name: json.loads(value) for name, value, _ in rows("field")}
        assert {name: described[name] for name in written} == written
        assert (await http.post(f"/contacts/{FRIEND}", json=written)).status_code == 200


def test_the_types_are_those_that_can_be_said() -> None:
    named = {kind: takes for kind, takes, _ in rows("type")}
    assert list(named) == list(MESSAGE_FIELDS)
    for kind, takes in named.items():
        words = set(re.findall(r"[a-z_]+", takes))
        fields = MESSAGE_FIELDS[kind] - {"reply_to"}
        fields -= {"data", "size", "mimetype"} if "file" in words else set()
        assert fields <= words, kind


def test_the_rules_are_those_that_can_be_switched() -> None:
    assert [name for name, _ in rows("rule")] == list(SWITCHES)


def test_the_remarks_are_those_that_are_counted() -> None:
    assert [name for name, _ in rows("remark")] == list(REMARKS)


async def test_the_properties_are_those_that_can_be_changed(world: ServerState) -> None:
    transport = httpx.ASGITransport(application(world, str))
    async with httpx.AsyncClient(transport=transport, base_url=SIM) as http:
        written = {name: json.loads(value) for name, value, _ in rows("property")}
        assert written == {name: kind.default for name, kind in ACCOUNT_PROPERTIES.items()}
        described = (await http.post(f"/accounts/{ACCOUNT}", json=written)).json()
        assert {name: described[name] for name in written} == written


@pytest.mark.parametrize("heading", ["request", "kind", "field", "type"])
def test_each_table_is_found(heading: str) -> None:
    assert len(rows(heading)) > 5


async def test_the_examples_work(
    world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    await paired(ACCOUNT)
    transport = httpx.ASGITransport(application(world, str))
    assert len(examples()) > 10
    async with httpx.AsyncClient(transport=transport) as http:
        variables = {"SIM": SIM}
        for line, name, field in examples():
            words = filled(line, variables)
            method, body = "GET", None
            url = next(word for word in words if word.startswith(SIM))
            if "-d" in words:
                method, body = "POST", words[words.index("-d") + 1]
            if "-X" in words:
                method = words[words.index("-X") + 1]
            given: dict[str, Any] = {} if body is None else {"content": body}
            answer = await http.request(method, url, **given)
            assert answer.is_success, f"{words}: {answer.text}"
            if name:
                variables[name] = str(answer.json()[field])
