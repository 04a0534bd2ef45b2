"""Whose slots are whose."""

import pytest

from server.cluster import slots
from server.cluster.actions import DropKeys, Follow, Save, SlotsMoved
from server.cluster.messages import MASTER, MYSELF, REPLICA, Type, Update
from tests.support.one_node import OneNode, notes, only

SOME = slots.span(0, 9)         # of number 0's


def test_a_newer_epoch_takes_slots() -> None:
    one = OneNode(me=2)
    more = one.node(1).slots | SOME
    actions = one.say(1, Type.PING, slots=more, config_epoch=9, current_epoch=9)
    assert one.node(1).slots == more and one.view.owner[0] is one.node(1)
    assert SlotsMoved(SOME) in actions and only(actions, Save)[0].fsync
    assert one.node(1).config_epoch == one.view.current_epoch == 9
    one.view.check()


def test_what_a_replica_says_of_its_masters_epoch_is_not_in_the_file() -> None:
    """A node that starts hears it of every replica: a large cluster would write as many files."""
    one = OneNode(me=2)
    actions = one.say(3, Type.PING, config_epoch=9, current_epoch=one.view.current_epoch)
    assert one.node(3).config_epoch == 9 and not only(actions, Save)
    assert only(one.say(0, Type.PING, config_epoch=9), Save)[0].fsync


@pytest.mark.parametrize("epoch", [1, 0])
def test_the_same_or_an_older_epoch_does_not(epoch: int) -> None:
    one = OneNode(me=2)
    one.node(1).config_epoch = 0
    before = one.node(0).slots
    one.say(1, Type.PING, slots=one.node(1).slots | SOME, config_epoch=epoch)
    assert one.node(0).slots == before


def test_who_claims_with_an_older_epoch_is_told_whose_they_are() -> None:
    one = OneNode(me=2)
    one.node(0).config_epoch = 7
    actions = one.say(1, Type.PING, slots=one.node(1).slots | SOME, config_epoch=2)
    (update,) = one.sent(actions, Type.UPDATE, to=1)
    assert update.body == Update(7, one.names[0], one.node(0).slots)


def test_a_replica_is_told_for_its_master() -> None:
    one = OneNode(me=2)
    one.node(1).config_epoch = 9
    actions = one.say(4, Type.PING, slots=one.node(1).slots | SOME, config_epoch=2)
    assert [message.body for message in one.sent(actions, Type.UPDATE)] == [Update(9, one.names[1], one.node(1).slots)]


def test_slots_that_are_nobodys_need_no_epoch() -> None:
    one = OneNode(me=2)
    one.view.release(SOME)
    one.say(1, Type.PING, slots=one.node(1).slots | SOME, config_epoch=0)
    assert not SOME & ~one.node(1).slots


def test_slots_that_their_owner_does_not_claim_any_more_need_none_either_and_are_not_told_as_his() -> None:
    one = OneNode(me=2)
    left = one.node(0).slots & ~SOME
    one.say(0, Type.PING, slots=left)
    assert one.view.owner[0] is one.node(0) and one.view.unclaimed == SOME
    actions = one.say(0, Type.PING, slots=left | slots.span(6000, 6000), config_epoch=1)
    (update,) = one.sent(actions, Type.UPDATE, to=0)
    assert update.body.name == one.names[1]
    one.say(1, Type.PING, slots=one.node(1).slots | SOME, config_epoch=1)
    assert one.view.owner[0] is one.node(1) and not one.view.unclaimed & SOME
    one.view.check()


def test_a_slot_that_we_import_is_the_operators() -> None:
    one = OneNode(me=2)
    one.do(one.operator.importing, 3, one.names[0])
    one.say(1, Type.PING, slots=one.node(1).slots | SOME, config_epoch=9)
    assert one.view.owner[3] is one.node(0) and one.view.owner[4] is one.node(1)


def test_a_master_that_loses_some_slots_forgets_their_keys() -> None:
    one = OneNode()
    actions = one.say(1, Type.PING, slots=one.node(1).slots | SOME, config_epoch=9)
    assert only(actions, DropKeys) == [DropKeys(SOME)] and one.view.myself.is_master


def test_a_master_that_loses_its_last_slot_follows_who_took_it() -> None:
    one = OneNode()
    mine = one.node(0).slots
    actions = one.say(3, Type.PING, slots=mine, config_epoch=9, master="", flags=MASTER)
    assert one.view.myself.master is one.node(3) and one.node(3).slots == mine
    assert only(actions, Follow) == [Follow("10.0.0.3", 3)] and not only(actions, DropKeys)
    assert one.view.myself.flags & (MASTER | REPLICA | MYSELF) == REPLICA | MYSELF
    one.view.check()


def test_replicas_follow_the_new_master() -> None:
    one = OneNode(me=3, replicas=2)
    actions = one.say(6, Type.PING, slots=one.node(0).slots, config_epoch=9, master="", flags=MASTER)
    assert one.view.myself.master is one.node(6)
    assert only(actions, Follow) == [Follow("10.0.0.6", 6)]


def test_with_replica_migration_off_a_master_does_not_follow_one_with_more_slots() -> None:
    one = OneNode(allow_replica_migration=False)
    one.say(1, Type.PING, slots=one.node(1).slots | one.node(0).slots, config_epoch=9)
    assert one.view.myself.is_master and not one.view.myself.slots


def test_a_replica_of_a_replica_follows_the_grandmaster() -> None:
    one = OneNode(me=3)
    one.say(0, Type.PING, slots=one.node(0).slots, master=one.names[1], flags=REPLICA)
    assert one.view.myself.master is one.node(0)        # until slots change
    actions = one.say(1, Type.PING, slots=one.node(1).slots | SOME, config_epoch=9)
    assert one.view.myself.master is one.node(1) and only(actions, Follow) == [Follow("10.0.0.1", 1)]
    assert "I'm a sub-replica!" in notes(actions)


def test_an_update_about_a_third() -> None:
    one = OneNode()
    body = Update(9, one.names[4], one.node(1).slots)
    one.say(2, Type.UPDATE, body)
    assert one.node(4).is_master and one.node(4).slots == body.slots and one.node(4).config_epoch == 9
    assert not one.node(1).slots
    one.say(2, Type.UPDATE, Update(8, one.names[1], body.slots))
    one.say(2, Type.UPDATE, Update(20, "f" * 40, body.slots))
    assert one.node(4).slots == body.slots


def test_an_update_about_ourselves_changes_no_slots() -> None:
    one = OneNode()
    mine = one.view.myself.slots
    one.say(2, Type.UPDATE, Update(9, one.names[0], 0))
    assert one.view.myself.slots == mine and one.view.myself.is_master


def test_of_two_with_one_epoch_the_smaller_name_takes_a_new_one() -> None:
    one = OneNode()
    small, large = sorted((1, 2), key=lambda number: one.names[number])
    for me, other, epoch in ((small, large, 4), (large, small, 2)):
        node = OneNode(me=me)
        node.view.myself.config_epoch = node.node(other).config_epoch = 2
        actions = node.say(other, Type.PING, config_epoch=2)
        assert node.view.myself.config_epoch == epoch
        assert [save.fsync for save in only(actions, Save)] == ([True] if epoch == 4 else [])
