"""Both sides of an atomic slot migration as tables, and what an operator may ask for."""

from random import Random

import pytest

from server.cluster import slots
from server.cluster.actions import DropKeys, Save, SlotsMoved
from server.cluster.atomic_actions import (
    Copy,
    Discard,
    Dismiss,
    HandOver,
    Hide,
    Hold,
    Leave,
    LetGo,
    Note,
    Outrank,
    Reach,
    Say,
    TakeOver,
)
from server.cluster.atomic_export import ON_ITS_WAY_MIN, Export
from server.cluster.atomic_import import AWAKE_MS, BUSY, OLD, Import
from server.cluster.atomic_job import State
from server.cluster.atomic_moves import Limits, Moves
from server.cluster.messages import FAIL, Type
from server.cluster.node import Link
from server.registry.errors import CommandError
from tests.support.one_node import OneNode

MOVING = slots.span(3, 5)
NODE_TIMEOUT, TIMEOUT = 2000, 60_000


def plain(actions):
    """Without what is for the log."""
    return [action for action in actions if not isinstance(action, Note)]


class Source:
    """A node of three and its export of a few slots to the second."""

    def __init__(self) -> None:
        self.one = OneNode(replicas=0)
        self.view = self.one.view
        self.view.ok = True
        self.now = 1000
        self.job = Export("a" * 40, MOVING, self.one.names[0], self.one.names[1], self.now)

    def say(self, *words: str) -> Say:
        return Say(self.job, words)

    def up_to(self, state: State) -> None:
        steps = [(State.ESTABLISHING, lambda: self.job.connected(self.now)),
                 (State.SNAPSHOTTING, lambda: self.job.replied("", self.now)),
                 (State.WAITING_TO_PAUSE, lambda: self.job.copied(self.now)),
                 (State.GRANTED, lambda: self.job.replied("", self.now) + self.move_on(0)),
                 (State.ASKING, lambda: self.job.lost("cut", self.now))]
        for reached, step in steps:
            if self.job.state is state:
                return
            step()
            assert self.job.state is reached
        assert self.job.state is state

    def move_on(self, on_its_way: int):
        return plain(self.job.moved_on(self.view, on_its_way, 0, self.now))

    def tick(self, ms: int):
        self.now += ms
        return plain(self.job.tick(self.view, TIMEOUT, NODE_TIMEOUT, self.now))


@pytest.fixture
def source() -> Source:
    return Source()


def test_a_migration_as_its_source_sees_it(source):
    job, now = source.job, source.now
    assert plain(job.begin()) == [Reach(job)]
    assert job.connected(now) == [source.say("ESTABLISH", job.name, job.source, "3", "5")]
    assert job.replied("", now) == [Copy(job)]
    assert job.copied(now) == [source.say("SNAPSHOT-EOF")]
    assert source.move_on(0) == []                                      # the end of the snapshot is not answered
    assert job.replied("", now) == []
    assert source.move_on(ON_ITS_WAY_MIN + 1) == [source.say("ACK")]    # too much is on its way: look again
    assert source.move_on(0) == []
    assert job.replied("", now) == []
    source.view.current_epoch = 7
    assert source.move_on(ON_ITS_WAY_MIN) == [Hold(job), source.say("TAKE", "7", "3")]
    assert job.replied("", now) == [HandOver(MOVING, source.one.names[1])]
    source.one.do(source.one.operator.hand_over, MOVING, source.one.names[1])
    assert plain(job.looked(source.view, now)) == [Leave(job), LetGo(job)]
    assert job.state is State.SUCCESS


@pytest.mark.parametrize("state", [State.CONNECTING, State.ESTABLISHING, State.SNAPSHOTTING, State.WAITING_TO_PAUSE])
def test_what_was_not_granted_ends_at_once(source, state):
    def ended(*actions) -> bool:
        return [type(action) for action in plain(actions)] == [Leave] and job.state is State.FAILED

    job = source.job
    source.up_to(state)
    assert ended(*job.lost("reset", source.now)) and job.message == "Connection lost: reset"
    for why, broken in (
        ("The target is failing", lambda s: setattr(s.one.node(1), "flags", s.one.node(1).flags | FAIL)),
        ("The target is not known any more", lambda s: s.view.remove(s.one.node(1))),
        ("Slots are not served by this node any more", lambda s: s.view.release(1 << 4)),
        ("Slots are being moved by hand", lambda s: s.view.migrating.update({4: s.one.node(2)})),
        ("This node is no master any more", lambda s: s.view.make_replica(s.view.myself)),
    ):
        another = Source()
        job = another.job
        another.up_to(state)
        broken(another)
        assert ended(*job.looked(another.view, another.now)) and job.message == why
    third = Source()
    job = third.job
    third.up_to(state)
    assert [type(action) for action in plain(job.cancelled(third.now))] == [Leave]
    assert job.state is State.CANCELLED


def test_silence_ends_it(source):
    source.up_to(State.SNAPSHOTTING)
    assert source.tick(1100) == [source.say("ACK")]         # so that a target that lives says something
    assert source.tick(500) == []
    source.job.replied("", source.now)
    assert source.tick(TIMEOUT + 1) == [Leave(source.job)] and source.job.message == "Timed out"


def test_an_error_is_the_end(source):
    source.up_to(State.ESTABLISHING)
    assert plain(source.job.replied("ERR no", source.now)) == [Leave(source.job)]
    assert source.job.state is State.FAILED and source.job.message == "The target says: ERR no"


# ---- granted
def test_writers_wait_until_the_target_has_answered(source):
    source.up_to(State.GRANTED)
    assert source.job.cancelled(source.now) == [] and source.job.failed("any", source.now) == []
    assert plain(source.job.replied("ERR no", source.now)) == [Leave(source.job), LetGo(source.job)]
    assert source.job.state is State.FAILED


def test_a_busy_target_is_told_again_later(source):
    source.up_to(State.GRANTED)
    assert source.job.replied(BUSY, source.now) == [LetGo(source.job)]
    assert source.move_on(0) == []
    source.now += 200
    assert [type(action) for action in source.move_on(0)] == [Hold, Say]


def test_a_lost_link_leaves_a_question(source):
    source.up_to(State.GRANTED)
    job = source.job
    assert job.lost("cut", source.now) == [Reach(job)] and job.state is State.ASKING
    assert job.lost("refused", source.now) == [] and source.tick(100) == []
    assert source.tick(500) == [Reach(job)]
    assert job.connected(source.now) == [source.say("ABORT", job.name, "3", "5")]
    assert plain(job.replied("", source.now)) == [Leave(job), LetGo(job)] and job.state is State.FAILED


def test_slots_that_were_taken_stay_taken(source):
    source.up_to(State.ASKING)
    source.job.connected(source.now)
    assert source.job.replied("ERR taken", source.now) == [HandOver(MOVING, source.one.names[1])]
    assert source.tick(30_000) == [] and source.job.state is State.ASKING
    source.view.release(MOVING)
    source.job.looked(source.view, source.now)
    assert source.job.state is State.SUCCESS


def test_a_target_that_says_nothing_is_asked_by_another_link(source):
    source.up_to(State.GRANTED)
    assert source.tick(4000) == []
    assert source.tick(1500) == [Leave(source.job), Reach(source.job)]
    source.job.connected(source.now)
    assert source.tick(5100) == [Leave(source.job)]
    assert source.tick(100) == [Reach(source.job)]


def test_a_dead_target_is_outranked(source):
    source.up_to(State.GRANTED)
    source.job.lost("cut", source.now)
    source.one.node(1).flags |= FAIL
    source.tick(100)
    assert not any(isinstance(action, Outrank) for action in source.tick(2 * NODE_TIMEOUT))
    assert source.tick(100) == [Outrank(), Leave(source.job), LetGo(source.job)]
    assert source.job.state is State.FAILED


def test_one_in_the_minority_goes_on_waiting(source):
    source.up_to(State.GRANTED)
    source.job.lost("cut", source.now)
    source.one.node(1).flags |= FAIL
    source.view.ok = False
    assert not any(isinstance(action, Outrank) for _ in range(9) for action in source.tick(NODE_TIMEOUT))


# ---- the target
class Target:
    def __init__(self) -> None:
        self.one = OneNode(replicas=0, me=1)
        self.view = self.one.view
        self.view.ok = True
        self.now = 1000
        self.job = Import("b" * 40, MOVING, self.one.names[0], self.one.names[1], self.now)
        self.job.heard(self.view, self.now)
        self.gone = [Discard(MOVING), Dismiss(self.job)]


@pytest.fixture
def target() -> Target:
    return Target()


def test_a_migration_as_its_target_sees_it(target):
    assert plain(target.job.begin()) == [Hide(MOVING)]
    target.job.complete(target.now)
    why, actions = target.job.take(target.view, 7, 1, target.now)
    assert why == "" and plain(actions) == [TakeOver(MOVING, target.one.names[0], 7), Dismiss(target.job)]
    assert target.job.state is State.SUCCESS
    assert target.job.take(target.view, 7, 1, target.now)[0] == f"Slot migration {target.job.name} is over"


@pytest.mark.parametrize(("why", "broken"), [
    ("Keys are still on their way", lambda t: setattr(t.job, "state", State.RECEIVING)),
    ("This node stood still", lambda t: setattr(t, "now", t.now + AWAKE_MS + 1)),
    ("The cluster is down", lambda t: setattr(t.view, "ok", False)),
    ("The source is failing", lambda t: setattr(t.one.node(0), "flags", t.one.node(0).flags | FAIL)),
    ("Slots are not served by the source any more", lambda t: t.view.release(1 << 3)),
    ("This node is no master any more", lambda t: t.view.make_replica(t.view.myself)),
])
def test_slots_that_are_not_taken(target, why, broken):
    target.job.complete(target.now)
    broken(target)
    said, actions = target.job.take(target.view, 7, 1, target.now)
    assert said == why and plain(actions) == target.gone and target.job.state is State.FAILED


def test_who_hands_slots_over_takes_none(target):
    target.job.complete(target.now)
    target.view.keeps_epoch = True
    assert target.job.take(target.view, 7, 1, target.now) == (BUSY, []) and not target.job.over


def test_a_word_that_may_be_old_is_to_be_said_again(target):
    job, view = target.job, target.view
    job.complete(target.now)
    job.heard(view, target.now)                                     # TAKE is a word, too
    assert job.take(view, 7, 0, target.now) == (OLD, [])            # it has heard nothing of ours
    job.heard(view, target.now + AWAKE_MS + 1)                      # a silence
    assert job.tick(view, TIMEOUT, target.now + AWAKE_MS) == []
    assert job.take(view, 7, 2, target.now + AWAKE_MS + 1)[0] == OLD
    target.one.node(0).inbound_link = Link(None, 0)                 # it has opened another link of the bus
    job.heard(view, target.now + AWAKE_MS + 2)
    assert job.take(view, 7, 3, target.now + AWAKE_MS + 2)[0] == OLD
    job.heard(view, target.now + AWAKE_MS + 3)
    assert job.take(view, 7, 4, target.now + AWAKE_MS + 3)[0] == ""


def test_an_import_that_ends(target):
    assert target.job.tick(target.view, TIMEOUT, target.now + TIMEOUT) == []
    assert plain(target.job.tick(target.view, TIMEOUT, target.now + TIMEOUT + 1)) == target.gone
    assert plain(Target().job.lost("", 0))[0] == Discard(MOVING)
    another = Target()
    another.view.remove(another.one.node(0))
    assert plain(another.job.looked(another.view, 0)) == [Discard(MOVING), Dismiss(another.job)]


# ---- a node
class Mine:
    def __init__(self, me: int = 0) -> None:
        self.one = OneNode(me=me)
        self.one.view.ok = True
        self.blocked = 0
        self.moves = Moves(lambda: self.one.view, Limits, lambda: self.blocked, Random(1))


def refused(error: str):
    return pytest.raises(CommandError, match=f"^ERR {error}$")


def test_what_an_operator_may_not_ask_for():
    mine = Mine()
    moves, names = mine.moves, mine.one.names
    with refused("Requested slots span multiple shards"):
        moves.check_slots(slots.span(0, 16383))
    with refused("Invalid node name"):
        moves.check_target(MOVING, "blah")
    with refused("Unknown node name: " + "c" * 40):
        moves.check_target(MOVING, "c" * 40)
    with refused("Target node can not be this node"):
        moves.check_target(MOVING, names[0])
    with refused("Slots are not served by this node"):
        moves.check_target(slots.span(16000, 16000), names[1])
    with refused(f"Target node is not a primary: {names[4]}"):
        moves.check_target(MOVING, names[4])
    with refused("Slot ranges in migrations overlap"):
        moves.migrate([(MOVING, names[1]), (1 << 4, names[2])], 0)
    with refused("No migrations ongoing"):
        moves.cancel(0)
    mine.one.view.release(1 << 9)
    with refused("Slot 9 has no node served"):
        moves.check_slots(slots.span(8, 9))
    moves.migrate([(MOVING, names[1])], 0)
    with refused("I am already migrating slot 4"):
        moves.check_target(1 << 4, names[2])
    mine.one.view.migrating[20] = mine.one.node(1)
    with refused("Slots are being manually migrated"):
        moves.may_migrate()
    with refused("Slot migration can only be used on primary nodes"):
        Mine(me=3).moves.may_migrate()


def test_those_under_way_and_the_last_that_ended_are_told():
    mine = Mine()
    moves = mine.moves
    moves.migrate([(MOVING, mine.one.names[1])], 5_000)
    moves.migrate([(1 << 9, mine.one.names[2])], 7_000)
    assert moves.leaving == MOVING | 1 << 9
    moves.cancel(9_000)
    assert moves.leaving == 0 and not moves.exports
    last, first = moves.told()
    assert first == {
        b"name": first[b"name"], b"operation": b"EXPORT", b"slot_ranges": b"3-5",
        b"target_node": mine.one.names[1].encode(), b"source_node": mine.one.names[0].encode(), b"create_time": 5,
        b"last_update_time": 9, b"last_ack_time": 5, b"state": b"cancelled", b"message": b"", b"cow_size": 0}
    assert last[b"slot_ranges"] == b"9-9" and len(first[b"name"]) == 40
    assert moves.counts["EXPORT", State.CANCELLED] == 2


def test_a_target_takes_what_it_may():
    mine = Mine()
    moves, names = mine.moves, mine.one.names
    theirs = slots.span(6000, 6001)
    with refused("The slots are not served by the source, as far as this node knows"):
        moves.establish("a" * 40, names[2], theirs, 0)
    mine.blocked = 1 << 6001
    with refused("Keys of an earlier time are still being dropped in these slots, try again"):
        moves.establish("a" * 40, names[1], theirs, 0)
    mine.blocked = 0
    job, _ = moves.establish("a" * 40, names[1], theirs, 0)
    assert moves.arriving == theirs
    with refused("Slots are being imported already"):
        moves.establish("b" * 40, names[1], 1 << 6001, 0)
    assert moves.abort("a" * 40, theirs, 0)[0] is False and job.state is State.FAILED
    assert moves.abort("a" * 40, MOVING, 0) == (True, [])       # ours: somebody must have taken them


def test_a_flush_ends_them_all():
    mine = Mine()
    mine.moves.migrate([(MOVING, mine.one.names[1])], 0)
    mine.moves.establish("a" * 40, mine.one.names[1], 1 << 6001, 0)
    actions = plain(mine.moves.flushed(0))
    assert [type(action) for action in actions] == [Leave, Discard, Dismiss]
    assert [job[b"message"] for job in mine.moves.told()] == [b"The data were flushed"] * 2


def test_one_export_after_the_other_holds_the_writers():
    mine = Mine()
    mine.moves.migrate([(1 << 3, mine.one.names[1]), (1 << 4, mine.one.names[2])], 0)
    first, second = mine.moves.exports.values()
    for job in (first, second):
        mine.moves.connected(job, 0)
        mine.moves.replied(job, "", 0)
        mine.moves.copied(job, 0)
        mine.moves.replied(job, "", 0)
    assert [type(action) for action in mine.moves.moved_on(first, 0, 0)] == [Hold, Say]
    assert mine.moves.moved_on(second, 0, 0) == [] and not second.granted


def test_the_epoch_stays_while_slots_are_handed_over():
    one = OneNode()
    one.view.current_epoch = 9
    one.view.keeps_epoch = True
    assert not one.view.bump_epoch() and one.view.current_epoch == 9
    one.view.keeps_epoch = False
    assert one.view.bump_epoch() and one.view.myself.config_epoch == 10


def test_slots_that_were_handed_over():
    one = OneNode()
    one.view.current_epoch = 5
    actions = one.do(one.operator.hand_over, MOVING, one.names[1])
    assert SlotsMoved(MOVING) in actions and DropKeys(MOVING) in actions and one.node(1).slots & MOVING == MOVING
    other = OneNode(me=1)
    actions = other.do(other.operator.take_slots, MOVING, 5, other.now)
    assert SlotsMoved(MOVING) in actions and Save(fsync=True) in actions
    assert other.view.myself.config_epoch == other.view.current_epoch == 6
    assert len(other.sent(actions, Type.PONG)) == 5
    other.view.check()
    one.do(one.operator.hand_over, one.view.myself.slots, one.names[1])
    assert one.view.myself.master is one.node(1)
