"""What is written reaches the medium, also where fsync alone does not see to that."""

import fcntl
import os

import pytest

from server.persistence import disk


@pytest.mark.parametrize("able", [True, False])
def test_a_drive_is_told_to_empty_its_cache(monkeypatch: pytest.MonkeyPatch, able: bool) -> None:
    asked: list[object] = []

    def control(file: int, what: int) -> int:
        asked.append(what)
        if not able:
            raise OSError(45, "not of this file system")
        return 0

    monkeypatch.setattr(disk, "FULL_SYNC", 51)
    monkeypatch.setattr(fcntl, "fcntl", control)
    monkeypatch.setattr(os, "fsync", lambda file: asked.append("fsync"))
    disk._sync_through(0)
    assert asked == ([51] if able else [51, "fsync"])
