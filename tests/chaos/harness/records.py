"""Reads the alerts and recoveries of a fault from the state store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from actors.config.settings import Settings
from actors.state.documents import HEALTH_ALERTS, RECOVERY_ACTIONS, Order, Where
from actors.state.open_store import open_documents
from tests.processes.instance import until

if TYPE_CHECKING:
    from tests.processes.instance import Instance


def recovery(instance: Instance, since: float, **fields: object) -> dict[str, Any]:
    """The newest recovery action since then with these fields; waits until it is written."""

    def look() -> dict[str, Any] | None:
        found = asyncio.run(_newest(instance, RECOVERY_ACTIONS, since))
        return next((one for one in found if fields.items() <= one.items()), None)

    return until(f"a recovery action with {fields}", look, 20)


def alert(instance: Instance, since: float, name: str, *, active: bool) -> dict[str, Any]:
    """The newest alert of this name raised since then; waits until it is raised, or cleared."""

    def look() -> dict[str, Any] | None:
        found = asyncio.run(_newest(instance, HEALTH_ALERTS, since))
        return next((one for one in found if (one["name"], one["active"]) == (name, active)), None)

    return until(f"the alert {name} is {'raised' if active else 'cleared'}", look, 30)


def alerts(instance: Instance) -> list[dict[str, Any]]:
    """Every alert that was ever raised, the newest first."""
    return asyncio.run(_newest(instance, HEALTH_ALERTS, 0.0))


def shown_alerts(instance: Instance) -> set[str]:
    """The names of the alerts that `/health` shows now."""
    health = instance.api.get("/health").raise_for_status().json()
    return {one["name"] for one in health["alerts"]}


async def _newest(instance: Instance, collection: str, since: float) -> list[dict[str, Any]]:
    documents = open_documents(Settings.load(instance.data))
    try:
        page = await documents.query(
            collection,
            where=[Where("at", ">=", since)],
            order=[Order("at", descending=True)],
            limit=100,
        )
    finally:
        await documents.close()
    return list(page.items)
