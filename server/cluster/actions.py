"""What the protocol asks of who carries it out, and where it is gathered until it is taken.

The order is the order of asking. Two promises hang on it: what `Save` keeps is on disk (with `fsync`) before any
message of the same turn leaves, so that no vote and no epoch is told that a crash could take back; and a link that is
closed gets nothing more.
"""

from server.cluster.messages import Message, Published
from server.cluster.node import Link
from server.registry.dataclass import dataclass, field


@dataclass(slots=True)
class Send:
    """A message into a link; one that is not open yet keeps it until then, a lost one drops it."""

    link: Link
    message: Message


@dataclass(slots=True)
class Connect:
    """Open this link to the bus port of its node; then `link_up`, or `link_lost`."""

    link: Link


@dataclass(slots=True)
class Close:
    """End a link, without telling us."""

    link: Link


@dataclass(slots=True)
class Save:
    """Write nodes.conf. fsync: it is on the disk before anything else is done; soon: it gets there beside the loop."""

    fsync: bool
    soon: bool = False


@dataclass(slots=True)
class Follow:
    """Replicate from there; bus_tls says which port it is."""

    ip: str
    port: int


@dataclass(slots=True)
class Lead:
    """Follow nobody any more. empty: and forget all keys."""

    empty: bool = False


@dataclass(slots=True)
class Pause:
    """Hold clients that write, until then (ms) at the latest."""

    until: int


@dataclass(slots=True)
class Resume:
    """Clients may write again."""


@dataclass(slots=True)
class SlotsMoved:
    """Slots have another owner, or none, or one: clients that wait for keys there, and their subscribers, are told."""

    slots: int = field(repr=False)


@dataclass(slots=True)
class DropKeys:
    """Keys of these slots are somebody else's."""

    slots: int = field(repr=False)


@dataclass(slots=True)
class Deliver:
    """Published by another node for our subscribers."""

    published: Published
    sharded: bool


@dataclass(slots=True)
class Serving:
    """Whether the cluster serves has changed."""

    ok: bool


@dataclass(slots=True)
class Verdict:
    """We found a node failing, with these masters who say so; ourselves among them if we are one."""

    name: str
    masters: frozenset[str]


@dataclass(slots=True)
class Note:
    """For the log."""

    level: str
    text: str


Action = (Send | Connect | Close | Save | Follow | Lead | Pause | Resume | SlotsMoved | DropKeys | Deliver | Serving
          | Verdict | Note)


class Outbox:
    """Actions in their order, and what is to be seen to at the end of the turn, once."""

    def __init__(self) -> None:
        self._actions: list[Action] = []
        self.save = False
        self.fsync = False
        self.soon = False
        self.check_health = False
        self.check_election = False
        self.check_manual = False
        self.touched = False            # anything of the view that others than the protocol go by

    def add(self, action: Action) -> None:
        """Ask for it."""
        self._actions.append(action)

    def note(self, level: str, text: str) -> None:
        """For the log."""
        self._actions.append(Note(level, text))

    def changed(self, *, fsync: bool = False, soon: bool = False, health: bool = False) -> None:
        """What nodes.conf keeps has changed. health: and what decides whether the cluster serves."""
        self.save = self.touched = True
        self.fsync |= fsync
        self.soon |= soon
        self.check_health |= health

    def take(self) -> list[Action]:
        """What was asked for since the last time."""
        actions = self._actions
        self._actions = []
        return actions
