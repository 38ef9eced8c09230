"""Divides the tests into two rings: `make test` runs the first within five minutes, `make test-all` the second."""

from __future__ import annotations

FIRST = (
    "tests/unit/",
    # accepted, sent and received once and in order (G1 to G5), by an owner that is fenced (G6)
    "tests/chaos/test_kills.py",
    "tests/integration/gateway/acceptance/",
    "tests/integration/queue/sending/",
    "tests/integration/queue/test_killed_owner.py",
    "tests/integration/queue/transitions/test_",
    "tests/integration/tree/test_zombies.py",
    "tests/integration/whatsmeow/kills/test_kills.py",
    "tests/integration/whatsmeow/kills/test_program_kills.py",
    # sessions that stay linked (G7), also from copies
    "tests/integration/backup/test_incomplete.py",
    "tests/integration/vault/test_whatsmeow.py",
    # what falls gets up again (G8, G9)
    "tests/chaos/stores/test_valkey.py",
    "tests/chaos/test_keeper.py",
    "tests/chaos/test_supervision.py",
    "tests/integration/keeper/test_failing_parts.py",
    "tests/integration/tree/serving/test_lease.py",
    # secrets (G10), the API and its tenants, webhooks
    "tests/integration/gateway/api/keys/",
    "tests/integration/gateway/api/messages/",
    "tests/integration/gateway/http/test_wire.py",
    "tests/integration/gateway/tenants/test_greedy.py",
    "tests/integration/gateway/webhooks/deliveries/test_killed_deliveries.py",
    "tests/integration/gateway/webhooks/test_webhooks.py",
    # the engine against the strict simulator, and people's first steps
    "tests/conformance/messages/test_messages.py",
    "tests/integration/engine/groups/test_groups.py",
    "tests/integration/engine/messages/test_messages.py",
    "tests/integration/engine/recovery/test_faults.py",
    "tests/integration/state/",
    "tests/integration/whole/connections/test_pairing.py",
    "tests/integration/whole/messages/test_kinds.py",
    "tests/integration/whole/operations/test_first_steps.py",
)
"""The beginnings of node ids of the first ring: each decision, and each promise at least once against real processes."""


def is_second(node: str) -> bool:
    """Returns whether the test with this node id is of the second ring."""
    return not node.startswith(FIRST)
