"""Two hundred small clusters, one large one, and that the promises can be broken at all."""

import pytest

from server.cluster.actions import Send, Verdict
from server.cluster.messages import Message, Type
from server.cluster.node import Link
from tests.simulation.promises import Broken
from tests.simulation.world import Outcome, Plan, World, play

SEEDS = 200
AT_ONCE = 20


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_promises_hold_and_all_agree_in_the_end(first: int) -> None:
    outcomes = [play(seed) for seed in range(first, first + AT_ONCE)]
    assert sum(outcome.verdicts for outcome in outcomes) > 0
    assert sum(outcome.winners for outcome in outcomes) > 0


def test_a_seed_gives_the_same_run_every_time() -> None:
    assert play(4) == play(4)


def test_fifty_nodes_lose_a_third_of_their_masters() -> None:
    """Elections at one time take each other's epochs, so some heirs need another attempt, as in Redis."""
    world = World(1, Plan(masters=25, replicas=1, timeout=2000, faults=0))
    world.form()
    for machine in world.machines[:8]:
        machine.kill(power=True)
        world.promises.stopped(machine)
    end = world.network.now + 60_000
    heirs = [machine.protocol.view for machine in world.machines[25:33]]
    while not all(view.myself.is_master for view in heirs) and world.network.now < end:
        world.network.run(world.network.now + 1000)
    assert all(view.myself.is_master and view.myself.slots for view in heirs)
    world.heal()
    world.agree(30_000)
    assert all(machine.protocol.view.myself.is_replica for machine in world.machines[:8])


# ---- promises that are broken are noticed
@pytest.fixture
def world() -> World:
    made = World(3, Plan())
    made.form()
    return made


def test_two_masters_of_one_slot_in_one_epoch(world: World) -> None:
    first, second = world.machines[0].protocol.view, world.machines[1].protocol.view
    first.myself.config_epoch = second.myself.config_epoch
    first.release(1 << 6000)
    first.assign(first.myself, 1 << 6000)
    with pytest.raises(Broken, match="serve the same slots in epoch"):
        world.machines[0].turn([])


def test_an_epoch_that_goes_back(world: World) -> None:
    world.machines[0].protocol.view.current_epoch -= 1
    with pytest.raises(Broken, match="current epoch 3 goes back to 2"):
        world.machines[0].turn([])


def test_a_second_vote_in_an_epoch(world: World) -> None:
    vote = Send(Link(None, 0), Message(Type.FAILOVER_AUTH_ACK, "a" * 40, 9))
    with pytest.raises(Broken, match="votes twice in epoch 9"):
        world.machines[0].turn([vote, vote])


def test_a_verdict_without_the_majority(world: World) -> None:
    names = [machine.protocol.view.myself.name for machine in world.machines]
    with pytest.raises(Broken, match="by 1 of 3"):
        world.machines[0].turn([Verdict(names[1], frozenset(names[:1]))])
    with pytest.raises(Broken, match="never said"):
        world.machines[0].turn([Verdict(names[1], frozenset(names[::2][:2]))])


def test_nodes_that_do_not_agree(world: World) -> None:
    world.network.apart = {(a, b) for a in range(6) for b in range(6) if a < 3 <= b or b < 3 <= a}
    world.network.run(world.network.now + 20_000)
    with pytest.raises(Broken, match="no agreement in 1000 ms"):
        world.agree(1000)


def test_an_outcome_tells_what_happened() -> None:
    outcome = play(0)
    assert isinstance(outcome, Outcome) and outcome.agreed_ms >= 500
