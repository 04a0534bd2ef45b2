"""Sentinels of ours and real ones, over servers of ours and real ones; a program that writes through redis-py goes on
writing, whatever befalls the master."""

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.pace import wait_until
from tests.support.peer import Peer, require_peer
from tests.support.sentinels import NAME, OldServer, OurSentinel, RealSentinel, Sentinel, Watch
from tests.support.server import Process, Server

redis_py = pytest.importorskip("redis")


class Writer(threading.Thread):
    """Counts up, through sentinels. `wrote` grows while that works."""

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__(daemon=True)
        found = redis_py.sentinel.Sentinel([("127.0.0.1", port) for port in ports], socket_timeout=1)
        self._master = found.master_for(NAME, socket_timeout=1, retry_on_timeout=False)
        self.wrote = 0
        self.ended = False

    def run(self) -> None:
        while not self.ended:
            try:
                self._master.incr("n")
                self.wrote += 1
            except redis_py.RedisError:
                pass
            time.sleep(0.01)

    def goes_on(self) -> None:
        before = self.wrote
        wait_until(lambda: self.wrote > before + 5, "writes that go on", 30)


@pytest.fixture
def running(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Watch, Writer]]:
    require_peer()
    sentinels, servers = request.param
    with Watch(tmp_path, sentinels, servers) as watch:
        watch.ready()
        writer = Writer([one.port for one in watch.sentinels])
        writer.start()
        writer.goes_on()
        yield watch, writer
        writer.ended = True
        writer.join()


OURS: list[type[Sentinel]] = [OurSentinel] * 3
REAL: list[type[Sentinel]] = [RealSentinel] * 3
MIXED: list[type[Sentinel]] = [OurSentinel, RealSentinel, OurSentinel]
BOTH: list[type[Process]] = [Peer, OldServer, Peer]


def killed(watch: Watch, writer: Writer) -> None:
    """The master is killed, replaced, and comes back as a replica."""
    first = watch.master
    first.kill()
    second = watch.moved(first.port)
    writer.goes_on()
    first.start()
    watch.follow(second)
    writer.goes_on()
    agree(watch, second)


def agree(watch: Watch, master: Process) -> None:
    """All servers have the same number in the end."""
    value: Any = None

    def same() -> bool:
        nonlocal value
        values = [server.redis().get("n") for server in watch.servers if server.alive()]
        value = values
        return abs(int(max(values, key=int)) - int(min(values, key=int))) < 50      # it is being written to

    wait_until(same, f"the same everywhere, of {value}", 20)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("running", [
    pytest.param((OURS, [Peer] * 2), id="ours-over-real"),
    pytest.param((REAL, [Server] * 2), id="real-over-ours"),
], indirect=True)
def test_a_master_is_killed_and_comes_back(running: tuple[Watch, Writer]) -> None:
    killed(*running)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("running", [pytest.param((MIXED, BOTH), id="mixed-over-mixed")], indirect=True)
def test_all_that_may_befall_a_master_among_mixed_ones(running: tuple[Watch, Writer]) -> None:
    watch, writer = running
    killed(watch, writer)

    # It stands still, and goes on when another one is the master.
    first = watch.master
    first.signal(signal.SIGSTOP)
    second = watch.moved(first.port)
    writer.goes_on()
    first.signal(signal.SIGCONT)
    watch.follow(second)

    # By hand.
    watch.ready()
    assert watch.sentinels[0].ask("SENTINEL", "FAILOVER", NAME) == "OK"
    third = watch.moved(second.port)
    watch.follow(third)
    writer.goes_on()
    agree(watch, third)
