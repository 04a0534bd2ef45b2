"""What CLUSTER's subcommands change, and what they refuse with which words."""

import pytest

from server.cluster import slots
from server.cluster.actions import Close, Follow, Lead, Save, SlotsMoved
from server.cluster.messages import MASTER, Type
from server.registry.errors import CommandError
from tests.support.one_node import OneNode, notes, only


def refused(error: str) -> "pytest.RaisesExc[CommandError]":
    return pytest.raises(CommandError, match=f"^{error}$")


def test_slots_added_and_deleted() -> None:
    one = OneNode(masters=1, replicas=0)
    one.do(one.operator.delete_slots, [(0, 16383)])
    one.view.importing[5] = one.view.myself
    actions = one.do(one.operator.add_slots, [(5, 5), (7, 9)])
    assert one.view.myself.slots == slots.of([5, 7, 8, 9]) and not one.view.importing
    assert SlotsMoved(slots.of([5, 7, 8, 9])) in actions and only(actions, Save) == [Save(fsync=True)]
    with refused("ERR Slot 8 is already busy"):
        one.operator.add_slots([(10, 12), (8, 20)])
    with refused("ERR Slot 10 specified multiple times"):
        one.operator.add_slots([(10, 12), (10, 10)])
    with refused("ERR Slot 4 is already unassigned"):
        one.operator.delete_slots([(4, 5)])
    with refused("ERR Slot 5 specified multiple times"):
        one.operator.delete_slots([(5, 5), (5, 5)])
    assert one.view.myself.slots == slots.of([5, 7, 8, 9])
    one.keys = {5: 1}
    with refused("ERR DB must be empty to perform CLUSTER FLUSHSLOTS."):
        one.operator.flush_slots()
    one.keys = {}
    one.do(one.operator.flush_slots)
    assert not one.view.assigned
    one.view.check()


def test_a_slot_on_its_way() -> None:
    one = OneNode()
    one.do(one.operator.migrating, 0, one.names[1])
    one.do(one.operator.importing, 16383, one.names[2])
    assert one.view.migrating == {0: one.node(1)} and one.view.importing == {16383: one.node(2)}
    with refused("ERR I'm not the owner of hash slot 16383"):
        one.operator.migrating(16383, one.names[1])
    with refused("ERR I'm already the owner of hash slot 0"):
        one.operator.importing(0, one.names[1])
    with refused("ERR I don't know about node x"):
        one.operator.importing(16383, "x")
    with refused("ERR Target node is not a master"):
        one.operator.migrating(0, one.names[3])
    one.do(one.operator.stable, 0)
    one.do(one.operator.stable, 16383)
    assert not one.view.migrating and not one.view.importing


def test_a_slot_that_arrives() -> None:
    one = OneNode()
    one.do(one.operator.importing, 16383, one.names[2])
    actions = one.do(one.operator.set_owner, 16383, one.names[0], one.now)
    assert one.view.owner[16383] is one.view.myself and not one.view.importing
    assert one.view.myself.config_epoch == 4 and len(one.sent(actions, Type.PONG)) == 5
    assert only(actions, Save)[0].fsync
    one.view.check()


def test_only_a_new_epoch_is_awaited_on_the_disk() -> None:
    """As in Redis, of many slots that come only the first one's; the others are put there beside the loop."""
    one = OneNode()
    saves = []
    for slot in (16381, 16382, 16383):
        one.do(one.operator.importing, slot, one.names[2])
        saves += only(one.do(one.operator.set_owner, slot, one.names[0], one.now), Save)
    assert saves == [Save(fsync=True), Save(fsync=False, soon=True), Save(fsync=False, soon=True)]


def test_a_slot_that_leaves() -> None:
    one = OneNode()
    one.do(one.operator.migrating, 0, one.names[1])
    one.keys = {0: 1}
    with refused("ERR Can't assign hashslot 0 to a different node while I still hold keys for this hash slot."):
        one.operator.set_owner(0, one.names[1], one.now)
    one.keys = {}
    assert only(one.do(one.operator.set_owner, 0, one.names[1], one.now), Save) == [Save(fsync=False)]
    assert one.view.owner[0] is one.node(1) and not one.view.migrating and one.view.myself.config_epoch == 1
    with refused("ERR Unknown node x"):
        one.operator.set_owner(0, "x", one.now)


@pytest.mark.parametrize("follows", [True, False])
def test_the_last_slot_that_leaves(follows: bool) -> None:
    one = OneNode(allow_replica_migration=follows)
    one.view.release(one.view.myself.slots & ~1)
    actions = one.do(one.operator.set_owner, 0, one.names[1], one.now)
    assert (one.view.myself.master is one.node(1)) == follows == bool(only(actions, Follow))


def test_a_replica_sets_no_slots() -> None:
    one = OneNode(me=3)
    for work in (one.operator.migrating, one.operator.importing):
        with refused("ERR Please use SETSLOT only with masters."):
            work(0, one.names[1])
    with refused("ERR Please use SETSLOT only with masters."):
        one.operator.stable(0)


def test_replicate() -> None:
    one = OneNode()
    with refused("ERR To set a master the node must be empty and without assigned slots."):
        one.operator.replicate(one.names[1])
    one.view.release(one.view.myself.slots)
    one.keys = {1: 1}
    with refused("ERR To set a master the node must be empty and without assigned slots."):
        one.operator.replicate(one.names[1])
    one.keys = {}
    for name, error in ((one.names[0], "ERR Can't replicate myself"), ("x", "ERR Unknown node x"),
                        (one.names[4], "ERR I can only replicate a master, not a replica.")):
        with refused(error):
            one.operator.replicate(name)
    actions = one.do(one.operator.replicate, one.names[1])
    assert one.view.myself.master is one.node(1) and only(actions, Follow) == [Follow("10.0.0.1", 1)]
    one.keys = {1: 1}
    actions = one.do(one.operator.replicate, one.names[2])          # a replica may change at any time
    assert one.view.myself.master is one.node(2) and only(actions, Follow) == [Follow("10.0.0.2", 2)]
    one.view.check()


def test_forget() -> None:
    one = OneNode(me=3)
    for name, error in ((one.names[3], r"ERR I tried hard but I can't forget myself\.\.\."),
                        (one.names[0], "ERR Can't forget my master!"), ("x", "ERR Unknown node x")):
        with refused(error):
            one.operator.forget(name, one.now)
    links = {one.node(1).link, one.node(1).inbound_link}
    actions = one.do(one.operator.forget, one.names[1], one.now)
    assert {action.link for action in only(actions, Close)} == links
    assert one.node(4).master is None
    one.view.check()


def test_epochs() -> None:
    one = OneNode()
    assert one.operator.bump_epoch() == "BUMPED 4"
    assert one.operator.bump_epoch() == "STILL 4"
    with refused("ERR The user can assign a config epoch only when the node does not know any other node."):
        one.operator.set_config_epoch(7)
    fresh = OneNode(masters=1, replicas=0)
    with refused("ERR Node config epoch is already non-zero"):
        fresh.operator.set_config_epoch(7)
    fresh.view.myself.config_epoch = 0
    with refused("ERR Invalid config epoch specified: -1"):
        fresh.operator.set_config_epoch(-1)
    fresh.do(fresh.operator.set_config_epoch, 7)
    assert fresh.view.myself.config_epoch == fresh.view.current_epoch == 7


@pytest.mark.parametrize("hard", [False, True])
def test_reset(hard: bool) -> None:
    one = OneNode(me=3)
    name = one.view.myself.name
    one.view.last_vote_epoch = 2
    one.keys = {1: 1}
    actions = one.do(one.operator.reset, hard=hard)
    me = one.view.myself
    assert Lead(empty=True) in actions and me.flags & MASTER and len(one.view.nodes) == 1 and not one.view.assigned
    assert (me.name == name) == (not hard)
    assert (one.view.current_epoch, one.view.last_vote_epoch) == ((0, 0) if hard else (3, 2))
    one.view.check()


def test_a_master_with_keys_is_not_reset() -> None:
    one = OneNode()
    one.keys = {1: 1}
    with refused("ERR CLUSTER RESET can't be called with master nodes containing keys"):
        one.operator.reset(hard=False)


def test_keys_that_are_found_at_the_start() -> None:
    one = OneNode(masters=2)
    free = 1 << slots.ranges(one.view.myself.slots)[0][0]
    one.view.release(free)
    theirs = one.node(1).slots
    theirs &= -theirs
    slot = theirs.bit_length() - 1
    actions = one.do(one.operator.has_keys, one.view.myself.slots | free | theirs)
    assert one.view.myself.slots & free
    assert one.view.importing == {slot: one.node(1)}
    assert "Taking responsibility" in notes(actions)
    assert "importing state" in notes(actions)
    assert not one.do(one.operator.has_keys, free | theirs)
    replica = OneNode(masters=2, me=2)
    (follow,) = replica.do(replica.operator.has_keys, slots.ALL)
    assert follow == Follow(replica.node(0).ip, replica.node(0).port)
    assert not only(replica.pass_time(1000), Follow)        # it was told
    one.view.check()
