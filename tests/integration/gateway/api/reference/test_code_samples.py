"""The samples of the reference in curl, Python and JavaScript are run as they stand, for each type of message."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from gateway.reference.code_samples import samples
from gateway.schemas.examples import FILE_EXAMPLE, MESSAGE_EXAMPLES, PATH
from tests.integration.gateway.api.reference.test_examples import MIMES, kept, sent
from tests.integration.gateway.api.reference.test_schemathesis import Rest
from tests.integration.gateway.served import KEY
from tests.processes import forked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.gateway.served import Gateway

NEEDED = {"curl": "curl", "Python": sys.executable, "JavaScript": "node"}


def run(language: str, source: str, file: Path) -> str:
    """Runs a sample; returns what it prints."""
    file.write_text(source)
    given: dict[str, Any] = {
        "env": {"PATH": os.environ["PATH"], "TEIMOSO_API_KEY": KEY},
        "capture_output": True,
        "text": True,
        "timeout": 60,
    }
    done: subprocess.CompletedProcess[str]
    if language == "Python":
        done = forked.run([sys.executable, file], **given)
    else:
        program = {"curl": ("sh", "-e"), "JavaScript": ("node",)}[language]
        done = subprocess.run([*program, file], check=False, **given)
    return done.stdout + done.stderr


@pytest.mark.parametrize("language", NEEDED)
@pytest.mark.timeout(120)
def test_a_message_of_each_type_is_sent_by_its_sample(
    gateway: Gateway, language: str, tmp_path: Path
) -> None:
    """As in the reference, but for the ids of what is really there."""
    if shutil.which(NEEDED[language]) is None:
        pytest.skip(f"{NEEDED[language]} is not installed here")
    api = gateway.api
    with Rest(gateway):
        files, text = {kind: kept(api, kind) for kind in MIMES}, sent(api)
        poll = sent(api, type="poll", question="Tea or coffee?", options=["tea", "coffee"])
        for kind in MESSAGE_EXAMPLES:  # a deletion is the last
            written = json.dumps(MESSAGE_EXAMPLES[kind])
            about = {"poll_vote": poll}.get(kind, text)
            for example, value in {PATH["id"]: about, FILE_EXAMPLE: files.get(kind, "")}.items():
                written = written.replace(example, value)
            source = samples(
                "post",
                "/api/messages?wait=20",
                json.loads(written),
                base=f"http://127.0.0.1:{gateway.port}",
            )
            said = run(language, source[language], tmp_path / "sample.mjs")
            assert '"status":"sent"' in said.replace(" ", ""), f"{kind}: {said}"
