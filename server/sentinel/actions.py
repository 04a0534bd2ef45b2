"""What the protocol asks of who carries it out, and where that is gathered until it is taken.

The order is the order of asking, but for one: when something of the turn is to be kept, sentinel.conf is written before
anything else of it is done. So no vote and no epoch is told that a crash could take back.
"""

from dataclasses import dataclass

from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from server.sentinel.instance import Wire

DEBUG, VERBOSE, NOTICE, WARNING = range(4)      # as server.observe.log has them


@dataclass(slots=True)
class Open:
    """Connect a wire to this address; then `opened`, or `lost`. What is sent before waits."""

    wire: "Wire"
    host: str
    port: int


@dataclass(slots=True)
class Close:
    """End a wire, without telling us."""

    wire: "Wire"


@dataclass(slots=True)
class Send:
    """A command into a wire."""

    wire: "Wire"
    words: tuple[bytes, ...]


@dataclass(slots=True)
class Event:
    """For the log, and, unless it is at level DEBUG, for those who are subscribed to the channel of its name."""

    level: int
    name: str
    text: str


@dataclass(slots=True)
class Note:
    """For the log alone."""

    level: int
    text: str


@dataclass(slots=True)
class Exit:
    """SENTINEL SIMULATE-FAILURE: die, now."""

    status: int


Action = Open | Close | Send | Event | Note | Exit


class Outbox:
    """Actions in their order. save: sentinel.conf is to be written, before all of them."""

    def __init__(self) -> None:
        self.actions: list[Action] = []
        self.save = False

    def __bool__(self) -> bool:
        return self.save or bool(self.actions)

    def add(self, action: Action) -> None:
        """Ask for it."""
        self.actions.append(action)

    def take(self) -> tuple[bool, list[Action]]:
        """(whether to write sentinel.conf first, what was asked for since the last time)."""
        save, actions = self.save, self.actions
        self.save, self.actions = False, []
        return save, actions
