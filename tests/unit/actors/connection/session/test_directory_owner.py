from __future__ import annotations

from pathlib import Path

import pytest

from actors.connection.session import directory_owner


def session(directory: Path) -> None:
    """One of a connection that was created at 1, with a second directory in it."""
    directory_owner.begin(directory, 1.0)
    (directory / "session.db").write_text("a session")
    (directory / "aside").mkdir()
    (directory / "aside" / "session.db").write_text("an older one")


def test_what_is_anothers_goes_and_the_own_stays(tmp_path: Path) -> None:
    directory = tmp_path / "shop"
    session(directory)
    directory_owner.begin(directory, 1.0)
    assert (directory / "session.db").exists()
    directory_owner.begin(directory, 2.0)
    assert [entry.name for entry in directory.iterdir()] == [directory_owner.OWNER_MARK]
    assert not directory_owner.is_anothers(directory, 2.0)
    assert directory_owner.is_anothers(directory, 1.0)


@pytest.mark.parametrize("left", ["session.db", "aside"])
def test_what_could_not_be_removed_is_anothers_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    """After each step of an earlier removal: or a new connection would log in as the deleted one."""
    directory = tmp_path / "shop"
    session(directory)
    unlink = Path.unlink

    def fails(entry: Path, missing_ok: bool = False) -> None:
        if entry.name == left:
            raise OSError("stuck")
        unlink(entry, missing_ok)

    def remains(entry: Path) -> None:
        raise OSError("stuck")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fails)
        if left == "aside":
            patch.setattr("shutil.rmtree", remains)
        with pytest.raises(OSError, match="stuck"):
            directory_owner.begin(directory, 2.0)
    assert directory_owner.is_anothers(directory, 2.0)
    directory_owner.begin(directory, 2.0)
    assert [entry.name for entry in directory.iterdir()] == [directory_owner.OWNER_MARK]
