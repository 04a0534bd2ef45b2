"""The gate of a cluster: a command is for this node, or its client is told whom to ask.

The door has let pass what is plainly ours (`door.serves`), so this is asked of commands for other slots, of slots on
their way, of clients that said ASKING, and of those few commands whose keys only Python finds.
"""

from collections.abc import Callable, Sequence

from server.clients import client as c
from server.clients.multi import discard
from server.clients.seams import RunningCommand
from server.cluster.redirects import NO_SLOT, Question
from server.dispatch.call import Call
from server.dispatch.door import judged
from server.dispatch.gates import gate
from server.registry.command import ASKING, MAY_REPLICATE, WRITE, Command
from server.registry.errors import CommandError
from server.structures.crc16 import hash_slot

_SHARDED = {"ssubscribe", "sunsubscribe", "spublish"}
also_write: list[Callable[[Call], bool]] = []       # tell of other calls that they write: scripts with a shebang line


def is_keyed(command: Command) -> bool:
    """Whether it names keys, or channels that live where a key of that name does."""
    return bool(command.keys.specs or command.keys.reader)


@gate("cluster", lambda command: is_keyed(command) or command.name == "exec")
def slot_served(call: Call) -> None:
    """Commands that name keys are served by the node that has their slot. EXEC is judged by all that it holds, and its
    transaction is over when that is not for us."""
    if call.server.redirects is None or call.client.obeyed:
        return
    try:
        judged(slot_of(call))
    except CommandError:
        if call.command.name == "exec":
            discard(call.client)
        raise


def is_held(call: RunningCommand, slots: int) -> bool:
    """While a set of slots is being handed over, of a call that may write: whether it has to wait. That is what names
    keys of these slots; a script, which may write to others than it names; and what writes without naming any."""
    commands, transaction = [(call.command, call.argv)], call.client.transaction
    if call.command.name == "exec" and transaction is not None:
        commands = transaction.commands
    return any(_writes_to(command, argv, slots) for command, argv in commands)


def _writes_to(command: Command, argv: Sequence[bytes], slots: int) -> bool:
    if not command.has(WRITE | MAY_REPLICATE):
        return False
    if command.group == "scripting":
        return True
    keys = keys_of(command, argv)
    return any(slots >> hash_slot(key) & 1 for key in keys) if keys else command.has(WRITE)


def slot_of(call: Call) -> int:
    """The slot of a call's keys, which are for this node; redirects.NO_SLOT without any. Errors: redirects.Refused.

    Complexity: O(keys).
    """
    redirects = call.server.redirects
    return NO_SLOT if redirects is None else redirects.slot_of(question_of(call))


def question_of(call: Call) -> Question:
    """What is asked of redirects about a call."""
    client, command = call.client, call.command
    question = Question(
        [], command.has(WRITE) or any(ask(call) for ask in also_write), command.name in _SHARDED,
        client.has(c.READONLY), bool(client.slow & c.ASKING) or command.has(ASKING), command.name == "migrate",
        call.server.tls.carries(client))
    if command.name != "exec":
        question.keys = keys_of(command, call.argv)
    elif client.transaction is not None:
        question.keys = [key for queued, argv in client.transaction.commands for key in keys_of(queued, argv)]
        question.writes = bool(client.transaction.flags & WRITE)
    return question


def keys_of(command: Command, argv: Sequence[bytes]) -> list[bytes]:
    """The keys, or shard channels, that a call names; none when its words are not what the command wants."""
    if command.name in _SHARDED:
        return [argv[at] for at in command.keys.specs[0].positions(argv) or ()]
    return [argv[reference.position] for reference in command.keys.references(argv) or ()]
