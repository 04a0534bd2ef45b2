"""The target's side of an atomic migration, as a table of states.

    ESTABLISH --> receiving-snapshot --SNAPSHOT-EOF--> streaming --TAKE--> success

Everything comes by one connection, in order. What arrives is hidden until TAKE, and goes again if that does not come:
when the connection is lost, is silent for too long, or the cluster has changed. TAKE is believed only while this node
is awake and with the majority: one that stood still, or was cut off, may be dead to the source, which then serves on.
Nor if it may be the word of a source that has died since and come back without knowing of it: words lie in buffers for
as long as a network is broken. So TAKE says how many answers the source has heard, and behind every silence, and every
new link of the bus between the two, it must have heard one that was given after that.
"""

from __future__ import annotations

from server.cluster import slots
from server.cluster.atomic_actions import Action, Discard, Dismiss, Hide, Note, TakeOver
from server.cluster.atomic_job import Job, State
from server.cluster.node import Link
from server.cluster.view import View

AGAIN = "TRYAGAIN"          # TAKE is to be said once more, later
BUSY = f"{AGAIN} This node is handing slots over itself"
OLD = f"{AGAIN} This may be the word of one who is gone"
AWAKE_MS = 2000             # since the last tick, or the last word, at the most


class Import(Job):
    """One."""

    operation = "IMPORT"

    def __init__(self, name: str, moving: int, source: str, target: str, now: int) -> None:
        super().__init__(name, moving, source, target, State.RECEIVING, now)
        self.digits = slots.digits(moving)
        self._ticked = now
        self._answers = 0               # that were given
        self._stale = 0                 # of these, given before the source may have died and come back
        self._links: tuple[Link | None, Link | None] | None = None      # of the bus to the source, at the last look

    def begin(self) -> list[Action]:
        """At the start."""
        return [Note("notice", f"Slot migration {self.name} of {self.ranges} from {self.source} begins"),
                Hide(self.slots)]

    def heard(self, view: View, now: int) -> None:
        """The source said a word, which will be answered."""
        source = view.nodes.get(self.source)
        links = (source.link, source.inbound_link) if source is not None else None
        if now - self.last_ack > AWAKE_MS or links != self._links:
            self._stale = self._answers
            self._links = links
        self.last_ack = now
        self._answers += 1

    def complete(self, now: int) -> None:
        """All keys have come; what follows is what changed since."""
        if self.state is State.RECEIVING:
            self.go(State.STREAMING, now)

    def take(self, view: View, epoch: int, heard: int, now: int) -> tuple[str, list[Action]]:
        """The source holds its writers, and all that they wrote has come: the slots are ours. epoch: the current one of
        the source, beyond which we must go; heard: how many of our answers it has. Returns "" or why not, and the
        import is over, unless it is to be said AGAIN."""
        if not self.over and (view.keeps_epoch or heard <= self._stale):
            return BUSY if view.keeps_epoch else OLD, []
        why = (f"Slot migration {self.name} is over" if self.over
               else "Keys are still on their way" if self.state is not State.STREAMING
               else "This node stood still" if now - self._ticked > AWAKE_MS
               else "The cluster is down" if not view.ok
               else self._impossible(view))
        if why:
            return why, self.failed(why, now)
        self.go(State.SUCCESS, now)
        return "", [TakeOver(self.slots, self.source, epoch), self.ended_note(), Dismiss(self)]

    # ---- time, and what the cluster says
    def tick(self, view: View, timeout: int, now: int) -> list[Action]:
        """Ten times a second. timeout: ms of silence."""
        self._ticked = now
        return self.failed("Timed out", now) if now - self.last_ack > timeout else []

    def looked(self, view: View, now: int) -> list[Action]:
        """The view may have changed: whether this can go on.

        Complexity: O(nodes with slots).
        """
        why = self._impossible(view)
        return self.failed(why, now) if why else []

    def _impossible(self, view: View) -> str:
        source = view.nodes.get(self.source)
        return ("This node is no master any more" if not view.myself.is_master
                else "The source is not known any more" if source is None
                else "The source is failing" if source.failed
                else "Slots are not served by the source any more" if self.slots & ~source.slots
                else "")

    def lost(self, why: str, now: int) -> list[Action]:
        """The connection is gone."""
        return self.failed(f"Connection lost{': ' if why else ''}{why}", now)

    def failed(self, why: str, now: int) -> list[Action]:
        """It cannot go on."""
        if self.over:
            return []
        self.go(State.FAILED, now, why)
        return [Discard(self.slots), Dismiss(self), self.ended_note()]
