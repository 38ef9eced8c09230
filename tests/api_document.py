"""The OpenAPI document of all operations, as a caller reads it; made once a process."""

from __future__ import annotations

import json
from typing import Any, Final

from gateway.app import OPERATIONS
from gateway.http.openapi import document

DOCUMENT: Final[dict[str, Any]] = json.loads(json.dumps(document(OPERATIONS, "1.2.3")))
