"""Writes a request of the API as curl, Python and JavaScript, ready to be run (pure).

`BASE_URL` is the address in each; the key is read from the environment, as `TEIMOSO_API_KEY`.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE_URL: Final = "http://127.0.0.1:8080"


def samples(
    method: str, path: str, body: Any = None, *, base: str = BASE_URL, keyed: bool = True
) -> Mapping[str, str]:
    """By language; `path` with its parameters filled in. `keyed`: whether the operation wants a key."""
    request = method.upper(), base + path
    return {
        "curl": _curl(*request, body, keyed=keyed),
        "Python": _python(*request, body, keyed=keyed),
        "JavaScript": _javascript(*request, body, keyed=keyed),
    }


def _curl(method: str, url: str, body: Any, *, keyed: bool) -> str:
    words = [] if method == "GET" or (method == "POST" and body is not None) else [f"-X {method}"]
    if keyed:
        words.append('-H "X-Api-Key: $TEIMOSO_API_KEY"')
    if body is not None:
        words += ['-H "Content-Type: application/json"', f"-d {shlex.quote(_json(body))}"]
    return " \\\n  ".join([f"curl -sS {shlex.quote(url)}", *words])


def _python(method: str, url: str, body: Any, *, keyed: bool) -> str:
    given = [_json(method), _json(url)]
    if keyed:
        given.append('headers={"X-Api-Key": os.environ["TEIMOSO_API_KEY"]}')
    if body is not None:
        given.append(f"json={_literal(body)}")
    inner = "".join(f"    {one},\n" for one in given)
    imports = "import os\n\nimport httpx" if keyed else "import httpx"
    return f"{imports}\n\nanswer = httpx.request(\n{inner})\nprint(answer.status_code, answer.text)"


def _literal(value: Any, indent: int = 4) -> str:
    """A JSON value as Python: a field on each line, and each object of a list."""
    pad = " " * (indent + 4)
    if isinstance(value, dict):
        lines = [f"{_json(name)}: {_literal(each, indent + 4)}" for name, each in value.items()]
        opens, closes = "{}"
    elif isinstance(value, list):
        lines = [_literal(each, indent + 4) for each in value]
        opens, closes = "[]"
        if not any(isinstance(each, dict) for each in value):
            return f"[{', '.join(lines)}]"
    else:
        return _json(value) if isinstance(value, str) else repr(value)
    inner = "".join(f"{pad}{line},\n" for line in lines)
    return f"{opens}\n{inner}{' ' * indent}{closes}" if lines else opens + closes


def _javascript(method: str, url: str, body: Any, *, keyed: bool) -> str:
    headers = ['"X-Api-Key": process.env.TEIMOSO_API_KEY'] if keyed else []
    if body is not None:
        headers.append('"Content-Type": "application/json"')
    options = [f'  method: "{method}",\n']
    if headers:
        options.append(f"  headers: {{ {', '.join(headers)} }},\n")
    if body is not None:
        text = json.dumps(body, indent=2, ensure_ascii=False).replace("\n", "\n  ")
        options.append(f"  body: JSON.stringify({text}),\n")
    return (
        f'const answer = await fetch("{url}", {{\n{"".join(options)}}});\n'
        "console.log(answer.status, await answer.text());"
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
