"""A client that does nothing but POST: ``bare_poster.py URL REQUESTS AT_A_TIME``; prints requests a second."""

from __future__ import annotations

import asyncio
import sys
import time

import httpx

from tests.plain_http import NO_AUTHORITIES

BODY = b'{"connection":"shop","data":{"chat":"x"}}'


async def main(url: str, requests: int, at_a_time: int) -> None:
    left = iter(range(requests))
    limits = httpx.Limits(max_connections=at_a_time)
    async with httpx.AsyncClient(verify=NO_AUTHORITIES, limits=limits, timeout=30) as client:

        async def post() -> None:
            for _ in left:
                await client.post(url, content=BODY)

        begun = time.perf_counter()
        await asyncio.gather(*(post() for _ in range(at_a_time)))
        print(requests / (time.perf_counter() - begun))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
