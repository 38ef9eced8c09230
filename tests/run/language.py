"""`python -m tests.run.language [--lower]`: finds private language in names and sentences.

`docs/contributing.md` has the rules; these are the ones that a machine can check. `language_counts.json`
beside this file lists, by folder and rule, the findings that are left from before the rules. A count that
differs fails: a higher one because something new came, a lower one until `--lower` writes it down, so
that nothing new takes the place of what was mended.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import Counter, defaultdict
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
COUNTS = Path(__file__).with_name("language_counts.json")
PLACES = (
    *("actors", "gateway", "supervision", "simulator", "tests", "docs", "grafana", ".github"),
    *("README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md"),
    *("Makefile", "Dockerfile", "cluster.yaml", "compose.yaml", "pyproject.toml", "zensical.toml"),
)
OWN = {"tests/run/language.py", "tests/unit/run/test_language.py"}
"""Files that quote what they forbid."""

FIELD_TERMS: Final = {
    *(
        "fencing",
        "keyring",
        "logging",
        "mapping",
        "missing",
        "pacing",
        "pairing",
        "ping",
        "rendering",
    ),
    *(
        "ring",
        "routing",
        "scheduling",
        "sending",
        "serving",
        "setting",
        "standing",
        "string",
        "tracing",
    ),
    *("everything", "nothing", "something"),
}
"""Words in -ing that may end the name of a module or a class: terms of the field, and nouns."""

WORDS: Final = {
    "told": r"\btold\b",
    "of before": r"\bof (?:before|then|now)\b|\bthe root before\b",
    "what is of": r"\bwh(?:at|o) (?:is|are|was|were) of\b|\bof which of\b|\bthe one which\b",
    "he": r"\b(?:he|him|his|himself)\b",
    "whoever": r"\b(?:who|whom|which)(?:so)?ever\b|\bwhosever\b",
    "manieth": r"\bmanieth\b",
    "replaced word": r"\b(?:enrolment|errand|roster|safekeeping|tally(?:ing)?|tending|vigil(?:ance)?)\b",
}
"""Private language by the name of its rule. `docs/contributing.md` has the word for each replaced one."""

PRIVATE_NAMES: Final = {
    *("enrolment", "errand", "heard", "roster", "tally", "tallying", "tending", "told", "whoever"),
}
"""Words that no class and no function has in its name."""

PEOPLES_VERBS: Final = {
    *("ask", "asked", "asking", "asks", "know", "knows", "tell", "telling", "tells"),
    *("give", "given", "gives", "keep", "keeps", "kept", "see", "seen", "sees"),
    *("said", "say", "says"),
}
"""Verbs for people: no function of the packages has them in its name, but that people of the simulator say something."""

_PATTERNS: Final = {rule: re.compile(pattern, re.IGNORECASE) for rule, pattern in WORDS.items()}
_OPENING: Final = re.compile(
    r"(?:^|(?<=[.:;!] ))(?:What|Whatever|Who|Whoever|Whom|Whose|How|Of which|That which)\b[^?]*?(?:[.:;!]|$)"
)
_QUOTED: Final = re.compile(r"``.*?``|`[^`]*`", re.DOTALL)
_FENCED: Final = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_STRING: Final = (
    r"{0}{0}{0}(?:[^{0}\\]|\\[\s\S]|{0}(?!{0}{0}))*{0}{0}{0}|{0}(?:[^{0}\\\n]|\\[\s\S])*{0}"
)
_LEXEMES: Final = re.compile("|".join([_STRING.format('"'), _STRING.format("'"), "#.*"]))
"""Strings and comments of Python: a `#` in a string begins no comment."""
_COMMENTS: Final = {
    ".lua": re.compile(r"--(.*)$", re.MULTILINE),
    ".go": re.compile(r"(?:^|\s)//(.*)$", re.MULTILINE),
    ".js": re.compile(r"(?:^|\s)//(.*)$", re.MULTILINE),
    ".mjs": re.compile(r"(?:^|\s)//(.*)$", re.MULTILINE),
}


READ: Final = {
    ".py",
    ".lua",
    ".go",
    ".md",
    ".html",
    ".conf",
    ".css",
    ".jinja",
    ".js",
    ".mjs",
    ".proto",
    ".toml",
    ".yaml",
    ".yml",
}
"""Suffixes of files in folders that are read."""


class Finding(NamedTuple):
    """A breach of a rule; `line` counts from 1."""

    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


class Passage(NamedTuple):
    """A sentence or more for people: a docstring, a comment, a text, a paragraph."""

    line: int
    text: str
    opens: bool
    """Whether its sentences may not begin with a relative clause: not so in texts of code."""


def folder_of(path: str) -> str:
    """The unit that counts are kept for: a folder of the second level, of tests the third; or a document."""
    folders = path.split("/")[:-1]
    if not path.endswith((".py", ".lua", ".go")):
        return path
    return "/".join(folders[: 3 if folders[0] == "tests" else 2])


def find(path: str, source: str) -> Iterator[Finding]:
    """The findings in one file. Raises SyntaxError for a malformed Python file."""
    suffix = Path(path).suffix
    if suffix == ".py":
        nodes = [*ast.walk(ast.parse(source))]
        yield from _names(path, nodes)
        passages = _python(source, nodes)
    elif suffix in _COMMENTS:
        passages = _comments(source, _COMMENTS[suffix])
        if suffix in {".js", ".mjs"}:  # its texts are for people, too
            passages = chain(passages, _paragraphs(_COMMENTS[suffix].sub("", source)))
    else:
        passages = _paragraphs(source)
    for line, text, opens in passages:
        plain = _QUOTED.sub("`…`", text)
        for rule, pattern in _PATTERNS.items():
            for match in pattern.finditer(plain):
                yield Finding(path, line, rule, _around(plain, *match.span()))
        if opens:
            for match in _OPENING.finditer(plain):
                yield Finding(path, line, "relative clause", _around(plain, *match.span()))


def _names(path: str, nodes: Iterable[ast.AST]) -> Iterator[Finding]:
    """Gerunds as names of the module, its package or its classes; private words in those of functions, too."""
    stem = Path(path).parent.name if path.endswith("__init__.py") else Path(path).stem
    if _is_gerund(stem.rpartition("_")[2]):
        yield Finding(path, 1, "gerund", stem)
    for node in nodes:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        words = [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+", node.name)]
        if isinstance(node, ast.ClassDef) and _is_gerund(words[-1]):
            yield Finding(path, node.lineno, "gerund", node.name)
        spoken = not isinstance(node, ast.ClassDef) and _is_peoples(path, words)
        if spoken or PRIVATE_NAMES.intersection(words):
            yield Finding(path, node.lineno, "private name", node.name)


def _is_peoples(path: str, words: Iterable[str]) -> bool:
    if path.startswith(("docs/", "tests/")):
        return False
    verbs = PEOPLES_VERBS - ({"said", "say"} if "simulat" in path else set())
    return bool(verbs.intersection(words))


def _is_gerund(word: str) -> bool:
    return word.endswith("ing") and word not in FIELD_TERMS


def _python(source: str, nodes: Iterable[ast.AST]) -> Iterator[Passage]:
    """Docstrings, comments (lines of their own as one) and string literals of several words."""
    docstrings = set()
    for node in nodes:
        if isinstance(node, ast.Expr):
            docstrings.add(id(node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield Passage(node.lineno, _flat(node.value), opens=id(node) in docstrings)
    block: list[str] = []
    begin = last = 0
    line, read = 1, 0
    for lexeme in _LEXEMES.finditer(source):
        if not lexeme[0].startswith("#"):
            continue
        line, read = line + source.count("\n", read, lexeme.start()), lexeme.start()
        alone = not source[source.rfind("\n", 0, read) + 1 : read].strip()
        if block and (line > last + 1 or not alone):
            yield Passage(begin, _flat(" ".join(block)), opens=True)
            block = []
        if not block:
            begin = line
        block.append(lexeme[0].lstrip("#"))
        last = line
    if block:
        yield Passage(begin, _flat(" ".join(block)), opens=True)


def _comments(source: str, pattern: re.Pattern[str]) -> Iterator[Passage]:
    """Comments; those on lines of their own, one below the other, as one."""
    begin, block, last = 0, "", 0
    for match in pattern.finditer(source):
        line = _line(source, match.start(1))
        alone = not source[source.rfind("\n", 0, match.start(1)) + 1 : match.start()].strip()
        if block and (line > last + 1 or not alone):
            yield Passage(begin, _flat(block), opens=True)
            block = ""
        begin = begin if block else line
        block, last = f"{block} {match[1]}", line
    if block:
        yield Passage(begin, _flat(block), opens=True)


def _paragraphs(source: str) -> Iterator[Passage]:
    """Paragraphs, headings and rows of tables of a document, without its blocks of code."""
    prose = _FENCED.sub(lambda match: "\n" * match[0].count("\n"), source)
    for match in re.finditer(r"^(?:[#|].*|(?:(?![#|]).*\S.*\n?)+)", prose, re.MULTILINE):
        yield Passage(_line(prose, match.start()), _flat(match[0]), opens=True)


def _line(source: str, at: int) -> int:
    return source.count("\n", 0, at) + 1


def _flat(text: str) -> str:
    return " ".join(text.split())


def _around(text: str, begin: int, end: int) -> str:
    return text[max(0, begin - 30) : min(end, begin + 50) + 30].strip()


def sources() -> Iterator[tuple[str, str]]:
    """Path and content of every file that the rules hold for."""
    for place in PLACES:
        base = ROOT / place
        files = [base] if base.is_file() else sorted(base.rglob("*"))
        for file in files:
            path = str(file.relative_to(ROOT))
            if (file == base or file.suffix in READ) and path not in OWN:
                yield path, file.read_text(encoding="utf-8")


@cache
def findings() -> tuple[Finding, ...]:
    """All findings of the tree."""
    return tuple(found for path, source in sources() for found in find(path, source))


def counts() -> dict[str, dict[str, int]]:
    """The number of findings by folder and rule, both sorted; zeros are left out."""
    number: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for found in findings():
        number[folder_of(found.path)][found.rule] += 1
    return {folder: dict(sorted(rules.items())) for folder, rules in sorted(number.items())}


def listed() -> dict[str, dict[str, int]]:
    """The counts that are allowed until they are mended."""
    return json.loads(COUNTS.read_text()) if COUNTS.exists() else {}


def compare(
    now: Mapping[str, Mapping[str, int]], before: Mapping[str, Mapping[str, int]]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs of folder and rule with more findings than are listed, and those with fewer."""
    pairs = sorted(
        {(folder, rule) for each in (now, before) for folder in each for rule in each[folder]}
    )
    change = {
        (folder, rule): now.get(folder, {}).get(rule, 0) - before.get(folder, {}).get(rule, 0)
        for folder, rule in pairs
    }
    return [pair for pair in pairs if change[pair] > 0], [
        pair for pair in pairs if change[pair] < 0
    ]


def report() -> list[str]:
    """Lines for a person: each folder that has more or fewer findings than are listed, and where."""
    more, fewer = compare(counts(), listed())
    lines = []
    for folder, rule in more:
        here = [
            found for found in findings() if (folder_of(found.path), found.rule) == (folder, rule)
        ]
        allowed = listed().get(folder, {}).get(rule, 0)
        lines += [
            f"{folder}: {len(here)} findings of '{rule}', {allowed} listed:",
            *(f"  {each}" for each in here),
        ]
    lines += [
        f"{folder}: fewer findings of '{rule}' than listed: `python -m tests.run.language --lower`"
        for folder, rule in fewer
    ]
    return lines


def lower() -> None:
    """Writes down the counts that fell. Raises SystemExit where one rose, and then writes nothing."""
    if COUNTS.exists() and compare(counts(), listed())[0]:
        raise SystemExit("\n".join(report()))
    COUNTS.write_text(json.dumps(counts(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if "--lower" in sys.argv[1:]:
        lower()
    elif lines := report():
        sys.exit("\n".join(lines))
