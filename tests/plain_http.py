"""A TLS context for clients that speak plain HTTP to loopback.

httpx reads all certificate authorities of the host for each client that is given none: 30 ms.
"""

from __future__ import annotations

import ssl
from typing import Final

NO_AUTHORITIES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
