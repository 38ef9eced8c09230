"""`teimoso doctor`: each mistake is made for real, and is a finding that says what to do."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.config.settings import Settings
from actors.config.sources import resolve_settings
from actors.connection.backup.open_vault import open_bucket, open_vault
from actors.connection.session.session import Session
from actors.redis.client import connect
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from actors.state.webhooks import Secret, Webhook, Webhooks
from gateway.cli import main
from gateway.cli.doctor.checks.redis import redis as redis_findings
from gateway.http.api_keys import ensure_first
from supervision.keeper.lock import Lock
from supervision.keeper.manifest import Plan
from tests.integration.gateway.served import SHOP
from tests.processes.gcs import Gcs
from tests.processes.valkey import PASSWORD, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.processes.valkey import Valkey

    Examine = Callable[..., tuple[int, dict[str, dict[str, Any]]]]

ROOT = Path(__file__).resolve().parents[4]
KEY, OTHER_KEY, API_KEY = "5e" * 32, "6f" * 32, "tmo_" + "k" * 43


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.setenv("PORT", str(free_port()))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Examine:
    """The command in this process: its exit status, and the worst finding of each check."""

    def run(data: Path, *words: object, **environment: object) -> tuple[int, dict[str, Any]]:
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        command = ["teimoso", "doctor", "--json", "--data", data, *words]
        monkeypatch.setattr("sys.argv", [str(word) for word in command])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), by_check(capfd.readouterr().out)

    return run


def by_check(shown: str) -> dict[str, dict[str, Any]]:
    assert PASSWORD not in shown
    order = ("ok", "warn", "fail")
    found = sorted(json.loads(shown)["findings"], key=lambda one: order.index(one["result"]))
    return {one["check"]: one for one in found}


def apart(data: Path, *under: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The command as a process of its own, `under` what makes the mistake."""
    done = subprocess.run(
        [*under, sys.executable, "-m", "gateway.cli", "doctor", "--json", "--data", str(data)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, by_check(done.stdout)


def failed(examined: tuple[int, dict[str, dict[str, Any]]], check: str, found: str) -> str:
    """What to do about the one failure that there is."""
    status, findings = examined
    wrong = {name: one["found"] for name, one in findings.items() if one["result"] == "fail"}
    assert set(wrong) == {check}, wrong
    assert found in wrong[check]
    assert status == 1
    return str(findings[check]["do"])


def begun(data: Path, *, key: str | None = API_KEY) -> None:
    """The state store as the first start makes it."""

    async def make() -> None:
        documents = open_documents(resolve_settings(data=data))
        if key is None:
            await documents.query("api_keys")
        else:
            await ensure_first(documents, key)
        await documents.close()

    asyncio.run(make())


def test_nothing_wrong_is_nothing_found(data: Path, own_valkey: Valkey, doctor: Examine) -> None:
    begun(data)
    status, findings = doctor(
        data, REDIS_HOST="127.0.0.1", REDIS_PORT=own_valkey.port, REDIS_PASSWORD=PASSWORD
    )
    assert {name for name, one in findings.items() if one["result"] == "fail"} == set()
    assert status == 0
    assert re.search(r" ms and holds [0-9.]+[KM]$", findings["redis"]["found"])
    assert {"redis", "durability", "state store", "api keys", "open files"} <= set(findings)


def test_redis_is_not_there(data: Path, doctor: Examine) -> None:
    port = free_port()
    do = failed(doctor(data, REDIS_HOST="127.0.0.1", REDIS_PORT=port), "redis", "does not answer")
    assert "REDIS_HOST" in do


def test_the_password_of_redis_is_wrong(data: Path, own_valkey: Valkey, doctor: Examine) -> None:
    url = f"redis://:wrong@127.0.0.1:{own_valkey.port}/0"
    said = f"127.0.0.1:{own_valkey.port} does not take the password"
    assert "requirepass" in failed(doctor(data, REDIS_URL=url), "redis", said)
    none = f"redis://127.0.0.1:{own_valkey.port}/0"
    assert failed(doctor(data, REDIS_URL=none), "redis", "does not take the password")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("appendonly", "no"),
        ("appendfsync", "everysec"),
        ("maxmemory-policy", "allkeys-lru"),
    ],
)
def test_redis_does_not_keep_what_it_acknowledges(
    data: Path, own_valkey: Valkey, doctor: Examine, name: str, value: str
) -> None:
    asyncio.run(command(own_valkey, "CONFIG", "SET", name, value))
    examined = doctor(
        data, REDIS_HOST="127.0.0.1", REDIS_PORT=own_valkey.port, REDIS_PASSWORD=PASSWORD
    )
    assert "CONFIG SET" in failed(examined, "durability", f"{name} is {value}")


async def command(server: Valkey, *words: str) -> None:
    redis = connect(server.settings())
    await redis.execute_command(*words)  # type: ignore[no-untyped-call]
    await redis.aclose()


def test_a_redis_that_forbids_config_is_a_warning(own_valkey: Valkey) -> None:
    asyncio.run(command(own_valkey, "ACL", "SETUSER", "default", "-config", "-info"))
    answers, durable = asyncio.run(redis_findings(own_valkey.settings()))
    assert answers.result == "ok"
    assert answers.found.endswith(" ms")
    assert durable.result == "warn"
    assert "appendfsync is not known" in durable.found


def test_the_port_is_taken(data: Path, doctor: Examine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        do = failed(doctor(data, PORT=port), "port", f"127.0.0.1:{port} is in use")
    assert "--port" in do


def test_the_data_are_in_memory(doctor: Examine) -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no /dev/shm here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        do = failed(doctor(Path(place)), "data directory", "is gone when the machine restarts")
    assert "disk" in do


def test_there_is_no_room(tmp_path: Path) -> None:
    """A small disk, and a small /dev/shm as containers have it."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("mounting a small tmpfs needs root and unshare")
    mount = 'mount -t tmpfs -o size=16M tmpfs /dev/shm && mkdir /dev/shm/data && exec "$@"'
    under = ("unshare", "-m", "sh", "-c", mount, "sh")
    if subprocess.run([*under, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this container may not mount")
    status, findings = apart(Path("/dev/shm/data"), *under)
    assert status == 1
    assert findings["disk"]["result"] == findings["data directory"]["result"] == "fail"
    assert "16 MiB free" in findings["disk"]["found"]
    assert findings["shared memory"]["result"] == "warn"
    assert "--shm-size" in findings["shared memory"]["do"]


def test_the_clock_is_wrong(data: Path, tmp_path: Path, own_valkey: Valkey) -> None:
    clock = tmp_path / "offset"
    clock.write_bytes(struct.pack("d", -3600.0))
    examined = apart(
        data,
        PYTHONPATH=str(ROOT / "tests" / "chaos" / "overlay"),
        TEST_CLOCK=str(clock),
        REDIS_HOST="127.0.0.1",
        REDIS_PORT=str(own_valkey.port),
        REDIS_PASSWORD=PASSWORD,
    )
    assert "set-ntp" in failed(examined, "redis clock", "3600 s behind theirs")


@contextmanager
def dated(date: str) -> Iterator[int]:
    """A server that answers one request, and believes that it is `date`."""
    answer = f"HTTP/1.1 426 Upgrade Required\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(answer.encode())

        serving = threading.Thread(target=serve)
        serving.start()
        yield server.getsockname()[1]
        serving.join(10)
        assert not serving.is_alive(), "nobody asked"


def test_the_clock_is_not_that_of_whatsapp(data: Path, doctor: Examine) -> None:
    Plan(free_port()).save(data)
    with dated("Tue, 26 Nov 2024 10:00:00 GMT") as port:
        examined = doctor(data, WHATSAPP_URL=f"ws://127.0.0.1:{port}/ws/chat")
    assert failed(examined, "whatsapp clock", "ahead of theirs")


def test_a_process_may_open_too_few_files(data: Path, doctor: Examine) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        do = failed(doctor(data), "open files", "a process may have 256")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "ulimit -n" in do


def test_another_ray_is_in_the_way(
    data: Path, tmp_path: Path, doctor: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    (other / "ray-2.9.0.dist-info").mkdir(parents=True)
    (other / "ray-2.9.0.dist-info" / "METADATA").write_text("Name: ray\nVersion: 2.9.0\n")
    monkeypatch.syspath_prepend(str(other))
    assert "make setup" in failed(doctor(data), "ray version", "2.9.0")


def test_a_setting_is_wrong(data: Path, doctor: Examine, tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    file.write_text("STORAGE_BUCKET=sessions\n")
    said = "SESSION_ENCRYPTION_KEY is not valid: STORAGE_BUCKET takes no session without a key"
    assert failed(doctor(data, "--settings", file), "settings", said)
    file.write_text("QUEUE_CONCURENCY=3\n")
    assert failed(doctor(data, "--settings", file), "settings", "QUEUE_CONCURENCY is not a setting")


def test_a_bucket_that_is_not_there(data: Path, tmp_path: Path, doctor: Examine) -> None:
    begun(data)
    examined = doctor(data, STORAGE_BUCKET=tmp_path / "none", SESSION_ENCRYPTION_KEY=KEY)
    assert "mount it" in failed(examined, "bucket", "ENOENT")
    (tmp_path / "file").touch()
    examined = doctor(data, STORAGE_BUCKET=tmp_path / "file", SESSION_ENCRYPTION_KEY=KEY)
    assert "name a directory" in failed(examined, "bucket", "ENOTDIR")


def test_a_bucket_of_google_that_is_not_there(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(data)
    with Gcs(tmp_path / "gcs") as server:
        examined = apart(
            data,
            STORAGE_EMULATOR_HOST=server.url,
            STORAGE_BUCKET="a-bucket-of-nobody",
            SESSION_ENCRYPTION_KEY=KEY,
        )
    assert "correct STORAGE_BUCKET" in failed(examined, "bucket", "no_such_bucket")


def test_the_key_is_not_that_of_the_copies(data: Path, tmp_path: Path, doctor: Examine) -> None:
    begun(data)
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    settings = resolve_settings(data=data, storage_bucket=str(bucket), session_encryption_key=KEY)
    session = data / "sessions" / "shop" / "session.db"
    session.parent.mkdir(parents=True)
    Session.open(session, 1).close()
    vault = open_vault(settings, open_bucket(settings))
    assert asyncio.run(vault.keep(SHOP, session, tmp_path / "scratch"))
    examined = doctor(data, STORAGE_BUCKET=bucket, SESSION_ENCRYPTION_KEY=KEY)
    assert examined[1]["session key"]["result"] == "ok"
    examined = doctor(data, SESSION_ENCRYPTION_KEY=OTHER_KEY)
    assert "former key" in failed(examined, "session key", "none of those in")
    assert [one.name for one in bucket.rglob("doctor*")] == []


def test_firestore_is_not_there(data: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    examined = apart(data, FIRESTORE_EMULATOR_HOST=nowhere)
    do = failed(examined, "state store", f"{nowhere}, project teimoso, database (default)")
    assert "FIRESTORE_EMULATOR_HOST" in do


def test_the_credentials_of_google_are_missing(data: Path, tmp_path: Path) -> None:
    examined = apart(
        data,
        GOOGLE_CLOUD_PROJECT="shop-project",
        GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "none.json"),
    )
    do = failed(examined, "state store", "DefaultCredentialsError")
    assert "GOOGLE_APPLICATION_CREDENTIALS" in do


def test_a_state_store_that_is_no_database(data: Path, doctor: Examine) -> None:
    (data / "state.db").write_bytes(b"no database, and never was one" * 1000)
    assert failed(doctor(data), "state store", "does not answer")


def test_the_api_key_is_of_another_instance(data: Path, doctor: Examine) -> None:
    begun(data)
    assert doctor(data, TEIMOSO_API_KEY=API_KEY)[0] == 0
    examined = doctor(data, TEIMOSO_API_KEY="tmo_" + "x" * 43)
    assert "keys create" in failed(examined, "api keys", "none of this instance's")


def test_there_is_no_api_key(data: Path, doctor: Examine) -> None:
    begun(data, key=None)
    assert "keys create" in failed(doctor(data), "api keys", "there is none")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.1.2.3"])
def test_a_webhook_leads_to_a_private_address(data: Path, doctor: Examine, host: str) -> None:
    begun(data)

    async def add() -> None:
        documents = open_documents(resolve_settings(data=data))
        url = f"https://{host}/told"
        await Webhooks(documents).create(Webhook("wh_1", url, (Secret("whsec_x"),), 1.0))
        await documents.close()

    asyncio.run(add())
    assert "WEBHOOK_URL_PRIVATE" in failed(doctor(data), "webhook", f"wh_1 leads to {host}")
    assert doctor(data, WEBHOOK_URL_PRIVATE="true")[0] == 0


def test_an_engine_that_nobody_allowed_serves_a_real_account(data: Path, doctor: Examine) -> None:
    """As an older release left it; not one that was allowed, and not where all is simulated."""
    begun(data)

    async def add() -> None:
        documents = open_documents(resolve_settings(data=data))
        registry = Connections(documents)
        for name, allowed in {"shop": None, "desk": False, "bold": True}.items():
            await registry.create(name, allow_unproven_engine=allowed)
        await registry.create("mature", engine="whatsmeow")
        await documents.close()

    asyncio.run(add())
    status, findings = doctor(data)
    assert (status, findings["engine"]["result"]) == (0, "warn")
    assert findings["engine"]["found"].endswith("serves desk, shop")
    assert "whatsmeow" in findings["engine"]["do"]
    assert "engine" not in doctor(data, WHATSAPP_ROOT_KEY="00" * 32)[1]
    Plan(free_port(), simulate=True).save(data)
    assert "engine" not in doctor(data)[1]


def test_another_keeper_has_the_directory(data: Path, doctor: Examine) -> None:
    with Lock(data):
        assert "--data" in failed(doctor(data), "keeper", "a keeper that is not of this machine")
    assert doctor(data)[0] == 0
