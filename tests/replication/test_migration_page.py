"""docs/migration.md: its commands are run in their order, while somebody writes to whoever is the master."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.replication.test_real_peers import TYPES
from tests.support.pages import programs, script
from tests.support.resp import Connection, ConnectionClosed, RespError
from tests.support.server import ROOT, free_port


class Writer(threading.Thread):
    """Adds one to a counter again and again, at one of two servers: with READONLY or no answer at the other one."""

    def __init__(self, *ports: int) -> None:
        super().__init__()
        self.ports = list(ports)
        self.done = threading.Event()
        self.acknowledged = self.unknown = self.moves = 0
        self.refusals: set[str] = set()

    def run(self) -> None:
        while not self.done.is_set():
            try:
                with Connection(self.ports[0]) as c:
                    self.write(c)
            except (OSError, ConnectionClosed):
                self.unknown += 1
            self.ports.reverse()
            self.moves += 1

    def write(self, c: Connection) -> None:
        """Until somebody else is the master."""
        while not self.done.wait(0.001):
            reply = c("INCR", "counter")
            if isinstance(reply, RespError):
                self.refusals.add(reply.code)
                return
            self.acknowledged += 1

    def stop(self) -> None:
        self.done.set()
        self.join()


@pytest.mark.peer
def test_every_command_of_the_page_works(new_peer: Callable[..., Any], tmp_path: Path) -> None:
    if shutil.which("redis-cli") is None:
        pytest.skip("no redis-cli")
    programs(tmp_path / "bin")
    for name in ("data", "backup"):
        (tmp_path / name).mkdir()
    redis, port = new_peer(repl_diskless_sync_delay=0), free_port()
    with redis.connect() as c:
        c.pipeline(TYPES)
        keys = c("DBSIZE")
    text = script((ROOT / "docs/migration.md").read_text())
    for named, here in (("/var/lib/remus", tmp_path / "data"), ("/backup", tmp_path / "backup"), ("6379", redis.port),
                        ("6380", port)):
        text = text.replace(named, str(here))
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    writer = Writer(redis.port, port)
    writer.start()
    try:
        done = subprocess.run(["sh", "-c", text], cwd=tmp_path, env=environment, capture_output=True, text=True,
                              timeout=120)
        writer.stop()
        assert done.returncode == 0, done.stdout + done.stderr
        with Connection(port) as c:
            counted = int(c("GET", "counter"))
            assert writer.acknowledged <= counted <= writer.acknowledged + writer.unknown
            assert c("DBSIZE") == keys + 1 and c("GET", "number") == b"12345" and len(c("FUNCTION", "LIST")) == 1
            assert b"as_replica:full_ok=1," in c("INFO", "syncs"), "one full sync in all"
            assert c("CONFIG", "GET", "rdb-version") == [b"rdb-version", b"11"]
    finally:
        writer.stop()
        subprocess.run(["redis-cli", "-p", str(port), "SHUTDOWN", "NOSAVE"], capture_output=True, check=False)
    assert writer.refusals <= {"READONLY", "LOADING"} and writer.moves >= 3, "there, back, and there again"
    assert "replicaof" not in (tmp_path / "data/remus.conf").read_text()
    assert (tmp_path / "backup/moved.rdb").read_bytes().startswith(b"REDIS0011")
    assert "RDB looks OK" in done.stdout
