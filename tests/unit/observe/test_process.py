"""What the system says of this process, also where there is no /proc."""

import sys

import psutil
import pytest

from server.observe import process


def test_resident_memory_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STATM", "/nowhere/statm")
    told = psutil.Process().memory_info().rss
    assert told / 2 < process.resident_bytes() < told * 2
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert process.resident_bytes() == 0
