"""The network between three machines breaks, and heals: there is one master again, by one configuration."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.machines import Machines
from tests.support.pace import wait_until
from tests.support.peer import Peer, require_peer
from tests.support.resp import RespError
from tests.support.sentinels import OldServer, OurSentinel, RealSentinel, Sentinel
from tests.support.server import Process, Server

OURS: tuple[Sequence[type[Sentinel]], Sequence[type[Process]]] = ([OurSentinel] * 3, [Server] * 3)

MIXED: tuple[Sequence[type[Sentinel]], Sequence[type[Process]]] = (
    [OurSentinel, RealSentinel, OurSentinel], [OldServer, Peer, OldServer])


@pytest.fixture
def machines(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Machines]:
    sentinels, servers = request.param
    if RealSentinel in sentinels:
        require_peer()
    with Machines(tmp_path, sentinels, servers, min_replicas_to_write=1, min_replicas_max_lag=2) as machines:
        machines.ready()
        yield machines


def epochs(machines: Machines) -> list[str]:
    return [one.master_fields()["config-epoch"] for one in machines.sentinels]


def refused(reply: object) -> bool:
    return isinstance(reply, RespError) and reply.code == "NOREPLICAS"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("machines", [pytest.param(OURS, id="ours"), pytest.param(MIXED, id="mixed")], indirect=True)
def test_a_network_that_breaks_and_heals(machines: Machines) -> None:
    first, sentinels = machines.servers[0], machines.sentinels

    # A replica with its sentinel is alone: that one sees the master down, and nothing comes of it.
    machines.cut_off(2)
    wait_until(lambda: "s_down" in sentinels[2].master_fields()["flags"], "a sentinel that sees nobody")
    first.redis().set("k", "while one replica is away")
    assert sentinels[2].address()[1] == machines.port_of(first)
    machines.heal()
    machines.ready()
    assert machines.settled() is first and epochs(machines) == ["0"] * 3

    # The master with its sentinel is alone: the others have another one, and it takes no more writes after a while.
    machines.cut_off(0)
    with first.connect() as c:
        c.ok("SET", "k", "what nobody will see")
        second = machines.replaced(first)
        with second.connect() as at_second:
            wait_until(lambda: at_second("SET", "k", "by the majority") == "OK", "a replica of the new master")
        wait_until(lambda: refused(c("SET", "k", "later")), "a master without replicas that refuses writes")
    assert first.info("replication")["role"] == "master"
    assert sentinels[0].address()[1] == machines.port_of(first)

    # It is told of the other one, which it follows, and what only it knew is gone.
    machines.heal()
    machines.ready()
    assert machines.settled() is second
    [epoch] = set(epochs(machines))  # of the first election that somebody won
    assert int(epoch) > 0
    wait_until(lambda: {one.redis().get("k") for one in machines.servers} == {b"by the majority"}, "the same data")
    for one in sentinels:
        text = one.config_file.read_text()
        assert f" {machines.port_of(second)} 2\n" in text and f"config-epoch mymaster {epoch}\n" in text
