"""`python -m tests.run.site`: makes a site of `docs/`, the README and each file that these link, in `build/site`.

Raises SystemExit for a link that leads nowhere and for any other warning of the generator; the site is built offline.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_LINK: Final = re.compile(r"(\]\()(?![a-z]+:|#)([^)#\s]+)")
_FENCED: Final = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)


def place(path: Path) -> Path:
    """Where a file of the repository is on the site; the README is its first page."""
    if path == Path("README.md"):
        return Path("index.md")
    if path.parts[0] == "docs":
        return path.relative_to("docs")
    return Path("repository", *(part.removeprefix(".") for part in path.parts))


def collect(root: Path, pages: Path) -> None:
    """Copy the pages and what they link into the directory `pages`, which is made anew.

    Raises SystemExit for a link to a file that is not there.
    """
    shutil.rmtree(pages, ignore_errors=True)
    ahead = [
        Path("README.md"),
        *(each.relative_to(root) for each in sorted(root.glob("docs/*.md"))),
    ]
    known = set(ahead)
    while ahead:
        path = ahead.pop()
        target = pages / place(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix != ".md":
            shutil.copy2(root / path, target)
            continue
        text = (root / path).read_text(encoding="utf-8")
        target.write_text(_moved(root, path, text), encoding="utf-8")
        found = {linked(root, path, link) for _, link in _LINK.findall(_FENCED.sub("", text))}
        ahead += sorted(found - known)
        known |= found


def linked(root: Path, page: Path, link: str) -> Path:
    """The file that a link of a page leads to, by its path in the repository. Raises SystemExit."""
    path = Path(os.path.normpath(page.parent / link))
    if path.parts[0] == ".." or not (root / path).is_file():
        raise SystemExit(f"{page}: no file is at {link}")
    return path


def _moved(root: Path, page: Path, text: str) -> str:
    """The text with its links as they are on the site."""

    def moved(match: re.Match[str]) -> str:
        target = place(linked(root, page, match[2]))
        return match[1] + os.path.relpath(target, place(page).parent)

    parts = _FENCED.split(text)
    return "".join(part if part.startswith("```") else _LINK.sub(moved, part) for part in parts)


def build(root: Path = ROOT, into: Path = ROOT) -> None:
    """Make the site of the pages of `root` in `into`/build/site, by `zensical.toml`. Raises SystemExit."""
    collect(root, into / "build" / "pages")
    if into != root:
        shutil.copy2(root / "zensical.toml", into)
    command = (sys.executable, "-m", "zensical", "build", "--clean", "--strict")
    done = subprocess.run(command, cwd=into, check=False)
    if done.returncode != 0:
        raise SystemExit(done.returncode)


if __name__ == "__main__":
    build()
