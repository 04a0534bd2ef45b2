"""Files that nobody wants any more: who lets go of them, and what is left."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.persistence.unwanted_files import SMALL, UnwantedFiles
from tests.support.pace import wait_until


class Watched(UnwantedFiles):
    """Tells which thread closes what."""

    def __init__(self) -> None:
        super().__init__(lambda: self.entered.append(threading.current_thread().name))
        self.entered: list[str] = []


@pytest.fixture
def files() -> Iterator[Watched]:
    before = open_files()
    files = Watched()
    yield files
    wait_until(lambda: open_files() == before, "nothing is left open")


def open_files() -> int:
    return len(os.listdir("/dev/fd"))


def made(path: Path, size: int) -> Path:
    path.write_bytes(b"")
    os.truncate(path, size)
    return path


def test_a_large_one_goes_beside_who_removes_it(files: Watched, tmp_path: Path) -> None:
    path = made(tmp_path / "large", SMALL + 1)
    files.remove(str(path))
    assert not path.exists()
    wait_until(lambda: files.entered == ["bio_close_file"], "the thread")


def test_a_small_one_needs_no_thread(files: Watched, tmp_path: Path) -> None:
    path = made(tmp_path / "small", SMALL)
    files.remove(str(path))
    assert not path.exists() and files.entered == []


def test_one_that_is_not_there(files: Watched, tmp_path: Path) -> None:
    files.remove(str(tmp_path / "none"))
    assert files.entered == []


def test_what_had_the_name_goes_beside_who_renames(files: Watched, tmp_path: Path) -> None:
    old, new = made(tmp_path / "old", 7), made(tmp_path / "new", SMALL + 1)
    files.rename(str(old), str(new))
    assert new.stat().st_size == 7 and not old.exists()
    wait_until(lambda: files.entered == ["bio_close_file"], "the thread")


def test_a_name_that_cannot_be_given(files: Watched, tmp_path: Path) -> None:
    new = made(tmp_path / "new", SMALL + 1)
    with pytest.raises(FileNotFoundError):
        files.rename(str(tmp_path / "none"), str(new))
    assert new.stat().st_size == SMALL + 1 and files.entered == []


@pytest.mark.parametrize(("named", "entered"), [(True, []), (False, ["bio_close_file"])])
def test_only_one_without_a_name_takes_long_to_close(
    files: Watched, tmp_path: Path, named: bool, entered: list[str]
) -> None:
    path = made(tmp_path / "large", SMALL + 1)
    file = os.open(path, os.O_RDONLY)
    if not named:
        path.unlink()
    files.close(file)
    wait_until(lambda: files.entered == entered, "the thread")
