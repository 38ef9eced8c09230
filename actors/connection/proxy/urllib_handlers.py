"""Provides urllib handlers that fetch pages through a proxy, and never directly."""

from __future__ import annotations

import ssl
import urllib.request
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING, Any

from actors.connection.proxy import tunnel

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from actors.connection.proxy.address import ProxyAddress


def handlers(proxy: ProxyAddress | None) -> tuple[urllib.request.BaseHandler, ...]:
    """Handlers for `urllib.request.build_opener`; none without a proxy."""
    if proxy is None:
        return ()
    # The first one keeps the environment's proxies out.
    return urllib.request.ProxyHandler({}), _Http(proxy), _Https(proxy)


class _Connection(HTTPConnection):
    def __init__(self, host: str, *, proxy: ProxyAddress, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self._proxy, self._within = proxy, timeout

    def connect(self) -> None:
        self.sock = tunnel.connect_blocking(self._proxy, self.host, self.port, self._within)
        self.sock.settimeout(self._within)


class _TlsConnection(HTTPSConnection):
    def __init__(self, host: str, *, proxy: ProxyAddress, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self._proxy, self._within = proxy, timeout

    def connect(self) -> None:
        plain = tunnel.connect_blocking(self._proxy, self.host, self.port, self._within)
        plain.settimeout(self._within)
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, proxy: ProxyAddress) -> None:
        super().__init__()
        self._proxy = proxy

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        made: Any = partial(_Connection, proxy=self._proxy)
        return self.do_open(made, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, proxy: ProxyAddress) -> None:
        super().__init__()
        self._proxy = proxy

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        made: Any = partial(_TlsConnection, proxy=self._proxy)
        return self.do_open(made, req)
