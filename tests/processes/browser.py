"""A headless Chromium, of Debian's package, as a person would use it."""

from __future__ import annotations

import shutil
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import Browser, Page, ViewportSize

T = TypeVar("T")

PACKAGE = "Debian's package chromium is not installed here (make debian, as root)"
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 800}
APPEARANCE = ("color-contrast", "link-in-text-block", "scrollable-region-focusable")
"""Rules of axe whose findings another width or other colours change."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; skips the test, and says why, where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip(PACKAGE)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium has no sandbox for root; the pages are ours.
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


def apart(act: Callable[..., T], *arguments: object) -> T:
    """Call what runs an event loop of its own: Playwright has one in this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(act, *arguments).result()


def violations(page: Page, *, rules: Sequence[str] = (), without: Sequence[str] = ()) -> list[str]:
    """Returns axe's findings on the current page: the rule, and the place.

    `rules`: these alone, if any; `without`: all but these.
    """
    from axe_playwright_python.sync_playwright import Axe

    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    options = {
        "resultTypes": ["violations"],
        "rules": {rule: {"enabled": False} for rule in without},
        **({"runOnly": [*rules]} if rules else {}),
    }
    found = page.evaluate("options => axe.run(options)", options)
    assert found["passes"], "axe looked at something"
    return [
        f"{rule['id']}: {node['target']} {node['html'][:160]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def png(width: int, height: int) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    rows = (b"\0" + b"\x20\x80\x60" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data
