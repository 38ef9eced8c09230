"""`firestore.rules` lets nobody in: the service comes as a service account, which no rule holds back."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RULES = re.sub(r"//[^\n]*", "", (ROOT / "firestore.rules").read_text())


def test_everything_is_denied_and_nothing_allowed() -> None:
    assert re.findall(r"\bmatch\s+(\S+)\s*{", RULES) == [
        "/databases/{database}/documents",
        "/{document=**}",
    ]
    assert re.findall(r"\ballow\b[^;]*;", RULES) == ["allow read, write: if false;"]
    left = re.sub(r"\bmatch\s+\S+\s*{|\ballow\b[^;]*;", "", RULES)
    assert left.split() == ["rules_version", "=", "'2';", "service", "cloud.firestore", "{", *"}}}"]


def test_what_is_deployed_is_these_files() -> None:
    told = json.loads((ROOT / "firebase.json").read_text())["firestore"]
    assert set(told) == {"rules", "indexes"}
    assert all((ROOT / file).is_file() for file in told.values())
