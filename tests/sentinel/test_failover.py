"""Three sentinels of ours over three servers of ours: the master is killed, replaced, and comes back."""

from pathlib import Path

import pytest

from tests.support.pace import wait_until
from tests.support.sentinels import NAME, OurSentinel, Watch
from tests.support.server import Server


@pytest.fixture
def watch(tmp_path: Path):
    with Watch(tmp_path, [OurSentinel] * 3, [Server] * 3) as watch:
        watch.ready()
        yield watch


@pytest.mark.timeout(120)
def test_a_master_is_killed_replaced_and_comes_back(watch: Watch) -> None:
    first = watch.master
    with first.connect() as c:                 # WAIT is about what this connection wrote
        c.ok("SET", "k", "before")
        wait_until(lambda: c("WAIT", 2, 1000) == 2, "replicas that have it")
    first.kill()
    second = watch.moved(first.port)
    watch.follow(second)
    assert second.redis().get("k") == b"before"
    second.redis().set("k", "after")

    first.start()
    watch.follow(second)
    wait_until(lambda: first.redis().get("k") == b"after", "the old master to have what was written since")
    files = [one.config_file.read_text() for one in watch.sentinels]
    for text in files:
        assert f"sentinel monitor {NAME} 127.0.0.1 {second.port} 2\n" in text
        assert f"sentinel known-replica {NAME} 127.0.0.1 {first.port}\n" in text
        assert f"sentinel config-epoch {NAME} 1\n" in text

    # A sentinel that is killed knows all when it is back.
    one = watch.sentinels[0]
    myid = one.ask("SENTINEL", "MYID")
    one.kill()
    one.start_again()
    assert one.ask("SENTINEL", "MYID") == myid and one.address()[1] == second.port
    watch.ready()

    # By hand, back to where it was.
    wait_until(lambda: all(one.redis().get("k") == b"after" for one in watch.servers), "all to have it")
    assert watch.sentinels[1].ask("SENTINEL", "FAILOVER", NAME) == "OK"
    third = watch.moved(second.port)
    watch.follow(third)
    assert third.redis().get("k") == b"after"
