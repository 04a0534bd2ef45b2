"""Many replicas at once, and one that hardly reads: what they cost their master."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.pace import wait_until
from tests.support.resp import Connection

MANY = 50
MB = 1 << 20


def snapshot_of(replica: Connection) -> bytes:
    """What a full sync brings, its mark or length apart."""
    line = replica.read_raw_through(b"\r\n").lstrip(b"\n")
    assert line.startswith(b"+FULLRESYNC ")
    line = replica.read_raw_through(b"\r\n").lstrip(b"\n")
    if line.startswith(b"$EOF:"):
        return replica.read_raw_through(line[5:-2])[:-40]
    return replica.read_raw(int(line[1:-2]))


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_all_who_come_at_once_share_one_snapshot(new_server: Callable[..., Any], diskless: str) -> None:
    master = new_server(**{
        "repl-diskless-sync": diskless, "repl-diskless-sync-delay": 600, "repl-diskless-sync-max-replicas": MANY,
        "rdb-key-save-delay": 0 if diskless == "yes" else 500_000, "save": "",
    })  # fmt: skip
    with ExitStack() as stack, master.connect() as c:
        for n in range(8):
            c.ok("SET", f"key{n}", "x" * 1000)
        replicas = [stack.enter_context(master.connect(timeout=60)) for _ in range(MANY)]
        for replica in replicas:
            replica.ok("REPLCONF", "capa", "eof", "capa", "psync2")
            replica.send("PSYNC", "?", "-1")
        snapshots = {snapshot_of(replica) for replica in replicas}
        assert len(snapshots) == 1 and snapshots.pop().startswith(b"REDIS00")
        assert (master.info("persistence")["rdb_saves"], master.info("stats")["sync_full"]) == ("1", str(MANY))
        wait_until(lambda: c("INFO", "replication").count(b"state=online") == MANY, "all of them online")
        for replica in replicas:
            replica.send("REPLCONF", "ACK", "0")
        c.ok("SET", "after", "1")
        for replica in replicas:
            assert replica.read_raw_through(b"$5\r\nafter\r\n$1\r\n1\r\n")


def test_one_that_hardly_reads_costs_no_more_than_its_limit(new_server: Callable[..., Any]) -> None:
    limit = 4 * MB
    master = new_server(**{
        "client-output-buffer-limit": f"replica {limit} 0 0", "repl-diskless-sync": "no", "repl-backlog-size": MB,
    })  # fmt: skip
    with master.connect() as c, master.connect(timeout=60) as slow:
        slow.send("PSYNC", "?", "-1")
        snapshot_of(slow)
        most = 0
        for n in range(1000):
            c.ok("SET", "key", "x" * 100_000)
            if n < 20:
                slow.read_raw(1000)
            said = master.info("memory")
            most = max(most, int(said["mem_total_replication_buffers"]))
            if master.info("replication")["connected_slaves"] == "0":
                break
        else:
            raise AssertionError("it is still there after 100 MB")
        assert most < 2 * limit, "it held so much"
        held = lambda: int(master.info("memory")["mem_total_replication_buffers"])  # noqa: E731
        wait_until(lambda: held() < 2 * MB, "what it held to go")
        assert "overcoming of output buffer limits" in master.log()
