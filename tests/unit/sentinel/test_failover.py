"""Votes, the choice of a replica, and a failover step by step."""

import gc

import pytest

from server.sentinel.instance import (
    FAILOVER_IN_PROGRESS,
    NONE,
    O_DOWN,
    PROMOTED,
    RECONF_DONE,
    RECONF_SENT,
    S_DOWN,
    SELECT_SLAVE,
    WAIT_PROMOTION,
    WAIT_START,
)
from server.sentinel.settings import AFTER_ELECTION, AFTER_PROMOTION
from tests.support.one_sentinel import OTHER, THIRD, OneSentinel

MASTER = ("10.0.0.1", 6379)
ME = "a" * 40


def with_two_others(*replicas: int, quorum: int = 2, **options: int) -> OneSentinel:
    """A master that will be down, its replicas, and two other sentinels."""
    one = OneSentinel(quorum, **options)
    one.master_with(*replicas)
    one.meet(OTHER, "10.0.0.9")
    one.meet(THIRD, "10.0.0.10")
    one.pass_time(1000)
    one.events.clear()
    one.sent.clear()
    return one


def names(one: OneSentinel) -> list[str]:
    """Events without what they are about."""
    return [event.split()[0] for event in one.events]


def until(one: OneSentinel, name: str, ms: int = 60_000) -> None:
    """Time goes on until that event."""
    end = one.now + ms
    while name not in names(one):
        assert one.now < end, f"no {name}: {one.events}"
        one.pass_time(100)


# ---- who is down, together
def test_the_quorum_decides_whether_it_is_down() -> None:
    one = with_two_others(quorum=3)
    one.silent.add(MASTER)
    one.votes = {OTHER: [1, b"*", 0], THIRD: [0, b"*", 0]}
    one.pass_time(5000)
    assert one.master.flags & S_DOWN and not one.master.flags & O_DOWN
    one.votes[THIRD] = [1, b"*", 0]
    one.pass_time(1500)
    assert "+odown master m 10.0.0.1 6379 #quorum 3/3" in one.events
    one.silent.clear()
    one.pass_time(300)
    assert names(one)[-2:] == ["-sdown", "-odown"]


def test_what_others_said_is_forgotten_when_they_say_nothing_any_more() -> None:
    one = with_two_others(quorum=3)
    one.silent.add(MASTER)
    one.votes = {OTHER: [1, b"*", 0], THIRD: [1, b"*", 0]}
    one.pass_time(3000)
    assert one.master.flags & O_DOWN
    one.silent |= {("10.0.0.9", 26379), ("10.0.0.10", 26379)}
    one.pass_time(7000)
    assert not one.master.flags & O_DOWN


@pytest.mark.parametrize("answer", ["PONG", None, [1], [1, 2, 3], [b"1", b"*", 0]])
def test_answers_that_are_none(answer: object) -> None:
    one = with_two_others()
    one.silent.add(MASTER)
    one.votes = {OTHER: answer, THIRD: answer}
    one.pass_time(4000)
    assert not one.master.flags & O_DOWN


def test_what_the_others_ask_of_us() -> None:
    one = with_two_others()
    ask = one.protocol.is_master_down
    assert ask("10.0.0.1", 6379, 0, "*", one.now) == (False, "*", 0)
    one.silent.add(MASTER)
    one.pass_time(2000)
    assert ask("10.0.0.1", 6379, 0, "*", one.now) == (True, "*", 0)
    assert ask("10.0.0.77", 6379, 0, "*", one.now) == (False, "*", 0)
    one.state.tilt_since = one.now
    assert ask("10.0.0.1", 6379, 0, "*", one.now) == (False, "*", 0)


# ---- votes
def test_one_vote_in_an_epoch_that_is_kept_before_it_is_told() -> None:
    one = with_two_others()
    ask = one.protocol.is_master_down
    assert ask("10.0.0.1", 6379, 7, OTHER, one.now) == (False, OTHER, 7)
    assert one.state.outbox.save and one.state.current_epoch == 7
    one.take()
    assert one.events[-2:] == ["+new-epoch 7", f"+vote-for-leader {OTHER} 7"]
    assert ask("10.0.0.1", 6379, 7, THIRD, one.now) == (False, OTHER, 7)
    assert ask("10.0.0.1", 6379, 6, THIRD, one.now) == (False, OTHER, 7)
    assert not one.state.outbox.save
    assert ask("10.0.0.1", 6379, 8, THIRD, one.now) == (False, THIRD, 8)


def test_who_voted_for_another_lets_it_try_first() -> None:
    one = with_two_others(7001, timeout=5000)
    one.protocol.is_master_down("10.0.0.1", 6379, 1, OTHER, one.now)
    one.take()
    one.silent.add(MASTER)
    one.votes = {OTHER: [1, b"*", 0], THIRD: [1, b"*", 0]}
    one.pass_time(9000)
    assert "+try-failover" not in names(one)
    assert any("I will not start a failover before" in note for note in one.notes)
    one.pass_time(3000)
    assert "+try-failover" in names(one)


def test_who_is_not_elected_gives_up() -> None:
    one = with_two_others(7001, timeout=5000)
    one.silent.add(MASTER)
    one.votes = {OTHER: [1, b"*", 0], THIRD: [1, b"*", 0]}
    until(one, "-failover-abort-not-elected")
    assert one.master.failover_state == NONE and not one.master.flags & FAILOVER_IN_PROGRESS
    one.state.check()


def test_votes_of_another_epoch_elect_nobody() -> None:
    one = with_two_others(7001)
    one.silent.add(MASTER)
    one.votes = {OTHER: [1, ME.encode(), 99], THIRD: [1, ME.encode(), 99]}
    one.pass_time(6000)
    assert one.master.failover_state == WAIT_START
    one.votes = {OTHER: [1, ME.encode(), 1], THIRD: [1, b"*", 0]}
    one.pass_time(1500)
    assert "+elected-leader" in names(one)


def test_an_election_goes_on_in_the_latest_epoch() -> None:
    """Votes of epoch 3 for a failover of epoch 1 would make a second leader of epoch 1: it becomes one of epoch 3."""
    one = with_two_others(7001)
    one.silent.add(MASTER)
    one.votes = {OTHER: [1, b"*", 0], THIRD: [1, b"*", 0]}
    until(one, "+try-failover")
    assert one.master.failover_epoch == 1
    one.meet(OTHER, "10.0.0.9", epoch=3)
    one.votes = {OTHER: [1, ME.encode(), 3], THIRD: [1, ME.encode(), 3]}
    until(one, "+elected-leader")
    assert one.master.failover_epoch == 3 == one.master.leader_epoch and one.master.leader == ME


def test_the_quorum_binds_the_election_too() -> None:
    one = with_two_others(7001, quorum=3)
    one.silent.add(MASTER)
    one.votes = {OTHER: [1, ME.encode(), 1], THIRD: [1, b"*", 0]}
    until(one, "+try-failover")
    one.pass_time(3000)
    assert one.master.failover_state == WAIT_START


# ---- the choice
@pytest.mark.parametrize(
    ("first", "second", "better"),
    [
        ({"slave_priority": 10}, {"slave_priority": 5, "slave_repl_offset": 1}, 7002),
        ({"slave_repl_offset": 200}, {}, 7001),
        ({"run_id": "b" * 40}, {"run_id": "A" * 40}, 7002),
        ({"slave_priority": 0}, {}, 7002),
        ({"master_link_status": "down", "master_link_down_since_seconds": 11}, {}, 7002),
        ({"master_link_status": "down", "master_link_down_since_seconds": 9, "slave_priority": 1}, {}, 7001),
    ],
)
def test_which_replica(first: dict[str, object], second: dict[str, object], better: int) -> None:
    one = OneSentinel(quorum=9)
    one.master_with(7001, 7002)
    one.follows(7001, *MASTER, **first)
    one.follows(7002, *MASTER, **second)
    one.pass_time(12_000)
    assert one.protocol.failovers.best_replica(one.master) is one.replica(better)


def test_no_replica_that_is_down_or_has_not_been_heard_of() -> None:
    one = OneSentinel(quorum=9, down_after=60_000)
    one.master_with(7001)
    one.silent.add(("10.0.0.2", 7001))
    one.pass_time(4000)
    assert one.protocol.failovers.best_replica(one.master) is one.replica(7001)
    one.pass_time(3000)
    assert one.protocol.failovers.best_replica(one.master) is None


def test_who_has_most_of_the_stream_is_asked_when_the_master_is_down() -> None:
    """What was heard a moment before that is not the truth any more."""
    one = with_two_others(7001, 7002, quorum=1, down_after=300)
    one.follows(7001, *MASTER, slave_repl_offset=200)
    before = one.now
    while one.replica(7001).info_at <= before:
        one.pass_time(100)
    one.follows(7002, *MASTER, slave_repl_offset=300)
    elected(one)
    assert one.master.o_down_since - one.replica(7001).info_at < 1000
    assert one.master.promoted is one.replica(7002)


@pytest.mark.parametrize("answers", [True, False])
def test_who_does_not_say_how_much_it_has_is_waited_for_a_second(answers: bool) -> None:
    """Its last INFO is too old for it to be promoted, though it has most."""
    one = with_two_others(7001, 7002, down_after=3000)
    one.follows(7001, *MASTER, slave_repl_offset=200)
    one.pass_time(12_000)
    one.silent.add(MASTER)
    one.votes = {OTHER: [1, ME.encode(), 1], THIRD: [1, ME.encode(), 1]}
    until(one, "+sdown")
    one.silent.add(("10.0.0.2", 7001))
    until(one, "+failover-state-select-slave")
    one.pass_time(800)
    assert one.master.failover_state == SELECT_SLAVE
    if answers:
        one.silent.remove(("10.0.0.2", 7001))
    one.pass_time(300)
    assert one.master.promoted is one.replica(7001 if answers else 7002)


# ---- step by step
def elected(one: OneSentinel) -> None:
    """The master is down, and we are to replace it."""
    one.silent.add(MASTER)
    one.votes = {OTHER: [1, ME.encode(), 1], THIRD: [1, ME.encode(), 1]}
    until(one, "+failover-state-wait-promotion")


def test_a_whole_failover() -> None:
    one = with_two_others(7001, 7002, 7003)
    one.follows(7002, *MASTER, slave_repl_offset=200)
    one.pass_time(11_000)
    elected(one)
    assert names(one) == ["+sdown", "+odown", "+new-epoch", "+try-failover", "+vote-for-leader", "+elected-leader",
                          "+failover-state-select-slave", "+selected-slave", "+failover-state-send-slaveof-noone",
                          "+failover-state-wait-promotion"]
    promoted = one.replica(7002)
    assert b"SLAVEOF NO ONE" in one.commands(promoted) and promoted.flags & PROMOTED
    assert one.master.current_address == one.master.address
    one.knows(("10.0.0.2", 7002), run_id="2" * 40, role="master")
    saves = one.saves
    until(one, "+promoted-slave")
    assert one.saves > saves and one.master.config_epoch == 1
    assert one.master.current_address == promoted.address
    until(one, "+slave-reconf-sent")
    one.pass_time(1000)
    told = [port for port in (7001, 7003) if b"SLAVEOF 10.0.0.2 7002" in one.commands(one.replica(port))]
    assert len(told) == 1                                # parallel-syncs 1
    for port in (7001, 7003):
        one.follows(port, "10.0.0.2", 7002)
    until(one, "+switch-master")
    assert one.events[-4] == "+switch-master m 10.0.0.1 6379 10.0.0.2 7002"
    assert sorted(one.events[-3:]) == [
        "+slave slave 10.0.0.1:6379 10.0.0.1 6379 @ m 10.0.0.2 7002",
        "+slave slave 10.0.0.2:7001 10.0.0.2 7001 @ m 10.0.0.2 7002",
        "+slave slave 10.0.0.2:7003 10.0.0.2 7003 @ m 10.0.0.2 7002"]
    assert names(one).count("+slave-reconf-done") == 2
    assert one.master.address.port == 7002 and list(one.master.sentinels) == [OTHER, THIRD]
    one.state.check()


def test_parallel_syncs() -> None:
    one = with_two_others(7001, 7002, 7003, 7004)
    one.master.parallel_syncs = 3
    elected(one)
    promoted = one.master.promoted
    assert promoted is not None
    one.knows(one.place(promoted), run_id="2" * 40, role="master")
    until(one, "+slave-reconf-sent")
    assert names(one).count("+slave-reconf-sent") == 3


def test_a_replica_that_is_never_promoted() -> None:
    one = with_two_others(7001, timeout=5000)
    elected(one)
    until(one, "-failover-abort-slave-timeout")
    assert one.master.promoted is None and not one.replica(7001).flags & PROMOTED


def test_no_replica_to_promote() -> None:
    one = with_two_others()
    one.silent.add(MASTER)
    one.votes = {OTHER: [1, ME.encode(), 1], THIRD: [1, ME.encode(), 1]}
    until(one, "-failover-abort-no-good-slave")
    assert one.master.failover_state == NONE


def test_a_replica_that_does_not_do_as_it_was_told() -> None:
    one = with_two_others(7001, 7002, timeout=60_000)
    elected(one)
    promoted = one.master.promoted
    assert promoted is not None
    other = one.replica(7001 if promoted is one.replica(7002) else 7002)
    one.knows(one.place(promoted), run_id="2" * 40, role="master")
    until(one, "+slave-reconf-sent")
    assert other.flags & RECONF_SENT
    until(one, "-slave-reconf-sent-timeout")
    assert other.flags & RECONF_DONE or other.gone
    assert one.master.address == promoted.address


def test_a_failover_that_takes_too_long_ends_all_the_same() -> None:
    one = with_two_others(7001, 7002, 7003, timeout=8000)
    elected(one)
    promoted = one.master.promoted
    assert promoted is not None
    one.knows(one.place(promoted), run_id="2" * 40, role="master")
    until(one, "+failover-end-for-timeout")
    one.pass_time(100)
    assert "+slave-reconf-sent-be" in names(one) and "+switch-master" in names(one)


@pytest.mark.parametrize("leads", [MASTER, ("10.0.0.2", 7001), ("10.0.0.2", 7002)])
def test_a_later_configuration_ends_our_failover(leads: tuple[str, int]) -> None:
    """Whoever it names: the one that we promote, another, or the old master, who is known to us by that address."""
    one = with_two_others(7001, 7002)
    one.follows(7002, *MASTER, slave_repl_offset=200)
    one.pass_time(11_000)
    elected(one)
    one.knows(("10.0.0.2", 7002), run_id="2" * 40, role="master")
    until(one, "+slave-reconf-sent")
    host, port = leads
    one.meet(OTHER, epoch=2, config_epoch=2, master=f"{host},{port}")
    assert f"+switch-master m 10.0.0.2 7002 {host} {port}" in one.events
    assert (one.master.config_epoch, one.master.current_address.ip, one.master.current_address.port) == (2, host, port)
    assert one.master.failover_state == NONE and one.master.promoted is None
    one.state.check()


def test_a_later_configuration_ends_our_failover_before_anybody_is_promoted() -> None:
    """Else the epoch that we were elected for would take the place of a later one."""
    one = with_two_others(7001)
    elected(one)
    one.meet(OTHER, epoch=2, config_epoch=2)
    assert one.master.config_epoch == 2 and one.master.failover_state == NONE
    one.knows(("10.0.0.2", 7001), run_id="2" * 40, role="master")
    one.pass_time(2000)
    assert one.master.config_epoch == 2


def test_a_failover_by_hand_needs_no_votes() -> None:
    one = with_two_others(7001)
    one.protocol.failovers.begin(one.master, forced=True)
    one.take()
    one.pass_time(100)
    assert one.master.failover_state == SELECT_SLAVE
    one.pass_time(200)
    assert one.master.failover_state == WAIT_PROMOTION


@pytest.mark.parametrize(("when", "last"), [(AFTER_ELECTION, "+elected-leader"), (AFTER_PROMOTION, "+promoted-slave")])
def test_simulated_crashes(when: str, last: str) -> None:
    one = with_two_others(7001)
    one.state.settings.crash_after.add(when)
    one.silent.add(MASTER)
    one.votes = {OTHER: [1, ME.encode(), 1], THIRD: [1, ME.encode(), 1]}
    one.pass_time(500)
    one.knows(("10.0.0.2", 7001), run_id="2" * 40, role="master")
    until(one, last)
    assert one.status == 99


def test_an_old_master_that_comes_back_is_made_a_replica() -> None:
    one = with_two_others(7001)
    elected(one)
    one.knows(("10.0.0.2", 7001), run_id="2" * 40, role="master")
    until(one, "+switch-master")
    one.silent.clear()
    one.knows(MASTER, run_id="1" * 40, role="master")
    until(one, "+convert-to-slave")
    assert b"SLAVEOF 10.0.0.2 7001" in one.commands(one.replica(6379, "10.0.0.1"))


# ---- reset
def test_reset_forgets_all_but_the_master() -> None:
    one = with_two_others(7001)
    gone = one.replica(7001)
    assert one.state.reset_matching(b"m*") == 1
    one.take()
    assert one.events[-1] == "+reset-master master m 10.0.0.1 6379" and gone.gone
    assert not one.master.replicas and not one.master.sentinels
    one.pass_time(11_000)                   # it is asked for INFO no earlier than ever
    assert len(one.master.replicas) == 1
    assert one.state.reset_matching(b"x*") == 0


def test_a_master_that_is_removed_hears_nothing_more() -> None:
    one = with_two_others(7001)
    one.state.remove_master(one.master)
    one.take()
    one.sent.clear()
    one.pass_time(5000)
    assert one.sent == [] and one.state.masters == {}


def test_nothing_of_a_removed_master_forms_a_cycle() -> None:
    """The collector is off while serving."""
    one = with_two_others(7001, 7002)
    elected(one)
    gc.collect()
    gc.disable()
    try:
        one.state.remove_master(one.master)
        one.take()
        del one.master
        one.sent.clear()
        assert gc.collect() == 0
    finally:
        gc.enable()
