"""The thread that syncs: it and whoever gives it work must mean the same queue, on every Python."""

import queue
import threading
from pathlib import Path
from typing import Any

import pytest

from server.observe.log import Log
from server.persistence.background_sync import BackgroundSync
from server.persistence.disk import Disk

ANOTHER_LOOKS_SECONDS = 0.05


def test_one_queue_however_the_thread_and_its_first_job_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = queue.SimpleQueue

    def slow() -> Any:
        """Made slowly, so that another has time to look for it, too."""
        made.append(threading.current_thread().name)
        threading.Event().wait(ANOTHER_LOOKS_SECONDS)
        return real()

    monkeypatch.setattr(queue, "SimpleQueue", slow)
    file = tmp_path / "old"
    file.write_bytes(b"")
    background = BackgroundSync(Disk(), Log())
    background.remove(str(file))
    background.drain()
    assert not file.exists()
    assert len(made) == 1
