"""Checks for `teimoso doctor` the state store, and in it API keys, webhook addresses, alerts, and engines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from actors.runtime.connection_ids import name_of
from actors.runtime.limits.limit_uses import LIMIT_ALERTS
from actors.runtime.public_addresses import is_public
from actors.state.connection_document import ENGINE
from actors.state.connections import Connections
from actors.state.documents import (
    API_KEYS,
    HEALTH_ALERTS,
    HEALTH_STATUS,
    LATEST,
    Order,
    StoreAway,
    Where,
)
from actors.state.open_store import open_documents
from actors.state.webhooks import Webhooks
from gateway.acceptance.address_policy import is_private_host
from gateway.cli.doctor.check_result import fail, ok, warn
from gateway.cli.doctor.checks.host_names import addresses_of
from gateway.http import api_keys

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from actors.state.documents import Documents
    from actors.state.webhooks import Webhook
    from gateway.cli.doctor.check_result import CheckResult


ALERT_PAGE = 200
DOCUMENT_REFUSED_ALERT, FILES_DEFERRED_ALERT, DISK_RESERVE_ALERT = (
    "document_refused",
    "files_deferred",
    "disk_reserve",
)


async def store(settings: Settings, *, runs: bool) -> list[CheckResult]:
    """The state store, and of what is in it what keeps callers out: keys, webhooks, connections that cannot be served.

    `runs`: the start that makes the first key is over.
    """
    if not settings.on_firestore and not settings.state_file.exists():
        return []  # the first start makes it
    documents = open_documents(settings)
    try:
        return [
            await _answers(settings, documents),
            await _keys(settings, documents, runs=runs),
            *await _webhooks(settings, documents),
            *await _alerts(documents),
            *await _engines(documents),
        ]
    except StoreAway as away:
        return [_away(settings, str(away))]
    finally:
        await documents.close()


async def _answers(settings: Settings, documents: Documents) -> CheckResult:
    await documents.query(API_KEYS, limit=1)
    return ok("state store", f"{settings.state_store} answers")


def _away(settings: Settings, reason: str) -> CheckResult:
    if settings.firestore_emulator_host is not None:
        do = "start the emulator, or take FIRESTORE_EMULATOR_HOST away"
    elif settings.on_firestore:
        do = (
            "GOOGLE_APPLICATION_CREDENTIALS names a service account with roles/datastore.user of"
            " GOOGLE_CLOUD_PROJECT, whose FIRESTORE_DATABASE exists"
        )
    else:
        do = "see that the file is whole and can be written; a disk that is full or hangs is away"
    return fail("state store", f"{settings.state_store} does not answer: {reason}", do)


async def _keys(settings: Settings, documents: Documents, *, runs: bool) -> CheckResult:
    there = {key["hash"] for key in (await documents.query(API_KEYS)).items}
    given = settings.teimoso_api_key
    make = "`teimoso keys create NAME` makes one"
    if not there and not runs:
        return warn("api keys", "there is none yet: `teimoso up` makes the first one")
    if not there:
        return fail("api keys", "there is none, so nobody gets in", make)
    if given is not None and api_keys.digest(given.get_secret_value()) not in there:
        return fail(
            "api keys", "TEIMOSO_API_KEY is none of this instance's", f"set another one; {make}"
        )
    return ok("api keys", f"{len(there)}")


BACKUPS: Final = {
    "instance_backup_failed": "it is tried again by itself; `teimoso backup create --to TARGET` says what stands in the way",
    "instance_backup_incomplete": "`teimoso connections restart` has a damaged session replaced; the next backup has it",
    "instance_backup_in_future": "set this host's clock right; then delete that backup's file in the target",
}
"""Remedies by the alert about scheduled backups."""

LIMIT_REMEDY: Final = "make room, or raise it: `teimoso settings set SETTING=…`; docs/runbook.md, TeimosoLimitNearlyReached"


async def _alerts(documents: Documents) -> list[CheckResult]:
    """Findings on refused documents, limits and files that wait, by active alerts and the monitor's last reasons."""
    page = await documents.query(
        HEALTH_ALERTS,
        where=[Where("active", "==", value=True)],
        order=[Order("at", descending=True)],
        limit=ALERT_PAGE,
    )

    def subjects(alert: str) -> str:
        found = (str(one.get("subject")) for one in page.items if one["name"] == alert)
        return ", ".join(sorted(found))

    findings = []
    if refused := subjects(DOCUMENT_REFUSED_ALERT):
        do = "`teimoso refused list CONNECTION` shows what is kept; then `retry` or `discard`"
        findings.append(warn("refused documents", f"the store refuses some of {refused}", do))
    reserve = next((one for one in page.items if one["name"] == DISK_RESERVE_ALERT), None)
    if reserve is not None:
        do = "make room, or lower the reserve: `teimoso settings set DISK_RESERVE=…`"
        if reserve.get("severity") == "critical":
            found = "less than a quarter of DISK_RESERVE is free: sends are refused, what arrives waits at WhatsApp"
            findings.append(fail("messages", found, do))
        found = "the disk is at DISK_RESERVE: files that arrive wait, uploads are refused"
        findings.append(warn("files", found, do))
    findings += [
        warn("backup", str(one["reason"]), BACKUPS[one["name"]])
        for one in page.items
        if one["name"] in BACKUPS
    ]
    latest = await documents.get(HEALTH_STATUS, LATEST) or {}
    for one in latest.get("reasons", ()):
        if one["name"] in LIMIT_ALERTS:
            holder = "" if one["subject"] is None else f"{name_of(one['subject'])}: "
            judge = fail if one["severity"] == "critical" else warn
            findings.append(judge("limits", f"{holder}{one['detail']}", LIMIT_REMEDY))
    waiting = (
        one["subject"] for one in latest.get("reasons", ()) if one["name"] == FILES_DEFERRED_ALERT
    )
    if deferred := ", ".join(sorted(waiting)):
        do = "they come tomorrow (UTC); for more at once raise MEDIA_DOWNLOADS_PER_CONNECTION or MEDIA_DOWNLOADS_PER_SENDER"
        found = f"some of {deferred} wait: the budget of the day is used up"
        findings.append(warn("files", found, do))
    return findings


async def _engines(documents: Documents) -> list[CheckResult]:
    page = await Connections(documents).list()
    names = ", ".join(one.name for one in page.items if one.engine != ENGINE)
    if not names:
        return []
    do = "link the accounts anew, as new connections; the data of these stays"
    return [warn("engine", f"the engine native, which is gone, linked {names}", do)]


async def _webhooks(settings: Settings, documents: Documents) -> list[CheckResult]:
    if settings.webhook_url_private:
        return []
    found = await asyncio.gather(*(_webhook(one) for one in await Webhooks(documents).list()))
    return [one for one in found if one is not None]


async def _webhook(webhook: Webhook) -> CheckResult | None:
    parts = urlsplit(webhook.url)
    host = parts.hostname or ""
    do = "give it a public address, or set WEBHOOK_URL_PRIVATE=true"
    if is_private_host(host):
        return fail("webhook", f"{webhook.id} leads to {host}, a private address", do)
    try:
        addresses = await addresses_of(host, parts.port or 443)
    except (OSError, UnicodeError, TimeoutError):
        return warn("webhook", f"{webhook.id}: {host} has no address here", "correct its URL")
    if not all(map(is_public, addresses)):
        return fail("webhook", f"{webhook.id}: {host} has a private address", do)
    return None
