"""What the tables of atomic slot migration ask of who carries it out (dispatch.slot_migrating), in order."""

from __future__ import annotations

from server.registry.dataclass import dataclass, field
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from server.cluster.atomic_export import Export
    from server.cluster.atomic_import import Import


@dataclass(slots=True)
class Reach:
    """Open a link to the target of an export; then `connected`, or `lost`."""

    job: Export


@dataclass(slots=True)
class Say:
    """A command of the inner protocol into the link of an export, behind what was written there; each has a reply."""

    job: Export
    words: tuple[str, ...]


@dataclass(slots=True)
class Copy:
    """Begin: keys of the slots into the link, slice by slice, and from then on all that changes them; `copied` when the
    last key was written."""

    job: Export


@dataclass(slots=True)
class Hold:
    """No client writes any more, our config epoch stays, and all that was written is in the link when this is done."""

    job: Export


@dataclass(slots=True)
class LetGo:
    """Clients may write again, and our config epoch may grow."""

    job: Export


@dataclass(slots=True)
class HandOver:
    """The target has taken the slots: as far as we know they are its from now on, and our keys of them go."""

    slots: int = field(repr=False)
    target: str


@dataclass(slots=True)
class Leave:
    """End the link of an export, and what is written into it, without telling us."""

    job: Export


@dataclass(slots=True)
class Outrank:
    """Take a config epoch that is greater than all others: what the target may have claimed unheard does not hold."""


@dataclass(slots=True)
class Hide:
    """Keys of these slots come from elsewhere and are not to be seen; who replicates from us is told."""

    slots: int = field(repr=False)


@dataclass(slots=True)
class TakeOver:
    """The slots of `source` are ours from now on, with a config epoch greater than `epoch`, and their keys are seen."""

    slots: int = field(repr=False)
    source: str
    epoch: int


@dataclass(slots=True)
class Discard:
    """Keys of these slots, which nobody has seen, go."""

    slots: int = field(repr=False)


@dataclass(slots=True)
class Dismiss:
    """Close the connection that brings an import, without telling us."""

    job: Import


@dataclass(slots=True)
class Note:
    """For the log."""

    level: str
    text: str


Action = (Reach | Say | Copy | Hold | LetGo | HandOver | Leave | Outrank | Hide | TakeOver | Discard | Dismiss
          | Note)
