"""One atomic migration as it is shown, on either side: what moves where, how far it has come, and why it ended.

What the words of `State` mean to an operator: `success`, `failed` and `cancelled` are ends, all others are under way.
"""

from enum import Enum

from server.cluster import slots
from server.cluster.atomic_actions import Action, Note


class State(Enum):
    """Of the source first, then of the target, then how it ended."""

    CONNECTING = "connecting"
    ESTABLISHING = "establishing"
    SNAPSHOTTING = "snapshotting"
    WAITING_TO_PAUSE = "waiting-to-pause"       # all keys are there; what was written since is on its way
    GRANTED = "failover-granted"                # no client writes; the target was told to take the slots
    ASKING = "asking-target"                    # ... and did not say whether it has
    RECEIVING = "receiving-snapshot"
    STREAMING = "streaming"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDS = (State.SUCCESS, State.FAILED, State.CANCELLED)


class Job:
    """name: 40 characters, the same on both sides; slots: a set (slots.py); source, target: names of nodes; times are
    ms of the wall clock. last_ack: when the other side was heard. message: why it ended as it did."""

    operation = ""

    def __init__(self, name: str, moving: int, source: str, target: str, state: State, now: int) -> None:
        self.name = name
        self.slots = moving
        self.source = source
        self.target = target
        self.created = self.updated = self.last_ack = now
        self.state = state
        self.message = ""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in ENDS

    @property
    def ranges(self) -> str:
        """The slots as an operator reads them."""
        return ranges_text(self.slots)

    def go(self, state: State, now: int, message: str = "") -> None:
        """Be in another state."""
        self.state = state
        self.updated = now
        self.message = message

    def ended_note(self) -> Action:
        """For the log."""
        why = f": {self.message}" if self.message else ""
        level = "warning" if self.state is State.FAILED else "notice"
        return Note(level, f"Slot migration {self.name} ({self.operation.lower()} of {self.ranges}) ended: "
                           f"{self.state.value}{why}")

    def told(self) -> dict[bytes, bytes | int]:
        """An entry of CLUSTER GETSLOTMIGRATIONS; times are seconds there."""
        return {
            b"name": self.name.encode(), b"operation": self.operation.encode(), b"slot_ranges": self.ranges.encode(),
            b"target_node": self.target.encode(), b"source_node": self.source.encode(),
            b"create_time": self.created // 1000, b"last_update_time": self.updated // 1000,
            b"last_ack_time": self.last_ack // 1000, b"state": self.state.value.encode(),
            b"message": self.message.encode(), b"cow_size": 0}


def ranges_text(moving: int) -> str:
    """A set of slots: `0-10 12-12`."""
    return " ".join(f"{first}-{last}" for first, last in slots.ranges(moving))


def range_words(moving: int) -> tuple[str, ...]:
    """The same as arguments: first and last, first and last..."""
    return tuple(str(slot) for run in slots.ranges(moving) for slot in run)
