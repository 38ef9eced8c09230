"""The site of the pages: each page is in its navigation, it is built, and a broken link fails."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.run import site

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]


def leaves(nav: Any) -> Iterator[str]:
    """The pages of a navigation, in its order."""
    for each in nav.values() if isinstance(nav, dict) else [nav] if isinstance(nav, str) else nav:
        if isinstance(each, str):
            yield each
        else:
            yield from leaves(each)


def test_each_page_is_in_the_navigation_once() -> None:
    found = [*leaves(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"])]
    pages = [f"{page.stem}.md" for page in (ROOT / "docs").glob("*.md")]
    assert sorted(found) == sorted([*pages, "index.md", "repository/CHANGELOG.md"])


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    site.build(into=tmp_path)
    built = {page.stem for page in (tmp_path / "build/site").glob("*.html")}
    assert built >= {"index", *(page.stem for page in (ROOT / "docs").glob("*.md"))}
    assert 'href="start.html"' in (tmp_path / "build/site/index.html").read_text()


@pytest.mark.parametrize("link", ["other.md#nowhere", "nowhere.md", "../docs", "../../outside.md"])
def test_a_broken_link_fails(tmp_path: Path, link: str) -> None:
    (tmp_path / "docs").mkdir()
    shutil.copy2(ROOT / "zensical.toml", tmp_path)
    (tmp_path / "README.md").write_text(
        "# One\n\n[a page](docs/page.md), [a part](docs/other.md#there)\n"
    )
    (tmp_path / "docs/other.md").write_text("# Other\n\n## There\n")
    page = tmp_path / "docs/page.md"
    page.write_text("# Page\n\n[back](../README.md)\n\n```\n[code](nowhere.md)\n```\n")
    site.build(tmp_path, tmp_path)
    page.write_text(f"# Page\n\n[broken]({link})\n")
    with pytest.raises(SystemExit):
        site.build(tmp_path, tmp_path)
