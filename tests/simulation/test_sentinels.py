"""A hundred small watches of sentinels, and that what they pledge can be broken at all."""

import pytest

from tests.simulation.guard import NAME, Pledges
from tests.simulation.promises import Broken
from tests.simulation.watch import FORM_MS, Outcome, Plan, Watch, play

SEEDS = 100
AT_ONCE = 10


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_pledges_hold_and_all_agree_in_the_end(first: int) -> None:
    outcomes = [play(seed) for seed in range(first, first + AT_ONCE)]
    assert sum(outcome.failovers for outcome in outcomes) > 0


def test_a_seed_gives_the_same_run_every_time() -> None:
    assert play(7) == play(7)
    assert isinstance(play(7), Outcome)


def test_a_master_dies_and_is_replaced_within_seconds() -> None:
    watch = Watch(1, Plan(sentinels=5, stores=3, quorum=3))
    watch.agree(FORM_MS)
    watch.stores[0].kill(power=True)
    died = watch.network.now
    while not watch.pledges.promoted:
        watch.network.run(watch.network.now + 100)
        assert watch.network.now - died < 5000
    watch.heal()
    watch.agree(20_000)
    assert watch.stores[0].master is not None


# ---- what is broken is noticed
def test_two_leaders_or_votes_in_one_epoch() -> None:
    pledges = Pledges()
    pledges.same("leader of epoch", pledges.leaders, 3, 5)
    pledges.same("leader of epoch", pledges.leaders, 3, 5)
    with pytest.raises(Broken, match="leader of epoch 3: 5 and 6"):
        pledges.same("leader of epoch", pledges.leaders, 3, 6)


def test_an_epoch_that_goes_back_and_two_addresses_of_one_configuration() -> None:
    watch = Watch(2, Plan())
    watch.agree(FORM_MS)
    first, second = watch.guards[:2]
    first.protocol.state.current_epoch = 5
    first.turn()
    first.protocol.state.current_epoch = 4
    with pytest.raises(Broken, match="went back"):
        first.turn()
    first.protocol.state.current_epoch = 5
    first.protocol.state.masters[NAME].config_epoch = 5
    first.turn()
    master = second.protocol.state.masters[NAME]
    master.config_epoch = 5
    master.address = master.address._replace(ip="10.0.0.99")
    with pytest.raises(Broken, match="configuration epoch 5"):
        second.turn()


def test_no_agreement_is_noticed() -> None:
    watch = Watch(3, Plan())
    watch.agree(FORM_MS)
    watch.stores[0].kill(power=True)
    with pytest.raises(Broken, match="no agreement in 1000 ms"):
        watch.agree(1000)
