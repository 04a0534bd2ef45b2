"""CLUSTER's atomic slot migration, by the commands of Valkey 9, and CLUSTER SYNCSLOTS, by which our nodes do it.

The rules are `server.cluster.atomic_moves`'; `dispatch.slot_migrating` does what follows.
"""

from collections import deque
from collections.abc import Sequence

from server.clients.client import IMPORTS
from server.cluster import slots
from server.cluster.slots import COUNT
from server.dispatch.call import Call
from server.dispatch.node import node_of, text
from server.registry import args
from server.registry.command import ADMIN, LOADING, NO_ASYNC_LOADING, NOSCRIPT, STALE, group
from server.registry.errors import CommandError, syntax, wrong_arity
from server.registry.light import TYPE_CHECKING
from server.registry.reply import OK

if TYPE_CHECKING:
    from server.dispatch.slot_migrating import SlotMigrating

command = group("cluster")

BAD_SLOT = "ERR Invalid or out of range slot"


def _slot(word: bytes) -> int:
    return args.integer_in(word, 0, COUNT - 1, BAD_SLOT)


def _ranges(words: Sequence[bytes]) -> int:
    """First and last slot, first and last slot... as a set. Errors: two ranges with one slot. O(ranges), which may be
    thousands."""
    together = 0
    seen: list[tuple[int, int]] = []
    for at in range(0, len(words), 2):
        first = _slot(words[at])
        if at + 1 == len(words):
            raise CommandError("ERR No end slot for final slot range")
        last = _slot(words[at + 1])
        if first > last:
            raise CommandError(f"ERR Start slot number {first} is greater than end slot number {last}")
        wanted = slots.span(first, last)
        if together & wanted:
            other = next(run for run in seen if run[0] <= last and first <= run[1])
            raise CommandError(f"ERR Slot range {first}-{last} overlaps with previous range {other[0]}-{other[1]}")
        seen.append((first, last))
        together |= wanted
    return together


def _take_block(words: deque[bytes], migrating: "SlotMigrating") -> tuple[int, str]:
    """SLOTSRANGE start end [start end ...] NODE id, off the front: slots and node, checked."""
    if words.popleft().upper() != b"SLOTSRANGE":
        raise syntax()
    numbers: list[bytes] = []
    while words and words[0].upper() != b"NODE" and (args.parse_integer(words[0]) is not None or numbers):
        numbers.append(words.popleft())
    if not numbers:
        raise CommandError("ERR No slot ranges specified")
    moving = _ranges(numbers)
    migrating.moves.check_slots(moving)
    if len(words) < 2:
        raise syntax()
    words.popleft()
    name = text(words.popleft())
    migrating.moves.check_target(moving, name)
    return moving, name


@command("CLUSTER|MIGRATESLOTS", arity=-5, flags=ADMIN | STALE | NO_ASYNC_LOADING, since="9.0.0",
         syntax="SLOTSRANGE start-slot end-slot [start-slot end-slot ...] NODE node-id")
def cluster_migrateslots(call: Call, *words: bytes) -> str:
    """Move slots that this node serves to other nodes of the cluster, at once when all of their keys are there.

    Complexity: O(N) where N is the total number of the slots between all start slot and end slot arguments
    """
    migrating = node_of(call).migrating
    rest = deque(words)
    if rest[0].upper() != b"SLOTSRANGE":
        raise syntax()
    migrating.moves.may_migrate()
    wanted = []
    while rest:
        wanted.append(_take_block(rest, migrating))
    migrating.migrate(wanted)
    return OK


@command("CLUSTER|CANCELSLOTMIGRATIONS", arity=2, flags=ADMIN | STALE | NO_ASYNC_LOADING, since="9.0.0")
def cluster_cancelslotmigrations(call: Call) -> str:
    """End all atomic slot migrations that this node is the source of.

    Complexity: O(N) where N is the number of migrations under way
    """
    node_of(call).migrating.cancel()
    return OK


@command("CLUSTER|GETSLOTMIGRATIONS", arity=2, flags=ADMIN | STALE | LOADING, since="9.0.0",
         tips=("nondeterministic_output",))
def cluster_getslotmigrations(call: Call) -> list[dict[bytes, bytes | int]]:
    """Tell of the atomic slot migrations that this node takes part in, and of the last that have ended.

    Complexity: O(N) where N is the number of migrations that are told of
    """
    return node_of(call).migrating.moves.told()


# ---- among our nodes
def _followers_word(call: Call, migrating: "SlotMigrating", word: bytes, those: int) -> None:
    """What our master, or a file of ours, says of hidden slots."""
    if not call.client.obeyed or call.client.has(IMPORTS):
        raise CommandError("ERR Only a master and a file hide slots")
    (migrating.hide if word == b"HIDE" else migrating.show)(those)


@command("CLUSTER|SYNCSLOTS", arity=-3, flags=ADMIN | STALE | LOADING | NOSCRIPT, since="9.0.0",
         syntax="<ESTABLISH | SNAPSHOT-EOF | ACK | TAKE | ABORT | HIDE | SHOW> [argument ...]")
def cluster_syncslots(call: Call, word: bytes, *words: bytes) -> object:
    """What nodes say to each other in an atomic slot migration; it is for nobody else.

    Complexity: O(N) where N is the number of slots
    """
    migrating = node_of(call).migrating
    client, said = call.client, word.upper()
    if said == b"ACK" and not words:
        migrating.brought_by(client)
    elif said == b"SNAPSHOT-EOF" and not words:
        migrating.complete(client)
    elif said == b"TAKE" and len(words) == 2:
        migrating.take(client, args.integer(words[0]), args.integer(words[1]))
    elif said == b"ESTABLISH" and len(words) > 3:
        migrating.establish(client, text(words[0]), text(words[1]), _ranges(words[2:]))
    elif said == b"ABORT" and len(words) > 2:
        migrating.abort(text(words[0]), _ranges(words[1:]))
    elif said in (b"HIDE", b"SHOW") and words:
        _followers_word(call, migrating, said, _ranges(words))
    else:
        raise syntax() if said not in _WORDS else wrong_arity(call.command.name)
    return OK


_WORDS = (b"ACK", b"SNAPSHOT-EOF", b"TAKE", b"ESTABLISH", b"ABORT", b"HIDE", b"SHOW")
