"""Requests at once: a key, a connection and the instance have their places, and get them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.runtime.limits.limits import Limit, LimitReached
from actors.runtime.limits.quotas import Quota
from gateway.concurrency import ConcurrencyLimiter, leave
from gateway.http.api_keys import ApiKey

if TYPE_CHECKING:
    from starlette.types import Scope

EACH, TOTAL = Limit("EACH", 3, "quota_reached", 1), Limit("TOTAL", 10, "instance_limit_reached", 1)


def key(name: str, *connections: str) -> ApiKey:
    return ApiKey(name, name, frozenset(["send"]), frozenset(connections) or None, 0.0, name)


def limiter(each: Limit | None = EACH) -> ConcurrencyLimiter:
    return ConcurrencyLimiter(Quota(each, TOTAL, 4))


def refused(places: ConcurrencyLimiter, asking: ApiKey) -> str:
    with pytest.raises(LimitReached) as reached:
        places.take(asking)
    return reached.value.scope


def test_a_connection_has_its_places_by_all_its_keys() -> None:
    places = limiter()
    ends = [places.take(key(name, "shop")) for name in ("a", "b", "c")]
    assert refused(places, key("d", "shop")) == "connection"
    places.take(key("d", "other"))
    ends[1]()
    places.take(key("d", "shop"))
    assert refused(places, key("a", "shop")) == "connection"


def test_a_key_for_all_connections_has_its_own_places() -> None:
    places = limiter()
    for _ in range(3):
        places.take(key("all"))
    assert refused(places, key("all")) == "key"
    places.take(key("another"))


def test_each_connection_has_a_part_of_the_instance() -> None:
    places = limiter(None)
    for _ in range(6):
        places.take(key("a", "shop"))
    assert refused(places, key("a", "shop")) == "instance"
    places.take(key("b", "other"))
    assert refused(places, key("b", "other")) == "instance"


def test_a_request_ends_its_place_once() -> None:
    places, asking = limiter(), key("a", "shop")
    scopes: list[Scope] = [{} for _ in range(3)]
    for scope in scopes:
        places.enter(scope, asking)
    leave(scopes[0])
    leave(scopes[0])
    places.enter({}, asking)
    assert refused(places, asking) == "connection"
    leave({})
