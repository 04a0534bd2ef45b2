"""The source's side of an atomic migration, as a table of states. No link, no clock and no key is in it.

    connecting --connected--> establishing --ok--> snapshotting --copied--> waiting-to-pause --little is on its way-->
    failover-granted --the target says, or the bus, that it has the slots--> success

Bytes of one link arrive in order. So when clients are held and all that they wrote is in the link, TAKE behind it is
executed by a target that has everything: the two need not agree on anything but that one word. From there on the source
cannot take back what it said. It holds its writers until it knows: the slots are the target's, which says so or is
heard by the bus; or the target promises that it will not take them (an error as the reply to TAKE, or to ABORT by
another link, which it is asked for when the first one broke); or the target is dead to the majority and nobody has its
place with these slots. Then the source takes a greater config epoch, and what the dead one may have claimed does not
hold when it is back.
Meanwhile the source keeps its config epoch (View.keeps_epoch): TAKE tells the current one, the target takes a greater.
"""

from __future__ import annotations

from server.cluster import slots
from server.cluster.atomic_actions import Action, Copy, HandOver, Hold, Leave, LetGo, Note, Outrank, Reach, Say
from server.cluster.atomic_import import AGAIN
from server.cluster.atomic_job import Job, State, range_words
from server.cluster.view import View

CONNECT_MS = 5000           # for a link to be open and the target to have answered
PAUSE_MS = 5000             # so long the reply to TAKE is waited for; then the target is asked by another link
ASK_EVERY_MS = 500
PING_MS = 1000
BUSY_MS = 100
ON_ITS_WAY_MIN = 256 << 10  # bytes that do not keep the pause from beginning, whatever is configured


class Export(Job):
    """One."""

    operation = "EXPORT"

    def __init__(self, name: str, moving: int, source: str, target: str, now: int) -> None:
        super().__init__(name, moving, source, target, State.CONNECTING, now)
        self._said = 0              # words so far, by this link
        self._heard = 0             # ... and replies to them
        self._said_at = now         # when the last one was
        self._taken = False         # the target says that it has taken the slots
        self._asked = 0             # when the target was asked last whether it has
        self._link = True           # there is one, or it is being opened
        self._dead_since = 0        # ms, the target is FAIL; 0: it is not
        self._not_before = 0        # ms, the target was busy: so long TAKE is not said again

    @property
    def granted(self) -> bool:
        """Whether the target may take the slots."""
        return self.state in (State.GRANTED, State.ASKING)

    def begin(self) -> list[Action]:
        """At the start."""
        return [Note("notice", f"Slot migration {self.name} of {self.ranges} to {self.target} begins"), Reach(self)]

    # ---- the link
    def connected(self, now: int) -> list[Action]:
        """It is open."""
        self.last_ack = now
        self._said = self._heard = 0
        if self.state is State.ASKING:
            return [self._say(now, "ABORT", self.name, *range_words(self.slots))]
        self.go(State.ESTABLISHING, now)
        return [self._say(now, "ESTABLISH", self.name, self.source, *range_words(self.slots))]

    def _say(self, now: int, *words: str) -> Action:
        self._said += 1
        self._said_at = now
        return Say(self, words)

    def lost(self, why: str, now: int) -> list[Action]:
        """It is gone, or could not be opened."""
        if self.over:
            return []
        self._link = False
        if self._taken or self.state is State.ASKING:
            return []               # again at a tick
        if self.state is State.GRANTED:
            return self._ask(now)
        return self._end(State.FAILED, f"Connection lost: {why}", now)

    def replied(self, error: str, now: int) -> list[Action]:
        """The target answered the oldest word that it was said. error: "" for yes."""
        self.last_ack = now
        self._heard += 1
        state = self.state
        if self.over:
            return []
        if state is State.ASKING:
            return self._told_of_abort(error, now)
        if state is State.GRANTED:
            return self._told_of_take(error, now)
        if error:
            return self._end(State.FAILED, f"The target says: {error}", now)
        if state is State.ESTABLISHING:
            self.go(State.SNAPSHOTTING, now)
            return [Copy(self)]
        return []

    # ---- the data
    def copied(self, now: int) -> list[Action]:
        """All keys are in the link."""
        if self.state is not State.SNAPSHOTTING:
            return []
        self.go(State.WAITING_TO_PAUSE, now)
        return [self._say(now, "SNAPSHOT-EOF")]

    def moved_on(self, view: View, on_its_way: int, bound: int, now: int) -> list[Action]:
        """Called each turn behind the snapshot. on_its_way: bytes behind the last word that the target has answered."""
        if self.state is not State.WAITING_TO_PAUSE or self._heard < self._said or now < self._not_before:
            return []
        if on_its_way <= max(bound, ON_ITS_WAY_MIN):
            self.go(State.GRANTED, now)
            return [Hold(self), self._say(now, "TAKE", str(view.current_epoch), str(self._heard))]
        return [self._say(now, "ACK")]

    # ---- time, and what the cluster says
    def tick(self, view: View, timeout: int, node_timeout: int, now: int) -> list[Action]:
        """Ten times a second. timeout: ms of silence."""
        state = self.state
        if self.over:
            return []
        if self.granted:
            return self._tick_granted(view, node_timeout, now)
        limit = CONNECT_MS if state in (State.CONNECTING, State.ESTABLISHING) else timeout
        if now - self.last_ack > limit:
            return self._end(State.FAILED, "Timed out", now)
        if state in (State.SNAPSHOTTING, State.WAITING_TO_PAUSE) and now - self._said_at > PING_MS:
            return [self._say(now, "ACK")]
        return []

    def looked(self, view: View, now: int) -> list[Action]:
        """The view may have changed: whether this can go on, or has succeeded. Complexity: O(1)."""
        me, target = view.myself, view.nodes.get(self.target)
        if self.over:
            return []
        if self.granted:
            if not me.is_master:
                return self._end(State.FAILED, "This node is no master any more", now)
            return self._end(State.SUCCESS, "", now) if not me.slots & self.slots else []
        why = ("This node is no master any more" if not me.is_master
               else "Slots are not served by this node any more" if self.slots & ~me.slots
               else "Slots are being moved by hand" if self.slots & slots.of(view.migrating)
               else "The target is not known any more" if target is None
               else "The target is no master" if not target.is_master
               else "The target is failing" if target.failed
               else "")
        return self._end(State.FAILED, why, now) if why else []

    def cancelled(self, now: int) -> list[Action]:
        """An operator does not want it any more. What was granted cannot be."""
        return [] if self.over or self.granted else self._end(State.CANCELLED, "", now)

    def failed(self, why: str, now: int) -> list[Action]:
        """It cannot go on for a reason of our own server."""
        return [] if self.over or self.granted else self._end(State.FAILED, why, now)

    # ---- it was granted, and the answer is not known
    def _told_of_take(self, error: str, now: int) -> list[Action]:
        """yes: they are the target's. An error is a promise not to take them; one to an earlier word is none."""
        if self._heard < self._said:
            return [] if not error else [Leave(self), *self._ask(now)]
        if error.startswith(AGAIN):
            self.go(State.WAITING_TO_PAUSE, now)
            self._not_before = now + BUSY_MS + int(self.name[:4], 16) % BUSY_MS     # two that wait for each other part
            return [LetGo(self)]
        return self._end(State.FAILED, f"The target says: {error}", now) if error else self._hand_over()

    def _told_of_abort(self, error: str, now: int) -> list[Action]:
        """yes: it promises not to take them. An error: it has."""
        return self._hand_over() if error else self._end(State.FAILED, "Connection lost during the hand-over", now)

    def _hand_over(self) -> list[Action]:
        self._taken = True
        return [HandOver(self.slots, self.target)]      # what follows from that is what `looked` sees

    def _tick_granted(self, view: View, node_timeout: int, now: int) -> list[Action]:
        target = view.nodes.get(self.target)
        if target is None or target.failed:
            self._dead_since = self._dead_since or now
            if view.ok and now - self._dead_since > 2 * node_timeout:
                return [Outrank(), *self._end(State.FAILED, "The target failed during the hand-over", now)]
        else:
            self._dead_since = 0
        if self._taken:
            return []
        if self.state is State.GRANTED:
            return [Leave(self), *self._ask(now)] if now - self.updated > PAUSE_MS else []
        if not self._link:
            return self._ask(now) if now - self._asked > ASK_EVERY_MS else []
        if now - self._asked > CONNECT_MS:          # this link says nothing: another one
            self._link = False
            return [Leave(self)]
        return []

    def _ask(self, now: int) -> list[Action]:
        """Whether the slots are taken."""
        if self.state is not State.ASKING:
            self.go(State.ASKING, now, "The target did not say whether it has taken the slots")
        self._asked = now
        self._link = True
        return [Reach(self)]

    def _end(self, state: State, message: str, now: int) -> list[Action]:
        held = self.granted
        self.go(state, now, message)
        return [Leave(self), *([LetGo(self)] if held else []), self.ended_note()]
