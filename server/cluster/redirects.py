"""Where a command is served: here, or by whom else, in the words that cluster clients know.

The order in which a command is judged is Redis's. A slot that nobody serves comes first, then keys of several slots, a
cluster that is down, a slot on its way (ASK, TRYAGAIN), a replica that may be read, and last whose slot it is (MOVED).
A slot that comes back to us before its old keys are gone is asked for again (TRYAGAIN), which is ours alone.
"""

from collections.abc import Callable, Sequence

from server.cluster import slot_table, slots
from server.config.config import Config
from server.registry.dataclass import dataclass
from server.registry.errors import CommandError
from server.registry.light import TYPE_CHECKING
from server.structures.crc16 import hash_slot

if TYPE_CHECKING:
    from server.cluster.node import Node
    from server.cluster.view import View

NO_SLOT = -1


class Why:
    """Why a command is not served here."""

    MOVED = "MOVED"
    ASK = "ASK"
    CROSS_SLOT = "CROSSSLOT Keys in request don't hash to the same slot"
    TRY_AGAIN = "TRYAGAIN Multiple keys request during rehashing of slot"
    DOWN = "CLUSTERDOWN The cluster is down"
    DOWN_FOR_WRITES = "CLUSTERDOWN The cluster is down and only accepts read commands"
    NOT_SERVED = "CLUSTERDOWN Hash slot not served"


class Refused(CommandError):
    """A command that is not for us; `why` says which way."""

    def __init__(self, why: str, text: str = "") -> None:
        super().__init__(text or why)
        self.why = why


@dataclass(slots=True)
class Question:
    """What a command (or EXEC, of all that it holds) is, as far as it matters here. sharded: its keys are shard
    channels. reads_replica: the client said READONLY. asking: it said ASKING, or the command may be asked always.
    moves_keys: MIGRATE. tls: the client came by TLS."""

    keys: Sequence[bytes]
    writes: bool = False
    sharded: bool = False
    reads_replica: bool = False
    asking: bool = False
    moves_keys: bool = False
    tls: bool = False


class Redirects:
    """One per node of a cluster. view: called whenever it is needed; what changes in it is followed by `refresh`.
    has(key): whether it is here and has not expired. dropping(): the slots, a set, that still have keys of which nobody
    is to know any more (`dropping`), held() those that are being handed over (`SlotMigrating.held`); a change of either
    is followed by `refresh`, too."""

    def __init__(self, view: "Callable[[], View]", config: Config, has: Callable[[bytes], bool],
                 dropping: Callable[[], int], held: Callable[[], int]) -> None:
        self._view = view
        self._config = config
        self._has = has
        self._dropping = dropping
        self._held = held

    def refresh(self) -> None:
        """The view has changed: roles, slots, slots on their way, or whether the cluster serves; or
        cluster-allow-reads-when-down has. Complexity: O(slots), some 30 microseconds."""
        view, dropping = self._view(), self._dropping()
        master = view.myself.master if view.myself.is_replica else None
        coming = [slot for slot in view.importing if view.owner[slot] is not None and not dropping >> slot & 1]
        slot_table.fill(slots.to_bytes(view.myself.slots & ~dropping),
                        slots.to_bytes(master.slots if master is not None else 0), slots.to_bytes(self._held()),
                        view.migrating, coming)
        slot_table.close(not view.ok, self._config.cluster_allow_reads_when_down)

    # ---- a command
    def slot_of(self, question: Question) -> int:
        """The slot in which a command is served here, NO_SLOT when it names no keys. Errors: Refused.

        Complexity: O(keys).
        """
        if not question.keys:
            return NO_SLOT
        view = self._view()
        slot = hash_slot(question.keys[0])
        owner = view.owner[slot]
        if owner is None:
            raise Refused(Why.NOT_SERVED)
        if any(hash_slot(key) != slot for key in question.keys[1:]):
            raise Refused(Why.CROSS_SLOT)
        if not view.ok:
            self._while_down(question)
        if self._dropping() >> slot & 1 and (owner is view.myself or (slot in view.importing and question.asking)):
            raise Refused(Why.TRY_AGAIN)
        leaving = owner is view.myself and slot in view.migrating
        coming = not leaving and slot in view.importing
        if leaving or coming:
            if question.moves_keys:
                return slot
            if self._on_its_way(question, slot, coming=coming):
                return slot
        if owner is not view.myself and not self._may_read(question, owner):
            raise self._redirect(Why.MOVED, slot, owner, question.tls)
        return slot

    def _while_down(self, question: Question) -> None:
        if question.sharded:
            if not self._config.cluster_allow_pubsubshard_when_down:
                raise Refused(Why.DOWN)
        elif not self._config.cluster_allow_reads_when_down:
            raise Refused(Why.DOWN)
        elif question.writes:
            raise Refused(Why.DOWN_FOR_WRITES)

    def _on_its_way(self, question: Question, slot: int, *, coming: bool) -> bool:
        """Whether it is served here although, or because, the slot is moving; False: as any other."""
        found = [question.sharded or self._has(key) for key in question.keys]
        if not coming:
            if all(found):
                return False
            if any(found):
                raise Refused(Why.TRY_AGAIN)
            raise self._redirect(Why.ASK, slot, self._view().migrating[slot], question.tls)
        if not question.asking:
            return False
        if not all(found) and len(set(question.keys)) > 1:
            raise Refused(Why.TRY_AGAIN)
        return True

    def _may_read(self, question: Question, owner: "Node") -> bool:
        """Whether a replica answers for its master."""
        me = self._view().myself
        return ((question.reads_replica or question.sharded) and not question.writes and me.is_replica
                and me.master is owner)

    def _redirect(self, why: str, slot: int, node: "Node", tls: bool) -> Refused:
        endpoint = node.preferred_endpoint(self._config.cluster_preferred_endpoint_type) or ""
        return Refused(why, f"{why} {slot} {endpoint}:{node.client_port(tls)}")

    # ---- a client that waits
    def lost_for(self, question: Question) -> Refused | None:
        """Why a client need not wait any longer for the first of its keys; None: it may. Complexity: O(1)."""
        view = self._view()
        if not view.ok:
            return Refused(Why.DOWN)
        slot = hash_slot(question.keys[0])
        owner = view.owner[slot]
        if owner is view.myself or slot in view.importing or (owner is not None and self._may_read(question, owner)):
            return None
        return Refused(Why.NOT_SERVED) if owner is None else self._redirect(Why.MOVED, slot, owner, question.tls)
