"""Whether the cluster serves; and replicas that move to masters without any."""

from server.cluster.actions import Follow, Serving
from server.cluster.messages import FAIL, MIGRATE_TO, PFAIL, REPLICA, Type
from tests.support.one_node import OneNode, notes, only

ALL = range(1, 20)


def settled(**options: int | bool) -> OneNode:
    one = OneNode(**options)
    one.pass_time(2500, answering=[n for n in range(len(one.names)) if one.node(n) is not one.view.myself])
    assert one.view.ok
    return one


def look(one: OneNode) -> list[bool]:
    one.protocol._out.check_health = True
    return [serving.ok for serving in only(one.protocol.before_sleep(one.now), Serving)]


def test_a_master_serves_when_all_have_spoken_or_after_two_seconds_a_replica_at_once() -> None:
    assert only(OneNode().pass_time(100), Serving) == [Serving(True)]
    one = OneNode()
    one.node(2).data_received = 0
    assert not only(one.pass_time(1900, answering=[1, 3]), Serving)
    assert only(one.pass_time(300, answering=[1, 3]), Serving) == [Serving(True)]
    assert OneNode(me=3).pass_time(100) and look(OneNode(me=3)) == [True]


def test_a_slot_of_nobody_or_of_a_failed_master_stops_it() -> None:
    one = settled(masters=5)
    one.view.release(1)
    assert look(one) == [False]
    one.view.assign(one.view.myself, 1)
    assert look(one) == [True]
    one.node(1).flags |= FAIL
    assert look(one) == [False]


def test_but_not_where_full_coverage_is_not_required() -> None:
    one = settled(masters=5)
    one.change(require_full_coverage=False)
    one.view.release(1)
    one.node(1).flags |= FAIL
    assert look(one) == [] and one.view.ok


def test_a_minority_does_not_serve_and_comes_back_after_a_while() -> None:
    one = settled()
    one.change(require_full_coverage=False)
    one.node(1).flags |= PFAIL
    one.node(2).flags |= PFAIL
    assert look(one) == [False]
    one.node(1).flags &= ~PFAIL
    assert look(one) == []
    one.now += 2000
    assert look(one) == [True]


# ---- replicas that move
def orphaned(me: int) -> OneNode:
    """Number 0 has three replicas: 3, 6, 9; number 1 lost its own."""
    one = OneNode(me=me, replicas=3)
    for number in (4, 7, 10):
        one.node(number).flags |= FAIL
    return one


def mover(one: OneNode, of: int = 0) -> int:
    """The replica with the smallest name of the masters with the most."""
    return min((number for number in range(3, 12) if number % 3 != 1), key=lambda number: one.names[number])


def test_the_first_of_those_with_the_most_siblings_moves_after_a_while() -> None:
    chosen = mover(orphaned(3))
    for me in (3, 5, 6, 8, 9, 11):
        one = orphaned(me)
        others = [n for n in range(12) if n != me and n not in (4, 7, 10)]
        one.pass_time(4900, answering=others)
        assert one.view.myself.master is one.node(me % 3)
        actions = one.pass_time(3000, answering=others)
        assert (one.view.myself.master is one.node(1)) == (me == chosen)
        if me == chosen:
            assert only(actions, Follow) == [Follow("10.0.0.1", 1)] and "Migrating to orphaned master" in notes(actions)
            assert one.view.myself.shard_id == one.node(1).shard_id
        one.view.check()


def test_nobody_moves_where_it_is_off_or_the_barrier_is_higher_or_the_master_never_had_any() -> None:
    chosen = mover(orphaned(3))
    others = [n for n in range(12) if n != chosen and n not in (4, 7, 10)]
    for change in ({"allow_replica_migration": False}, {"migration_barrier": 3}, {}):
        one = orphaned(chosen)
        one.change(**change)  # type: ignore[arg-type]
        if not change:
            one.node(1).flags &= ~MIGRATE_TO
        one.pass_time(8000, answering=others)
        assert one.view.myself.master is one.node(chosen % 3)


def test_a_master_that_gets_its_first_slot_where_others_have_replicas_ought_to_have_some() -> None:
    one = OneNode()
    one.gossip(1, 2, 1, name="9" * 40)
    new = one.view.nodes["9" * 40]
    one.view.release(1)
    one.view.assign(new, 1)
    assert new.flags & MIGRATE_TO
    assert one.node(3).flags & REPLICA and one.say(3, Type.PING)
