from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from actors.config.settings import RUNTIME_FILE, InvalidSettings, Settings
from actors.config.sources import ENGINE_REMOVED, FORMER_SETTINGS, resolve_settings

DOCUMENT = Path(__file__).parents[4] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        assert isinstance(field.validation_alias, str)
        monkeypatch.delenv(field.validation_alias, raising=False)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"port": 70_000}, "PORT is not valid: write at most 65535, as in 8090."),
        ({"queue_concurrency": 0}, "QUEUE_CONCURRENCY is not valid"),
        (
            {"max_retry_attempts": "five"},
            "MAX_RETRY_ATTEMPTS is not valid: write a whole number, as in 5.",
        ),
        (
            {"session_storage_type": "usb"},
            "SESSION_STORAGE_TYPE is not valid: write local, hybrid or cloud.",
        ),
        (
            {"auto_recovery": "perhaps"},
            "AUTO_RECOVERY is not valid: write true or false, as in true.",
        ),
        ({"data": 5}, "TEIMOSO_DATA is not valid: write a path, as in data."),
        ({"whatsapp_url": "https://example.com"}, "WHATSAPP_URL is not valid"),
        ({"whatsapp_url": "wss://"}, "WHATSAPP_URL is not valid"),
        ({"whatsapp_url": "wss://[::1"}, "WHATSAPP_URL is not valid"),
        ({"whatsapp_url": "wss://example.com:99999/"}, "WHATSAPP_URL is not valid"),
        ({"whatsapp_url": "wss://example.com/\n"}, "WHATSAPP_URL is not valid"),
        ({"whatsapp_version": "2.3000"}, "WHATSAPP_VERSION is not valid"),
        ({"whatsapp_version": "2.3000.4294967296"}, "WHATSAPP_VERSION is not valid"),
        ({"whatsapp_version": "2.3000." + "1" * 5000}, "WHATSAPP_VERSION is not valid"),
        ({"whatsapp_version": "\u0662.3000.1"}, "WHATSAPP_VERSION is not valid"),
        ({"redis_host": "localhost:6379"}, "REDIS_HOST is not valid: must be a host alone"),
        ({"redis_host": "elsewhere/name@localhost"}, "REDIS_HOST is not valid"),
        ({"redis_host": ""}, "REDIS_HOST is not valid"),
        ({"redis_url": "http://:hush@localhost"}, "REDIS_URL is not valid"),
        ({"redis_url": "redis://:hush@localhost:99999/0"}, "REDIS_URL is not valid"),
        ({"redis_url": "redis://:hush@[::1"}, "REDIS_URL is not valid"),
        ({"redis_url": "redis://:hush@localhost/queue"}, "REDIS_URL is not valid"),
        ({"redis_url": "redis://:hush@localhost?colour=blue"}, "REDIS_URL is not valid"),
        ({"redis_url": "redis://:hush@localhost?socket_timeout=x"}, "REDIS_URL is not valid"),
        ({"whatsapp_root_key": "00"}, "WHATSAPP_ROOT_KEY is not valid"),
        ({"max_memory_restart": "1T"}, "MAX_MEMORY_RESTART is not valid"),
        ({"max_memory_restart": "100M"}, "MAX_MEMORY_RESTART is not valid"),
        ({"storage_bucket": ""}, "STORAGE_BUCKET is not valid"),
        ({"storage_bucket": "a b"}, "STORAGE_BUCKET is not valid: must be a bucket's name"),
        ({"storage_bucket": "s3://b"}, "STORAGE_BUCKET is not valid: must be a bucket's name"),
        (
            {"storage_bucket": "sessions"},
            "SESSION_ENCRYPTION_KEY is not valid: STORAGE_BUCKET takes no session without a key",
        ),
        (
            {"storage_bucket": "sessions", "session_encryption_key": "hush"},
            "SESSION_ENCRYPTION_KEY is not valid: must be 32 bytes",
        ),
        ({"session_storage_type": "hybrid"}, "SESSION_STORAGE_TYPE is not valid: hybrid needs a"),
        ({"session_storage_type": "cloud"}, "SESSION_STORAGE_TYPE is not valid: cloud needs a"),
        ({"session_backup_interval": 10}, "SESSION_BACKUP_INTERVAL is not valid"),
        ({"colour": "blue"}, "COLOUR is not a setting of Teimoso."),
    ],
)
def test_a_bad_flag_is_named(flags: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidSettings, match=sentence) as refused:
        resolve_settings(**flags)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:hush@[::1]:6379/3",
        "rediss://name:hush@example.com:6380/0?ssl_cert_reqs=none",
        "unix:///run/redis.sock?db=2",
    ],
)
def test_a_url_that_redis_py_reads_is_taken(url: str) -> None:
    assert resolve_settings(redis_url=url).redis_address == url


def test_a_bucket_is_used_as_soon_as_it_is_named(tmp_path: Path) -> None:
    assert resolve_settings().session_storage_type == "local"
    key: dict[str, Any] = {"session_encryption_key": "5e" * 32}
    for named, directory in (
        ("sessions", None),
        ("gs://sessions", None),
        (str(tmp_path), tmp_path),
        ((tmp_path / "a b").as_uri(), tmp_path / "a b"),
        ("./here", Path.cwd() / "here"),
    ):
        settings = resolve_settings(data=tmp_path, storage_bucket=named, **key)
        assert settings.session_storage_type == "hybrid"
        assert settings.bucket_directory == directory
        settings.save()
        assert Settings.load(tmp_path) == settings
    kept = resolve_settings(storage_bucket="sessions", session_storage_type="local", **key)
    assert kept.session_storage_type == "local"


def test_the_settings_that_a_build_with_two_engines_wrote_are_read(tmp_path: Path) -> None:
    resolve_settings(data=tmp_path, port=9001).save()
    file = tmp_path / RUNTIME_FILE
    former = {"engine": "native", "whatsapp_signed_prekey_age": 604_800_000}
    file.write_text(json.dumps(json.loads(file.read_text()) | former))
    assert Settings.load(tmp_path).port == 9001


def test_no_version_is_announced_for_good_that_nobody_chose() -> None:
    assert resolve_settings(whatsapp_version="").whatsapp_version is None
    assert resolve_settings(whatsapp_version="2.3000.9").whatsapp_version == "2.3000.9"


def test_a_host_of_ipv6_is_an_address() -> None:
    for host in ("::1", "[::1]"):
        assert resolve_settings(redis_host=host).redis_address == "redis://[::1]:6379/0"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("COLOUR=blue", "COLOUR is not a setting of Teimoso."),
        ("ENGINE=native", ENGINE_REMOVED),
        (
            "QUEUE_CONCURENCY=3",
            "QUEUE_CONCURENCY is not a setting of Teimoso; QUEUE_CONCURRENCY is one.",
        ),
        (
            'NODE_OPTIONS="--max-old-space-size=4096"',
            "NODE_OPTIONS is not a setting of Teimoso; MAX_MEMORY_RESTART is one.",
        ),
    ],
    ids=["strange", "a removed choice", "mistyped", "of the guide"],
)
def test_an_unknown_name_in_the_file_is_named_with_the_one_that_is_meant(
    tmp_path: Path, line: str, sentence: str
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"{line}\n")
    with pytest.raises(InvalidSettings) as refused:
        resolve_settings(file)
    assert str(refused.value) == sentence


def test_former_names_lead_to_settings() -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert set(FORMER_SETTINGS.values()) <= known
    assert not set(FORMER_SETTINGS) & known


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="does not exist"):
        resolve_settings(tmp_path / "absent.env")


def test_flags_win_over_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=1001\nMAX_RETRY_ATTEMPTS=2\nQUEUE_CONCURRENCY=3\n")
    monkeypatch.setenv("MAX_RETRY_ATTEMPTS", "4")
    monkeypatch.setenv("QUEUE_CONCURRENCY", "5")
    settings = resolve_settings(file, queue_concurrency=6)
    assert (settings.port, settings.max_retry_attempts, settings.queue_concurrency) == (1001, 4, 6)


@pytest.mark.parametrize(
    ("written", "bytes_"),
    [("1G", 2**30), ("800m", 800 * 2**20), ("200000K", 204_800_000), ("134217728", 2**27)],
)
def test_memory_is_written_as_people_write_it(
    written: str, bytes_: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_MEMORY_RESTART", written)
    resolve_settings(data=tmp_path).save()
    assert Settings.load(tmp_path).max_memory_restart == bytes_


def test_a_field_name_is_no_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA", "/elsewhere")
    monkeypatch.setenv("HOST", "example.com")
    settings = resolve_settings()
    assert settings.data.name == "data"
    assert settings.host == "127.0.0.1"


def test_every_process_reads_what_the_keeper_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = resolve_settings(data=tmp_path, port=1002, redis_password="p/w", redis_port=7000)
    settings.save()
    monkeypatch.setenv("PORT", "1003")
    loaded = Settings.load(tmp_path)
    assert loaded == settings
    assert loaded.redis_address == "redis://:p%2Fw@127.0.0.1:7000/0"


def test_the_saved_file_is_private_and_lacks_the_first_api_key(tmp_path: Path) -> None:
    resolve_settings(data=tmp_path, teimoso_api_key="tmo_secret").save()
    file = tmp_path / RUNTIME_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "teimoso_api_key" not in json.loads(file.read_text())
    assert list(tmp_path.iterdir()) == [file]


def test_secrets_do_not_print() -> None:
    settings = resolve_settings(redis_password="hush", redis_url="redis://:hush@localhost")
    assert "hush" not in repr(settings)
    assert "hush" not in str(settings.model_dump())


def test_the_document_lists_every_setting_with_its_default() -> None:
    told = dict(
        re.findall(r"^\| `([A-Z_]+)` \| `?([^ `]+)`? \|", DOCUMENT.read_text(), re.MULTILINE)
    )
    assert told == {
        str(field.validation_alias): _written(
            field.get_default(call_default_factory=True, validated_data={})
        )
        for field in Settings.model_fields.values()
    }


def _written(value: object) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(("given", "expected"), [("", None), ("0", 0), ("7", 7)])
def test_a_pace_that_is_empty_is_not_set_and_0_is(given: str, expected: int | None) -> None:
    names = ("pacing_messages_per_minute", "pacing_messages_per_day", "pacing_new_chats_per_day")
    for name in names:
        flags: dict[str, Any] = {name: given}
        assert getattr(resolve_settings(**flags), name) == expected
        for bad in ("-1", "many", "100000000"):
            with pytest.raises(InvalidSettings, match=name.upper()):
                resolve_settings(**(flags | {name: bad}))
