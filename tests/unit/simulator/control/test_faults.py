"""The control API on faults: each is listed and ended by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from simulator.faults import RULES, SERVER_WIDE

if TYPE_CHECKING:
    import httpx

NUMBER, FRIEND = "15550100001", "15550100002"
OF_ACCOUNTS = [kind for kind in RULES if kind not in SERVER_WIDE]


async def test_faults_are_listed_and_cleared(http: httpx.AsyncClient) -> None:
    fault = {"account": NUMBER, "kind": "withhold_acks"}
    created = await http.post("/faults", json=fault)
    assert created.status_code == 201
    (listed,) = (await http.get("/faults")).json()["items"]
    assert (listed["kind"], listed["struck"], listed["active"]) == ("withhold_acks", 0, True)
    assert (await http.delete("/faults", params={"account": FRIEND})).json() == {"ended": 0}
    assert (await http.delete("/faults")).json() == {"ended": 1}


async def test_faults_of_many_accounts_are_listed_and_ended_by_account(
    http: httpx.AsyncClient,
) -> None:
    accounts = [f"1555010002{number}" for number in range(5)]
    begun = await asyncio.gather(
        *(
            http.post("/faults", json={"account": account, "kind": kind, "count": 3})
            for account in accounts
            for kind in OF_ACCOUNTS
        )
    )
    assert {answer.status_code for answer in begun} == {201}
    listed = (await http.get("/faults")).json()["items"]
    assert len(listed) == len(accounts) * len(OF_ACCOUNTS)
    first = (await http.get("/faults", params={"account": accounts[0]})).json()["items"]
    assert [one["kind"] for one in first] == OF_ACCOUNTS
    assert (await http.get("/faults", params={"id": first[1]["id"]})).json()["items"] == [first[1]]
    gone = await http.delete("/faults", params={"id": first[0]["id"]})
    assert gone.json() == {"ended": 1}
    gone = await http.delete("/faults", params={"account": accounts[0]})
    assert gone.json() == {"ended": len(OF_ACCOUNTS) - 1}
    left = [one for one in (await http.get("/faults")).json()["items"] if one["active"]]
    assert {one["account"] for one in left} == set(accounts[1:])
    assert len(left) == (len(accounts) - 1) * len(OF_ACCOUNTS)
