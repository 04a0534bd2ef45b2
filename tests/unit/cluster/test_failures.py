"""Opinions, reports and verdicts."""

import pytest

from server.cluster.actions import Serving, Verdict
from server.cluster.messages import FAIL, MASTER, PFAIL, Failing, Gossip, Heartbeat, Type
from server.cluster.node import Link
from tests.support.one_node import TIMEOUT_MS, OneNode, notes, only


def silent(one: OneNode, number: int) -> None:
    """All but that one answer, until we think that it is failing."""
    others = [other for other in range(len(one.names)) if other != number and one.node(other) is not one.view.myself]
    one.pass_time(2 * TIMEOUT_MS, answering=others)
    assert one.node(number).flags & PFAIL


def test_silence_is_an_opinion_that_an_answer_takes_back() -> None:
    one = OneNode()
    silent(one, 1)
    assert not one.node(1).flags & FAIL
    one.say(1, Type.PONG)
    assert not one.node(1).flags & (PFAIL | FAIL)


def test_nobody_is_suspected_before_the_timeout() -> None:
    one = OneNode()
    one.pass_time(TIMEOUT_MS, answering=[2])
    assert not one.node(1).flags & PFAIL


def test_any_data_are_a_sign_of_life() -> None:
    one = OneNode()
    for _ in range(6):
        one.pass_time(TIMEOUT_MS // 2, answering=[2, 3, 4, 5])
        one.say(1, Type.MFSTART)
    assert not one.node(1).flags & PFAIL


def test_we_and_another_master_are_the_majority_of_three() -> None:
    one = OneNode()
    silent(one, 1)
    actions = one.gossip(2, 1, MASTER | PFAIL)
    assert only(actions, Verdict) == [Verdict(one.names[1], frozenset({one.names[0], one.names[2]}))]
    assert one.node(1).flags & FAIL and not one.node(1).flags & PFAIL
    assert {message.body for message in one.sent(actions, Type.FAIL)} == {Failing(one.names[1])}
    assert all(one.sent(actions, Type.FAIL, to=number) for number in (2, 3, 4, 5))
    assert only(actions, Serving) == [Serving(False)]


@pytest.mark.parametrize("reporter", [4, 5], ids=["its replica", "another's replica"])
def test_a_replica_has_no_say(reporter: int) -> None:
    one = OneNode()
    silent(one, 1)
    assert not only(one.gossip(reporter, 1, MASTER | PFAIL), Verdict)
    assert not one.node(1).reports


def test_a_master_without_slots_has_no_say() -> None:
    one = OneNode()
    one.view.release(one.node(2).slots)
    one.view.assign(one.node(0), one.view.assigned ^ ((1 << 16384) - 1))
    silent(one, 1)
    assert not only(one.gossip(2, 1, MASTER | PFAIL), Verdict)


def test_the_majority_is_that_of_the_masters_which_we_know_of_just_now() -> None:
    """The same message tells of a fourth voter and of a failing node."""
    one = OneNode(masters=5)
    claimed = one.node(3).slots
    one.view.release(claimed | one.node(4).slots)
    assert one.view.quorum == 2
    silent(one, 1)
    entry = Gossip(one.names[1], 0, 0, "10.0.0.1", 1, 10_001, MASTER | PFAIL, 0)
    assert not only(one.say(3, Type.PING, Heartbeat([entry]), slots=claimed), Verdict)
    assert one.view.quorum == 3
    assert len(only(one.gossip(2, 1, MASTER | PFAIL), Verdict)) == 1


def test_our_own_opinion_is_needed() -> None:
    one = OneNode(masters=5)
    for reporter in (2, 3, 4):
        assert not only(one.gossip(reporter, 1, MASTER | PFAIL), Verdict)
    assert len(one.node(1).reports) == 3


def test_a_report_ages() -> None:
    one = OneNode(masters=5)
    one.gossip(2, 1, MASTER | PFAIL)
    one.pass_time(2 * TIMEOUT_MS + 100, answering=[2, 3, 4])
    assert one.node(1).flags & PFAIL
    assert not only(one.gossip(3, 1, MASTER | PFAIL), Verdict)
    assert list(one.node(1).reports) == [one.names[3]]
    assert len(only(one.gossip(4, 1, MASTER | FAIL), Verdict)) == 1


def test_a_report_is_taken_back() -> None:
    one = OneNode(masters=5)
    one.gossip(2, 1, MASTER | PFAIL)
    actions = one.gossip(2, 1, MASTER)
    assert not one.node(1).reports and "is back online" in notes(actions)


def test_reports_go_with_the_reporter() -> None:
    one = OneNode(masters=5)
    one.gossip(2, 1, MASTER | PFAIL)
    one.do(one.operator.forget, one.names[2], one.now)
    assert not one.node(1).reports


def test_a_replica_judges_by_what_masters_report() -> None:
    one = OneNode(me=3)
    silent(one, 1)
    assert not only(one.gossip(0, 1, MASTER | PFAIL), Verdict)
    assert len(only(one.gossip(2, 1, MASTER | PFAIL), Verdict)) == 1


def test_the_only_master_is_the_majority() -> None:
    one = OneNode(masters=1, replicas=2)
    actions = one.pass_time(2 * TIMEOUT_MS, answering=[2])
    assert [verdict.name for verdict in only(actions, Verdict)] == [one.names[1]]


def test_a_verdict_of_others_is_believed_but_not_about_ourselves() -> None:
    one = OneNode()
    one.say(2, Type.FAIL, Failing(one.names[1]))
    assert one.node(1).flags & FAIL
    one.say(2, Type.FAIL, Failing(one.names[0]))
    assert not one.node(0).flags & FAIL
    one.say(2, Type.FAIL, Failing("f" * 40))


def test_a_verdict_of_a_stranger_is_not() -> None:
    one = OneNode()
    message = one.message(2, Type.FAIL, Failing(one.names[1]))
    message.sender = "f" * 40
    actions = one.protocol.receive(Link(None, one.now), message, one.now)
    assert not one.node(1).flags & FAIL and "unknown node" in notes(actions)


def test_a_replica_that_answers_again_is_well_at_once() -> None:
    one = OneNode()
    one.say(2, Type.FAIL, Failing(one.names[3]))
    one.say(3, Type.PONG)
    assert not one.node(3).flags & FAIL


def test_a_master_with_slots_that_answers_again_waits_for_whoever_takes_them() -> None:
    one = OneNode()
    one.say(2, Type.FAIL, Failing(one.names[1]))
    one.say(1, Type.PONG)
    assert one.node(1).flags & FAIL
    one.pass_time(2 * TIMEOUT_MS, answering=[2, 3, 4, 5])
    one.now += 1
    one.say(1, Type.PONG)
    assert not one.node(1).flags & FAIL


def test_a_node_that_gossip_tells_of_is_not_suspected_for_that() -> None:
    one = OneNode()
    one.gossip(1, 2, MASTER | PFAIL, name="9" * 40)
    assert one.view.nodes["9" * 40].flags == MASTER


def test_the_link_is_made_anew_before_the_node_is_suspected() -> None:
    one = OneNode()
    one.pass_time(TIMEOUT_MS + 300, answering=[2, 3, 4, 5])
    assert one.node(1).link is not None and one.node(1).link.created > one.now - TIMEOUT_MS
    assert one.node(1).ping_sent
