from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.config import settings_transfer
from actors.config.settings import Settings
from actors.config.settings_transfer import NotShared
from actors.config.sources import resolve_settings
from actors.runtime.actor_base import Shell

if TYPE_CHECKING:
    from pathlib import Path

KEPT = {
    "storage_bucket": "sessions",
    "session_encryption_key": "5e" * 32,
    "session_storage_type": "cloud",
}


def written(data: Path, **settings: Any) -> str:
    """The settings as the keeper of the instance in `data` wrote them."""
    data.mkdir()
    resolve_settings(data=data, **settings).save()
    (data / settings_transfer.KEEPER_MANIFEST).write_text("{}")
    return settings_transfer.offer(data)


def test_a_host_with_a_directory_of_its_own_keeps_what_it_is_given(tmp_path: Path) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    text = written(home, **KEPT, redis_password="quiet")
    settings_transfer.take(away, text)
    settings = Settings.load(away)
    assert (settings.data, settings.storage_bucket) == (away, "sessions")
    assert (away / "runtime.json").stat().st_mode & 0o777 == 0o600
    assert away.stat().st_mode & 0o777 == 0o700
    settings_transfer.take(away, text.replace("quiet", "louder"))
    password = Settings.load(away).redis_password
    assert password is not None
    assert password.get_secret_value() == "louder"


def test_the_directory_of_a_keeper_is_not_written_to(tmp_path: Path) -> None:
    """It is shared, or another instance's."""
    text = written(tmp_path / "one", **KEPT)
    other = written(tmp_path / "other")
    settings_transfer.take(tmp_path / "other", text)
    assert settings_transfer.offer(tmp_path / "other") == other


@pytest.mark.parametrize("settings", [{}, KEPT | {"session_storage_type": "hybrid"}])
def test_what_lies_in_one_directory_alone_is_not_served_from_another(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    """It may be one that is not mounted yet."""
    text = written(tmp_path / "home", **settings)
    with pytest.raises(NotShared) as refused:
        settings_transfer.take(tmp_path / "away", text)
    assert refused.value.code == "directory_not_shared"
    assert not (tmp_path / "away").exists()


@pytest.mark.usefixtures("logs_as_before")
async def test_an_actor_is_given_them_at_its_start_and_when_they_change(tmp_path: Path) -> None:
    text = written(tmp_path / "home", **KEPT, whatsapp_version="2.3000.1")
    away = tmp_path / "away"
    shell = Shell(str(away), "connection:a")
    await shell.start(settings=text)
    before = Settings.load(away)
    later = text.replace("2.3000.1", "2.3000.9")
    await shell.peers(settings=later, queue=None)
    assert before.current().whatsapp_version == "2.3000.9"
    await shell.stop()
