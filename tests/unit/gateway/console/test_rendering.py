"""Templates escape what others wrote, and cost nothing where nobody asks for a page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from gateway.console import code_texts, rendering
from gateway.console.pages.home import picture
from gateway.http.problems import Problem


def test_what_others_wrote_is_no_markup() -> None:
    problem = Problem("not_found", "<script>alert(1)</script>\"'")
    page = rendering.page("problem.html", {"problem": problem}, status=404)
    assert page.status_code == 404
    assert b"&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;" in page.body


def test_a_command_within_a_sentence_is_code() -> None:
    """And what else stands there stays text."""
    problem = Problem("not_found", "Run `df -i <x>`, and look.")
    page = rendering.page("problem.html", {"problem": problem}, status=404)
    assert b"Run <code>df -i &lt;x&gt;</code>, and look." in page.body


def test_a_gateway_that_shows_no_page_and_fetches_nothing_loads_nothing_for_it() -> None:
    """The extras of libraries, too: each start of a gateway would pay for a console's colours."""
    asked = "import sys, gateway.app; print({'httpx', 'jinja2', 'rich'} & {*sys.modules})"
    told = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout == "set()\n"


def test_a_qr_has_no_style_of_its_own() -> None:
    drawn = picture("2@abc,def")
    assert drawn.startswith('<svg viewBox="')
    assert 'class="qr"' in drawn
    assert "style" not in drawn
    assert "2@abc" not in drawn
    assert drawn != picture("2@abc,deg")


def test_each_name_that_a_page_takes_of_the_texts_is_there() -> None:
    """Jinja says it of a page only once its branch is shown."""
    pages = Path(rendering.__file__).parent.rglob("*.html")
    named = {name for page in pages for name in re.findall(r"\bwords\.(\w+)", page.read_text())}
    assert len(named) > 10
    assert not [name for name in sorted(named) if not hasattr(code_texts, name)]
