"""The samples of the reference in curl, Python and JavaScript are run as they stand, for each type of message."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from gateway.reference.code_samples import samples
from gateway.schemas.examples import FILE_EXAMPLE, MESSAGES, PATH
from tests.integration.gateway.api.reference.test_examples import MIMES, kept, sent
from tests.integration.gateway.api.reference.test_schemathesis import Rest
from tests.integration.gateway.served import KEY

if TYPE_CHECKING:
    from tests.integration.gateway.served import Gateway

PROGRAMS = {
    "curl": ("sh", "-e", "-c"),
    "Python": (sys.executable, "-c"),
    "JavaScript": ("node", "--input-type=module", "-e"),
}
NEEDED = {"curl": "curl", "Python": sys.executable, "JavaScript": "node"}


@pytest.mark.parametrize("language", PROGRAMS)
@pytest.mark.timeout(120)
async def test_a_message_of_each_type_is_sent_by_its_sample(
    own_gateway: Gateway, language: str
) -> None:
    """As in the reference, but for the ids of what is really there."""
    if shutil.which(NEEDED[language]) is None:
        pytest.skip(f"{NEEDED[language]} is not installed here")

    def prepared() -> tuple[dict[str, str], str, str]:
        api = own_gateway.api
        poll = sent(api, type="poll", question="Tea or coffee?", options=["tea", "coffee"])
        return {kind: kept(api, kind) for kind in MIMES}, sent(api), poll

    async def answered(kind: str, real: dict[str, str]) -> str:
        written = json.dumps(MESSAGES[kind])
        for example, value in real.items():
            written = written.replace(example, value)
        source = samples(
            "post",
            "/api/messages?wait=20",
            json.loads(written),
            base=f"http://127.0.0.1:{own_gateway.port}",
        )
        process = await asyncio.create_subprocess_exec(
            *PROGRAMS[language],
            source[language],
            env={"PATH": os.environ["PATH"], "TEIMOSO_API_KEY": KEY},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, error = await process.communicate()
        return output.decode() + error.decode()

    with Rest(own_gateway):
        files, text, poll = await asyncio.to_thread(prepared)
        for kind in MESSAGES:  # a deletion is the last
            about = {"poll_vote": poll}.get(kind, text)
            said = await answered(kind, {PATH["id"]: about, FILE_EXAMPLE: files.get(kind, "")})
            assert '"status":"sent"' in said.replace(" ", ""), f"{kind}: {said}"
