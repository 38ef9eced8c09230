"""docs/conformance.md names the sources of each rule that the simulator has a name for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from simulator.control.api import application
from simulator.faults import INSTANT, RULES
from simulator.server.rules.properties import ACCOUNT, CONTACT, GROUP_PROPERTIES
from simulator.server.rules.remarks import REMARKS
from simulator.server.rules.switches import SWITCHES

if TYPE_CHECKING:
    from simulator.server_state import ServerState

DOCS: Final = Path(__file__).parents[3] / "docs"
HEADING: Final = "| rule | holds for | whatsmeow | whatsapp-rust, Baileys |\n"
RANGE: Final = re.compile(r"all|`(\w+)`|(property|remark|fault|request) \(((?:`\w+`(?:, )?)+)\)")
"""A part of the second column: `all`, a switch, or names after their kind."""
SOURCE: Final = re.compile(r"`[\w./-]+\.(?:go|rs|ts)`")
FUNCTION: Final = re.compile(r"`[\w:,]+`")
"""A name in a file: a function, a type, or the event that it handles."""


def rules() -> dict[str, list[str]]:
    """Returns the cells of each rule: what it holds for, and the two of its sources."""
    _, _, rest = (DOCS / "conformance.md").read_text().partition(HEADING)
    table, _, _ = rest.partition("\n\n")
    found = {}
    for line in table.splitlines()[1:]:
        rule, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        assert rule not in found, rule
        found[rule] = cells
    return found


def names(kind: str) -> set[str]:
    """Returns the names of that kind in the table; those of switches for an empty one."""
    parts = [part for cells in rules().values() for part in RANGE.findall(cells[0])]
    if not kind:
        return {switch for switch, *_ in parts} - {""}
    return {
        name for _, given, listed in parts if given == kind for name in re.findall(r"\w+", listed)
    }


@pytest.mark.parametrize("rule", rules())
def test_a_rule_says_what_it_holds_for_and_where_it_comes_from(rule: str) -> None:
    holds, *sources = rules()[rule]
    parts = [match.group() for match in RANGE.finditer(holds)]
    assert ", ".join(parts) == holds
    assert len(sources) == 2
    assert SOURCE.search(" ".join(sources)) or "no source" in sources[0], "a file of a client"
    parts = [part for source in sources for part in source.split("; ")]
    assert [
        part for part in parts if bool(SOURCE.search(part)) != bool(FUNCTION.search(part))
    ] == []


def test_each_switch_remark_and_fault_is_one_of_the_simulators() -> None:
    assert names("") == set(SWITCHES)
    assert names("remark") == set(REMARKS)
    assert names("fault")
    assert names("fault") <= {*INSTANT, *RULES}


async def test_each_property_is_shown_by_the_control_api(world: ServerState) -> None:
    number = "15550100002"
    with world.store.transaction():
        group = world.groups.make("Us", number, [], "lid")
    transport, shown = httpx.ASGITransport(application(world, str)), set[str]()
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as http:
        for path in ("accounts", "contacts", "phones"):
            answer: dict[str, Any] = (await http.get(f"/{path}/{number}")).json()
            shown |= answer.keys()
        shown |= (await http.get(f"/groups/{group.chat}")).json().keys()
    named = names("property")
    assert named <= shown
    assert {*ACCOUNT, *CONTACT, *GROUP_PROPERTIES} <= named


def test_each_request_is_one_of_the_control_api() -> None:
    document = (DOCS / "simulator.md").read_text()
    assert names("request")
    assert [name for name in names("request") if f"`{name}`" not in document] == []
