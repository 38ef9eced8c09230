"""A tenant that stores all that it gets leaves another its part of the disk (G13)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.integration.gateway.files import send, upload

if TYPE_CHECKING:
    from tests.integration.gateway.served import Api
    from tests.integration.gateway.tenants.conftest import Tenants

SIZE = 20_000
AT_MOST = 100
PART = 50_000
"""The part of each, of half a megabyte."""


def test_files(tenants: Tenants) -> None:
    made: list[str] = []
    headers = {"Content-Type": "image/png"}
    for _ in range(AT_MOST):
        answer = tenants.greedy.post("/api/media", content=os.urandom(SIZE), headers=headers)
        if answer.status_code != 201:
            break
        made.append(answer.json()["sha256"])
    if tenants.of == "instance":
        tenants.require_refused(answer, "", "MEDIA_LIMIT")
    else:
        assert (answer.status_code, answer.json()["code"]) == (429, "upload_budget_reached")
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["setting"] == "MEDIA_UPLOADS_PER_CONNECTION"
    assert 1 < len(made) < AT_MOST
    assert len(list(tenants.gateway.settings.media.glob(".tmp-*"))) == 0
    assert send(tenants.greedy, {"sha256": made[0]}).status_code == 202, "what it has it sends"
    taken = [_sent(tenants.modest) for _ in range(PART // SIZE)]
    assert taken == [202] * len(taken)


def _sent(caller: Api) -> int:
    sha256 = upload(caller, os.urandom(SIZE))["sha256"]
    return send(caller, {"sha256": sha256}, connection="other").status_code
