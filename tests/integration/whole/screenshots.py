"""Keeps pictures of the console's pages in `build/screenshots`, for a person to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCREENSHOTS = Path(__file__).resolve().parents[3] / "build/screenshots"


def keep_screenshot(page: Page, address: str, size: str) -> None:
    """Keep the whole page of this address, under its name and this `size`."""
    name = address.partition("?")[0].removeprefix("/console").strip("/").replace("/", "-")
    page.screenshot(path=SCREENSHOTS / f"{name or 'connections'}-{size}.png", full_page=True)
