"""`python bare_gateway.py PORT DATA`: the least that any Starlette must do for a durable accept.

One request is one script call on the same server, and the answer follows the fsync. No key, no
check, no metric, no log. Started as the gateway is: uvicorn on uvloop and httptools.
"""

from __future__ import annotations

import itertools
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from actors.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

SCRIPT = """
redis.call('HSET', KEYS[1], 'body', ARGV[1], 'status', 'queued')
redis.call('ZADD', KEYS[2], ARGV[2], KEYS[1])
return 1
"""


def application(settings: Settings) -> Starlette:
    redis = Redis.from_url(settings.redis_address)
    numbers = itertools.count()
    sha = ""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        nonlocal sha
        sha = await redis.script_load(SCRIPT)
        yield
        await redis.aclose()

    async def accept(request: Request) -> JSONResponse:
        number = next(numbers)
        name = f"{{bare}}:{os.getpid()}:{number}"
        await redis.evalsha(sha, 2, name, "{bare}:lane", await request.body(), number)
        return JSONResponse({"id": number}, 202)

    return Starlette(routes=[Route("/api/messages", accept, methods=["POST"])], lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(
        application(Settings.load(Path(sys.argv[2]))),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
    )
