from __future__ import annotations

from typing import Any

from gateway.schemas.texts.revocation_losses import of_revocation


def key(*scopes: str, connections: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return {"scopes": list(scopes), "connections": connections, "ended_at": None, **more}


def test_a_key_loses_what_its_scopes_allow_for_its_connections() -> None:
    assert of_revocation(key("send", "read", connections=["desk", "shop"]), [], own=False) == [
        "sending messages, for desk, shop",
        "reading messages and events, for desk, shop",
    ]
    assert of_revocation(key("metrics"), [], own=False) == [
        "scrapes of the metrics, for all connections"
    ]


def test_the_last_key_that_may_do_everything_and_the_own_login_are_named() -> None:
    last = of_revocation(key("admin"), [key("read"), key("admin", connections=["shop"])], own=True)
    assert len(last) == 6
    assert last[-2].startswith("your login")
    assert last[-1].startswith("the last key that may do everything")
    assert len(of_revocation(key("admin"), [key("admin")], own=False)) == 4
    assert "last key" in of_revocation(key("admin"), [key("admin", ended_at="T")], own=False)[-1]
    assert "last key" not in of_revocation(key("admin", connections=["a"]), [], own=False)[-1]


def test_an_ended_key_loses_nothing() -> None:
    [only] = of_revocation(key("read", connections=["a"], ended_at="T"), [], own=False)
    assert only.startswith("nothing")
