"""Votes, elections, manual failovers."""

from typing import Any

import pytest

from server.cluster.actions import Action, Lead, Pause, Resume, Save, SlotsMoved
from server.cluster.messages import FAIL, FORCE_ACK, MASTER, NOFAILOVER, PAUSED, REPLICA, Failing, Type
from server.registry.errors import CommandError
from tests.support.one_node import TIMEOUT_MS, OneNode, notes, only

HEIR = 3                    # number 0's replica
DELAY_MAX = 1100            # of an election without rivals, and a tick


# ---- votes, as a master
def voter(**settings: Any) -> OneNode:
    one = OneNode(me=2, **settings)
    one.say(1, Type.FAIL, Failing(one.names[0]))
    return one


def ask(one: OneNode, **header: Any) -> list[Action]:
    """The heir asks for our vote in the next epoch."""
    return one.say(HEIR, Type.FAILOVER_AUTH_REQUEST, **{"current_epoch": one.view.current_epoch + 1, **header})


def test_a_vote_is_kept_before_it_is_given() -> None:
    one = voter()
    actions = ask(one)
    (vote,) = one.sent(actions, Type.FAILOVER_AUTH_ACK, to=HEIR)
    assert vote.current_epoch == one.view.last_vote_epoch == one.view.current_epoch == 4
    assert only(actions, Save)[-1].fsync


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"current_epoch": 2}, "reqEpoch (2) < curEpoch(3)"),
        ({"config_epoch": 0}, "slot 0 epoch (1) > reqEpoch (0)"),
    ],
)
def test_no_vote_for_old_epochs(header: dict[str, int], why: str) -> None:
    one = voter()
    actions = ask(one, **header)
    assert not one.sent(actions, Type.FAILOVER_AUTH_ACK) and why in notes(actions)


def test_no_second_vote_in_an_epoch() -> None:
    one = voter(replicas=2)
    ask(one)
    actions = one.say(6, Type.FAILOVER_AUTH_REQUEST)
    assert "already voted for epoch 4" in notes(actions) and not one.sent(actions, Type.FAILOVER_AUTH_ACK)


def test_no_second_vote_about_a_master_for_two_timeouts() -> None:
    one = voter(replicas=2)
    ask(one)
    actions = one.say(6, Type.FAILOVER_AUTH_REQUEST, current_epoch=9)
    assert f"can't vote about this master before {2 * TIMEOUT_MS} milliseconds" in notes(actions)
    one.now += 2 * TIMEOUT_MS
    assert one.sent(one.say(6, Type.FAILOVER_AUTH_REQUEST, current_epoch=10), Type.FAILOVER_AUTH_ACK)


def test_no_vote_while_the_master_is_up_unless_forced() -> None:
    one = OneNode(me=2)
    assert "its master is up" in notes(ask(one))
    assert one.sent(ask(one, marks=FORCE_ACK), Type.FAILOVER_AUTH_ACK)


def test_no_vote_for_a_master_or_for_a_replica_of_nobody() -> None:
    one = voter()
    assert "it is a master node" in notes(one.say(1, Type.FAILOVER_AUTH_REQUEST, current_epoch=9))
    one.view.set_master(one.node(HEIR), None)
    assert "I don't know its master" in notes(one.say(HEIR, Type.FAILOVER_AUTH_REQUEST, current_epoch=9))


def test_who_serves_nothing_has_no_vote() -> None:
    one = voter()
    one.view.release(one.view.myself.slots)
    assert not one.sent(ask(one), Type.FAILOVER_AUTH_ACK)
    replica = OneNode(me=4)
    replica.say(1, Type.FAIL, Failing(replica.names[0]))
    assert not replica.sent(ask(replica), Type.FAILOVER_AUTH_ACK)


# ---- elections, as a replica
def heir(*, replicas: int = 1, **settings: Any) -> OneNode:
    """Its master has just failed."""
    one = OneNode(me=HEIR, replicas=replicas, **settings)
    one.say(1, Type.FAIL, Failing(one.names[0]))
    return one


def others(one: OneNode) -> list[int]:
    return [number for number in range(1, len(one.names)) if number != HEIR]


def test_an_election_that_is_won() -> None:
    one = heir()
    wanted = one.node(0).slots
    actions = one.pass_time(DELAY_MAX, answering=others(one))
    asked = one.sent(actions, Type.FAILOVER_AUTH_REQUEST)
    assert len(asked) == 5 and {message.current_epoch for message in asked} == {4} and not asked[0].marks & FORCE_ACK
    one.say(1, Type.FAILOVER_AUTH_ACK)
    assert one.view.myself.is_replica
    actions = one.say(2, Type.FAILOVER_AUTH_ACK)
    me = one.view.myself
    assert me.is_master and me.slots == wanted and me.config_epoch == 4 and not one.node(0).slots
    assert Lead() in actions and SlotsMoved(wanted) in actions and only(actions, Save)[0].fsync
    assert len(one.sent(actions, Type.PONG)) == 5       # all hear at once
    one.view.check()


def test_it_waits_for_the_verdict_to_spread() -> None:
    one = heir()
    assert not one.sent(one.pass_time(500, answering=others(one)), Type.FAILOVER_AUTH_REQUEST)


def test_one_vote_of_three_is_not_enough_nor_are_those_of_who_has_none() -> None:
    one = heir()
    one.pass_time(DELAY_MAX, answering=others(one))
    one.say(1, Type.FAILOVER_AUTH_ACK)
    one.say(4, Type.FAILOVER_AUTH_ACK)                      # a replica
    one.say(2, Type.FAILOVER_AUTH_ACK, current_epoch=0)
    one.node(2).config_epoch = 0
    assert one.view.myself.is_replica


def test_a_vote_of_an_older_epoch_does_not_count() -> None:
    one = heir()
    one.pass_time(DELAY_MAX, answering=others(one))
    for voter_ in (1, 2):
        one.say(voter_, Type.FAILOVER_AUTH_ACK, current_epoch=3)
    assert one.view.myself.is_replica


def test_votes_that_come_before_the_next_attempt_asks_do_not_count() -> None:
    one = heir()
    one.pass_time(DELAY_MAX, answering=others(one))
    one.pass_time(4 * 2 * TIMEOUT_MS, answering=others(one))
    one.protocol._election._schedule(one.now)
    for voter_ in (1, 2):
        one.say(voter_, Type.FAILOVER_AUTH_ACK)
    assert one.view.myself.is_replica


def test_an_attempt_expires_and_the_next_one_has_a_new_epoch() -> None:
    one = heir()
    one.pass_time(DELAY_MAX, answering=others(one))
    assert one.view.current_epoch == 4
    actions = one.pass_time(4 * TIMEOUT_MS + 2 * DELAY_MAX, answering=others(one))
    assert {message.current_epoch for message in one.sent(actions, Type.FAILOVER_AUTH_REQUEST)} == {5}


def test_who_has_less_data_waits_longer() -> None:
    one = heir(replicas=3)
    one.node(6).offset = 2000
    one.node(9).offset = 3000
    actions = one.pass_time(2400, answering=others(one))
    assert "(rank #2, offset 1000)" in notes(actions) and not one.sent(actions, Type.FAILOVER_AUTH_REQUEST)
    assert one.sent(one.pass_time(1000, answering=others(one)), Type.FAILOVER_AUTH_REQUEST)


def test_a_rival_that_never_takes_over_does_not_count() -> None:
    one = heir(replicas=2)
    one.node(6).offset = 2000
    one.node(6).flags |= NOFAILOVER
    assert "(rank #0" in notes(one.pass_time(100, answering=others(one)))


def test_a_rival_that_tells_of_more_data_goes_first() -> None:
    one = heir(replicas=2)
    one.pass_time(200, answering=others(one))
    one.say(6, Type.PONG, offset=5000)
    actions = one.pass_time(100)
    assert "Replica rank updated to #1, added 1000 milliseconds of delay." in notes(actions)


def test_rivals_hear_how_much_data_we_have() -> None:
    one = heir(replicas=2)
    actions = one.pass_time(100)
    assert [message.offset for message in one.sent(actions, Type.PONG, to=6)] == [1000]
    assert not one.sent(actions, Type.PONG, to=1)


def test_data_that_are_too_old_are_not_the_clusters() -> None:
    one = heir()
    one.age = 10_000 + 11 * TIMEOUT_MS + 1
    assert not one.sent(one.pass_time(3000, answering=others(one)), Type.FAILOVER_AUTH_REQUEST)
    one.change(replica_validity_factor=0)
    assert one.sent(one.pass_time(3000, answering=others(one)), Type.FAILOVER_AUTH_REQUEST)


def test_who_is_told_not_to_does_not() -> None:
    one = heir(replica_no_failover=True)
    assert not one.sent(one.pass_time(3000, answering=others(one)), Type.FAILOVER_AUTH_REQUEST)


def test_a_master_without_slots_is_not_replaced() -> None:
    one = heir()
    one.view.release(one.node(0).slots)
    assert not one.sent(one.pass_time(3000, answering=others(one)), Type.FAILOVER_AUTH_REQUEST)


def test_the_log_tells_why_nothing_happens_but_not_again_and_again() -> None:
    one = heir()
    told = notes(one.pass_time(30_000, answering=others(one)))
    assert "Currently unable to failover: Failover attempt expired." in told
    assert "Needed quorum: 2. Number of votes received so far: 0" in told
    assert told.count("Currently unable") < 10


# ---- manual failover, as a replica
def test_a_manual_failover_waits_for_the_masters_last_word() -> None:
    one = OneNode(me=HEIR)
    actions = one.do(one.operator.failover, one.now)
    assert len(one.sent(actions, Type.MFSTART, to=0)) == 1
    one.say(0, Type.PING, offset=1500)                      # not paused yet
    one.say(0, Type.PING, offset=1500, marks=PAUSED)
    assert not one.sent(one.pass_time(200), Type.FAILOVER_AUTH_REQUEST)
    one.written = 1500
    actions = one.pass_time(200)
    assert one.sent(actions, Type.FAILOVER_AUTH_REQUEST)[0].marks & FORCE_ACK
    one.say(1, Type.FAILOVER_AUTH_ACK)
    actions = one.say(2, Type.FAILOVER_AUTH_ACK)
    assert one.view.myself.is_master and not one.protocol.manual.active
    one.view.check()


def test_it_is_given_up_after_a_while() -> None:
    one = OneNode(me=HEIR)
    one.do(one.operator.failover, one.now)
    assert "Manual failover timed out." in notes(one.pass_time(5200))
    assert not one.protocol.manual.active


def test_forced_it_asks_nobody_but_the_voters() -> None:
    one = OneNode(me=HEIR)
    actions = one.do(one.operator.failover, one.now, force=True) + one.pass_time(200)
    assert not one.sent(actions, Type.MFSTART)
    assert one.sent(actions, Type.FAILOVER_AUTH_REQUEST)[0].marks & FORCE_ACK


def test_a_takeover_asks_nobody() -> None:
    one = OneNode(me=HEIR)
    actions = one.do(one.operator.failover, one.now, takeover=True)
    me = one.view.myself
    assert me.is_master and me.slots and me.config_epoch == one.view.current_epoch == 4
    assert not one.sent(actions, Type.FAILOVER_AUTH_REQUEST) and Lead() in actions


def test_a_second_failover_needs_votes_of_its_own() -> None:
    one = OneNode(me=HEIR)
    for epoch in (4, 6):
        one.do(one.operator.failover, one.now, force=True)
        one.pass_time(100)
        assert one.view.current_epoch == epoch and one.view.myself.is_replica
        one.say(1, Type.FAILOVER_AUTH_ACK)
        one.say(2, Type.FAILOVER_AUTH_ACK)
        assert one.view.myself.is_master and one.view.myself.config_epoch == epoch
        one.say(0, Type.PING, slots=one.view.myself.slots, config_epoch=epoch + 1, current_epoch=epoch + 1, master="",
                flags=MASTER)
        assert one.view.myself.master is one.node(0)


@pytest.mark.parametrize(
    ("me", "change", "error"),
    [
        (0, "", "ERR You should send CLUSTER FAILOVER to a replica"),
        (HEIR, "no master", "ERR I'm a replica but my master is unknown to me"),
        (HEIR, "failed", "ERR Master is down or failed, please use CLUSTER FAILOVER FORCE"),
        (HEIR, "no link", "ERR Master is down or failed, please use CLUSTER FAILOVER FORCE"),
    ],
)
def test_what_is_refused(me: int, change: str, error: str) -> None:
    one = OneNode(me=me)
    if change == "no master":
        one.view.set_master(one.view.myself, None)
    elif change == "failed":
        one.node(0).flags |= FAIL
    elif change == "no link":
        one.node(0).link = None
    with pytest.raises(CommandError, match=error):
        one.operator.failover(one.now)


# ---- and as its master
def test_a_master_holds_its_writers_and_marks_what_it_says() -> None:
    one = OneNode()
    actions = one.say(HEIR, Type.MFSTART)
    assert only(actions, Pause) == [Pause(one.now + 10_000)]
    assert one.sent(actions, Type.PING, to=HEIR)[0].marks & PAUSED
    assert len(one.sent(one.pass_time(300, answering=[1, 2, 4, 5]), Type.PING, to=HEIR)) == 3
    actions = one.say(HEIR, Type.PING, slots=one.view.myself.slots, config_epoch=9, master="", flags=MASTER)
    assert Resume() in actions and one.view.myself.is_replica
    assert not one.sent(one.say(1, Type.PING), Type.PONG)[0].marks & PAUSED


def test_it_lets_them_go_when_nothing_comes_of_it() -> None:
    one = OneNode()
    one.say(HEIR, Type.MFSTART)
    assert Resume() in one.pass_time(5200)


def test_only_a_replica_of_ours_may_ask() -> None:
    one = OneNode()
    assert not only(one.say(4, Type.MFSTART), Pause)
    assert one.node(4).flags & REPLICA
