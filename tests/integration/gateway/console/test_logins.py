"""Logins beyond those of a tenant are refused, so that sessions that are logged out are a bounded number of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.console.login.login_rate_limiter import LOGINS_AT_ONCE
from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY

if TYPE_CHECKING:
    from tests.integration.gateway.served import Gateway


def test_a_tenant_who_logs_in_and_out_is_refused_and_no_other(gateway: Gateway) -> None:
    with gateway.client(KEY) as admin:
        made = admin.post("/api/keys", json={"name": "greedy", "scopes": ["read"]}).json()
    with Person(gateway, made["key"]) as greedy:
        assert greedy.submit("/console/logout").url.path == "/console/login"
        greedy.follow_redirects = False
        for _ in range(LOGINS_AT_ONCE - 1):
            answer = greedy.post("/console/login", data={"key": made["key"]})
            assert answer.status_code == 303
        refused = greedy.post("/console/login", data={"key": made["key"]})
    assert (refused.status_code, "Too many logins" in refused.text) == (429, True)
    assert int(refused.headers["Retry-After"]) > 0
    with Person(gateway, KEY) as other:
        assert other.get("/").url.path == "/"
