"""Logins of a tenant count together, with all of its keys."""

from __future__ import annotations

import pytest

from gateway.console.login.login_rate_limiter import LOGINS_AT_ONCE, LoginLimiter
from gateway.http.api_keys import ApiKey
from gateway.http.problems import Problem


def key(name: str, *connections: str) -> ApiKey:
    limited = frozenset(connections) if connections else None
    return ApiKey(name, name, frozenset({"read"}), limited, 0.0, name)


def test_a_tenant_logs_in_so_often_and_again_after_a_while() -> None:
    now = [0.0]
    logins = LoginLimiter(lambda: now[0])
    for number in range(LOGINS_AT_ONCE):
        logins.count(key(f"{number}", "shop"))
    for _ in range(3):
        with pytest.raises(Problem) as refused:
            logins.count(key("another", "shop"))
    assert refused.value.kind.code == "rate_limited"
    logins.count(key("k", "other"))
    logins.count(key("for all"))
    now[0] = float(refused.value.headers["Retry-After"])
    logins.count(key("another", "shop"))
    with pytest.raises(Problem):
        logins.count(key("another", "shop"))
