"""The commands that call the API: a refusal is one sentence on stderr and an exit status."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import Qr
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from gateway.cli import main
from supervision.keeper.manifest import Plan
from tests.integration.gateway.served import KEY, ROOT, SHOP, Gateway
from tests.processes import forked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.gateway.served import Api

pytestmark = pytest.mark.usefixtures("logs_as_before")

TO = "15550100002"


def start(data: Path, *words: str | bytes, key: str | bytes | None = KEY) -> forked.Popen:
    environment = {name: value for name, value in os.environ.items() if name != "TEIMOSO_API_KEY"}
    flags = () if key is None else (b"--key=" + (key if isinstance(key, bytes) else key.encode()),)
    return forked.Popen(
        [sys.executable, "-m", "gateway.cli", *words, *flags, "--data", str(data)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """The one sentence of a command that is refused: `main` runs in this process, which is cheap."""

    def run(data: Path, *words: str, key: str | None = KEY) -> str:
        monkeypatch.delenv("TEIMOSO_API_KEY", raising=False)
        flags = () if key is None else (f"--key={key}",)
        monkeypatch.setattr("sys.argv", ["teimoso", *words, *flags, "--data", str(data)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        output, errors = capfd.readouterr()
        assert ended.value.code == 1, output + errors
        assert not output
        [sentence] = errors.splitlines()
        return str(sentence)

    return run


def said(process: forked.Popen, status: int = 1) -> str:
    """The one sentence of a command that ends with `status`, and prints nothing else."""
    with process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == status, output + errors
    assert not output
    [sentence] = errors.splitlines()
    return sentence


@pytest.fixture(autouse=True)
def _nothing_is_accepted(api: Api) -> object:
    before = api.get("/api/queue").json()
    yield None
    assert api.get("/api/queue").json() == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("shop", "12", "hi"), "phone number has 7 to 15 digits, as in 15550100002. (422)"),
        (("shop", "x@g.us", "hi"), "The field to: write a group's whole address, as in 1203"),
        (("shop", TO, ""), "text: write a text that is more than white space, as in hi. (422)"),
        (("shop", TO, "a\x1bb"), "write it without control characters; character 2 is U+001B"),
        (("shop", TO, "x" * 65_537), "write at most 65536 characters, not 65537, as in hi. (422)"),
        (("nobody", TO, "hi"), "There is no such connection. (404)"),
        (("../x", TO, "hi"), "The field connection: "),
    ],
)
def test_sends(
    gateway: Gateway, refused: Callable[..., str], words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refused(gateway.data, "send", *words)


def test_an_account_is_shown_as_online_or_not(
    gateway: Gateway,
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for flags, sentence, shown in (
        (("--show-online",), "shop is shown as online.", True),
        ((), "shop is shown as online.", True),
        (("--no-show-online",), "shop is not shown as online.", False),
    ):
        words = ["teimoso", "connections", "set", "shop", *flags, f"--key={KEY}"]
        monkeypatch.setattr("sys.argv", [*words, "--data", str(gateway.data)])
        with suppress(SystemExit):
            main()
        assert capfd.readouterr().out.strip() == sentence
        assert api.get("/api/connections/shop").json()["show_online"] is shown


def test_a_proxy_and_calls_are_set(
    gateway: Gateway,
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shown = "shop is not shown as online.\n"
    through = "shop reaches WhatsApp through http://***:***@proxy.example:3128.\n"
    url = "http://shop:s3cret@proxy.example:3128"
    for flags, said_in, sentences in (
        (("--proxy", url), "", shown + through),
        (("--no-proxy",), "", shown),
        (("--proxy", "-"), f"{url}\n", shown + through),
        (("--reject-calls",), "", f"{shown}{through}shop refuses calls.\n"),
        (
            ("--reject-calls-text", "No calls"),
            "",
            f"{shown}{through}shop refuses calls, and writes to who calls.\n",
        ),
        (("--no-reject-calls", "--no-proxy", "--reject-calls-text", ""), "", shown),
    ):
        words = ["teimoso", "connections", "set", "shop", *flags, f"--key={KEY}"]
        monkeypatch.setattr("sys.argv", [*words, "--data", str(gateway.data)])
        monkeypatch.setattr("sys.stdin", StringIO(said_in))
        with suppress(SystemExit):
            main()
        assert capfd.readouterr().out == sentences
    found = api.get("/api/connections/shop").json()
    assert (found["proxy"], found["reject_calls"], found["reject_calls_text"]) == (
        None,
        False,
        None,
    )


def test_arguments_that_are_no_text(gateway: Gateway) -> None:
    for words in (("send", "shop", TO, b"\xff"), ("connections", "delete", b"\xff")):
        assert said(start(gateway.data, *words), 2) == "An argument is not text in UTF-8."


def test_keys_that_open_nothing(gateway: Gateway, refused: Callable[..., str]) -> None:
    send = ("send", "shop", TO, "hi")
    assert "There is no such API key" in said(start(gateway.data, *send, key="tmo_wrong"))
    assert "TEIMOSO_API_KEY" in said(start(gateway.data, *send, key=None))
    assert "printable ASCII" in said(start(gateway.data, *send, key="ä"))
    for key in ("a\nb", " tmo", "a\tb"):
        assert "printable ASCII" in refused(gateway.data, *send, key=key)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("connections", "add", "NO"), "The field id: "),
        (("connections", "add", "shop"), "A connection with this id exists. (409)"),
        (("connections", "qr", "nobody"), "There is no such connection. (404)"),
        (("connections", "qr", "shop"), "The connection is connecting. (409)"),
        (
            ("connections", "pairing-code", "nobody", "--phone", TO),
            "There is no such connection. (404)",
        ),
        (
            ("connections", "pairing-code", "shop", "--phone", "12"),
            "The field phone: a phone number has 7 to 15 digits, as in ",
        ),
        (("connections", "set", "nobody", "--show-online"), "There is no such connection. (404)"),
        (("connections", "start", ".."), "(404)"),
        (("connections", "delete", "nobody", "--yes"), "There is no such connection. (404)"),
        (("connections", "delete", "nobody"), "There is no such connection. (404)"),
        (("queue", "redrive", "x"), "There is no such message. (404)"),
        (("queue", "dead", "--connection", "NO"), "The parameter connection: "),
        (("queue", "redrive", "--connection", "nobody"), "There is no such connection. (404)"),
        (("queue", "redrive", "--died-after", "noon"), "The field died_after: "),
        (("webhooks", "add", "nowhere"), "The field url: write it as https://HOST/PATH"),
        (
            ("webhooks", "add", "http://127.0.0.1/"),
            "Set WEBHOOK_URL_PRIVATE to true to allow it. (422)",
        ),
        (("webhooks", "pause", "x"), "There is no such webhook. (404)"),
        (("webhooks", "resume", "x"), "There is no such webhook. (404)"),
        (("webhooks", "rotate-secret", "x"), "There is no such webhook. (404)"),
        (("webhooks", "remove", "x y", "--yes"), "There is no such webhook. (404)"),
        (("webhooks", "remove", "x y"), "There is no such webhook. (404)"),
        (("webhooks", "deliveries", "x", "--status", "odd"), "The parameter status: "),
        (("webhooks", "redeliver", "x", "1"), "There is no such webhook. (404)"),
        (("events", "--event", "odd"), "The parameter events: "),
        (("events", "--connection", "nobody"), "There is no such connection. (404)"),
        (("media", "x"), "There is no such message. (404)"),
        (("send", "shop", TO, "--file", "/nowhere"), "/nowhere cannot be read: "),
        (("send", "shop", TO, "--file", "/"), "/ cannot be read: "),
        (("send", "shop", TO, "--vote", "x"), "The field message: "),
    ],
)
def test_other_commands(
    gateway: Gateway, refused: Callable[..., str], words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refused(gateway.data, *words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("create", ""), "Give the key a name that can be printed."),
        (("create", "a\x1bb"), "Give the key a name that can be printed."),
        (("create", "x", "--scope", "root"), "root is not a scope: "),
        (("create", "x", "--connection", "NO"), "There is no connection NO: create it first."),
        (("revoke", "a/b", "--yes"), "There is no key a/b."),
        (("revoke", "nobody", "--yes"), "There is no key nobody."),
        (("revoke", "nobody"), "There is no key nobody."),
    ],
)
def test_keys(
    gateway: Gateway, refused: Callable[..., str], words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refused(gateway.data, "keys", *words, key=None)


def test_a_revocation_names_what_ends(gateway: Gateway, refused: Callable[..., str]) -> None:
    with start(gateway.data, "keys", "list", "--json", key=None) as listing:
        items = json.loads(listing.communicate(timeout=60)[0])["items"]
    first = next(one["id"] for one in items if one["connections"] is None)
    told = refused(gateway.data, "keys", "revoke", first, key=None)
    assert "changes of connections, API keys and webhooks, for all connections" in told
    assert "Nothing was done: --yes does it." in told


def test_a_copied_directory_is_an_instance_of_its_own(gateway: Gateway, tmp_path: Path) -> None:
    """A change of the copy leaves the original as it is."""
    (tmp_path / "runtime.json").write_bytes((gateway.data / "runtime.json").read_bytes())
    with start(tmp_path, "keys", "list", "--json", key=None) as listing:
        output, _ = listing.communicate(timeout=60)
    assert json.loads(output)["items"] == []


def test_dead_letters_are_sent_again_by_what_they_have_in_common(gateway: Gateway) -> None:
    which = ("--code", "ack_timeout", "--died-before", "2020-01-01T00:00:00Z", "--limit", "3")
    with start(gateway.data, "queue", "redrive", *which, "--json") as redriving:
        output, _ = redriving.communicate(timeout=60)
    assert json.loads(output) == {"redriven": 0}


def test_a_simulator_that_is_not_there(gateway: Gateway) -> None:
    assert "has no simulator" in said(start(gateway.data, "simulate", "phone", TO, key=None))


async def be(state: str, connection: str, gateway: Gateway, qr: Qr | None = None) -> None:
    redis = connect(gateway.settings)
    leases = Leases(redis)
    lease = await leases.take(
        connection, Owner(f"connection:{connection}", os.getpid(), host_identity.here())
    )
    await leases.report(connection, lease.epoch, state=state, cause=None, since=time.time(), qr=qr)
    await redis.aclose()


def test_the_qr_of_a_new_connection_is_waited_for(own_gateway: Gateway) -> None:
    """Its connection is on its way to WhatsApp as the command begins."""
    words = ("connections", "qr", "shop", "--json")
    assert "The connection is connecting. (409)" in said(start(own_gateway.data, *words))
    assert "(409)" in said(start(own_gateway.data, *words, "--wait", "0.1"))
    waiting = start(own_gateway.data, *words, "--wait", "60")
    time.sleep(2)
    assert waiting.poll() is None
    asyncio.run(be("pairing", SHOP, own_gateway, qr=Qr("2@text", time.time() + 60)))
    output, _ = waiting.communicate(timeout=60)
    assert json.loads(output)["qr"] == "2@text"


def test_a_trace_is_compared_with_what_the_simulator_sends(tmp_path: Path) -> None:
    def compared(file: Path, *options: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "gateway.cli", "simulate", "compare", str(file), *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return ran.stderr if ran.returncode else ran.stdout

    trace = tmp_path / "trace.jsonl"
    lines: list[dict[str, object]] = [
        {"trace": 1, "by": "whatsmeow", "began": "2026-11-28", "part": 1},
        {"at": 1, "dir": "in", "tag": "novelty", "attrs": {"id": "#1"}},
        {"at": 2, "dir": "out", "tag": "message", "attrs": {"id": "#2", "type": "text", "x": "1"}},
        {"at": 99, "event": "end", "cause": ["network"]},
    ]
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = json.loads(compared(trace, "--json"))
    assert [one["kind"] for one in report["never_sent"]] == ["novelty"]
    assert [(one["kind"], one["what"]) for one in report["never_seen"]] == [("message text", "x")]
    assert [(one["dir"], one["id"]) for one in report["unanswered"]] == [("out", "#2")]
    shown = compared(trace)
    for words in ("never sent: 1", "never saw: 1", "Nobody answered: 1", "novelty", "97"):
        assert words in shown
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines[:1]))
    assert compared(trace).count("nothing") == 3
    trace.write_text("nothing of the kind")
    assert compared(trace).startswith(f"Line 1 of {trace} is no JSON")
    trace.write_text("")
    assert "is empty: nothing was recorded" in compared(trace)
    assert compared(tmp_path / "missing") == f"There is no file {tmp_path / 'missing'}.\n"


def test_a_simulator_that_has_nothing_to_do(own_gateway: Gateway, tmp_path: Path) -> None:
    """A connection that is open already is not waited for."""

    def simulated(*words: str) -> Any:
        asked = start(own_gateway.data, "simulate", *words, "--json", key=None)
        return json.loads(asked.communicate(timeout=60)[0])

    command = ("-m", "simulator", "--port", "0", "--control-port", "0", "--data")
    asyncio.run(be("open", SHOP, own_gateway))
    with forked.Popen(
        [sys.executable, *command, str(tmp_path / "simulator")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as simulator:
        try:
            assert simulator.stdout is not None
            control = json.loads(simulator.stdout.readline())["control_url"]
            plan = Plan(own_gateway.port, simulate=True, control_port=int(control.split(":")[-1]))
            plan.save(own_gateway.data)
            scan = start(own_gateway.data, "simulate", "scan", "shop", "15550100001")
            assert said(scan) == "shop is linked already: it shows no QR code."
            say = start(own_gateway.data, "simulate", "say", TO, "15550100009", "x", key=None)
            assert said(say) == "The account has no linked device to receive it (409)"
            rules = ("simulate", "rules")
            switch = start(own_gateway.data, *rules, TO, "unknown_tags=maybe", key=None)
            assert said(switch).startswith("unknown_tags=maybe is not NAME=on")
            change = start(own_gateway.data, "simulate", "version", "oldest", key=None)
            assert said(change).startswith("oldest is not current=")
            changes = ("current=2.3000.5", "oldest=none", "ends=4000000000")
            version = simulated("version", *changes)
            assert (version["current"], version["ends"]) == ("2.3000.5", 4e9)
            account = start(own_gateway.data, "simulate", "account", TO, "read_receipts", key=None)
            assert said(account) == "read_receipts is not NAME=VALUE."
            answer = simulated("account", TO, "read_receipts=none", "limited_until=4e9")
            assert (answer["read_receipts"], answer["limited_until"]) == ("none", 4e9)
            contact = start(own_gateway.data, "simulate", "contact", TO, "token_needed=1", key=None)
            assert said(contact) == "Token_needed must be another value (400)"
            timer = start(own_gateway.data, "simulate", "timer", TO, "15550100009", "60", key=None)
            assert said(timer) == "The account has no linked device to receive it (409)"
            for word, on in (("--start", True), ("--stop", False)):
                assert simulated("trace", TO, word) == {"tracing": on, "files": []}
            for given, other in (
                ((TO, "answered_by=+15550100009", "--hosted"), "15550100009"),
                ((TO, "answered_by=null"), None),
            ):
                answer = simulated("contact", *given)
                assert answer["answered_by"] == other
                assert [one["device"] for one in answer["devices"]] == [0, 99]
            assert not simulated("account", "15550100009", "migrated=false")["migrated"]
            assert simulated("migrate", "15550100009", TO)["migrated"]
            for words, on in (((TO, "unknown_tags=on"), True), ((TO,), True), ((), False)):
                assert simulated("rules", *words)["unknown_tags"] is on
            settings = ("simulate", "settings", TO)
            change = start(own_gateway.data, *settings, "mute", "chat", key=None)
            assert said(change) == "chat is not NAME=VALUE."
            mute = ("mute", "chat=15550100009", "muted=false")
            (muted,) = simulated("settings", TO, *mute)["settings"]
            assert (muted["type"], muted["chat"], muted["muted"]) == ("mute", "15550100009", False)
        finally:
            simulator.kill()


def test_ctrl_c_while_it_waits(own_gateway: Gateway) -> None:
    """The message stays accepted: the command says what it knows, and no more."""
    waiting = start(own_gateway.data, "send", "shop", TO, "hi", "--wait", "60")
    own_gateway.until(lambda: own_gateway.api.get("/api/queue").json()["waiting"] == 1, 20)
    time.sleep(0.3)
    waiting.send_signal(signal.SIGINT)
    with waiting:
        output, errors = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    assert "Traceback" not in output + errors
    assert len(errors.splitlines()) <= 1
    assert own_gateway.api.get("/api/queue").json()["waiting"] == 1


def test_a_gateway_that_is_down(own_gateway: Gateway) -> None:
    own_gateway.kill()
    for words in (("send", "shop", TO, "hi"), ("events",), ("media", f"{SHOP}.3EB0")):
        assert said(start(own_gateway.data, *words)).endswith("`teimoso up` starts it.")
