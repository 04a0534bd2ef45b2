"""A real redis-server beside ours: REMUS_PEER names the binary, else the one on PATH.

    from tests.support.peer import Peer, require_peer
    path = require_peer()                   # skips the test when there is none
    with Peer(tmp_path) as peer:            # everything that tests.support.server.Process can do
        peer.version                        # (7, 0, 15)

Tests get one for the whole session from the fixture `peer`. Where 7.0 (Debian) and 7.2 differ, ask `peer.version`.
A 7.2 beside a 7.0 is what REMUS_PEER_7_2 names.
"""

import os
import re
import shutil
import subprocess
from functools import cache

import pytest

from tests.support.server import Process

SEVEN_TWO = os.environ.get("REMUS_PEER_7_2", "")


@cache
def peer_path() -> str | None:
    """The binary, or None. One that is newer than 7.2, as Debian 13's, is no partner unless it is named: what it writes
    7.2 cannot read, and it answers otherwise."""
    named = os.environ.get("REMUS_PEER")
    if named:
        return shutil.which(named) or named
    found = shutil.which("redis-server")
    return found if found is not None and _version_of(found) < (7, 3) else None


@cache
def peer_version() -> tuple[int, ...]:
    """For example (7, 0, 15)."""
    path = peer_path()
    assert path is not None
    return _version_of(path)


def _version_of(path: str) -> tuple[int, ...]:
    text = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=(\d+)\.(\d+)\.(\d+)", text)
    assert found, text
    return tuple(map(int, found.groups()))


def require_peer() -> str:
    """The binary; the running test is skipped without one."""
    path = peer_path()
    if path is None:
        pytest.skip("no redis-server up to 7.2 on PATH and REMUS_PEER not set")
    return path


class Peer(Process):
    """A real redis-server."""

    def command_line(self) -> list[str]:
        return [require_peer()]

    @property
    def version(self) -> tuple[int, ...]:
        return peer_version()


class SevenTwo(Process):
    """A real redis-server 7.2; only where there is one."""

    def command_line(self) -> list[str]:
        return [SEVEN_TWO]
