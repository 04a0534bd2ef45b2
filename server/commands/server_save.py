"""Snapshots by command: SAVE, BGSAVE, LASTSAVE."""

from server.clients.client import MULTI
from server.dispatch.call import Call
from server.registry.command import ADMIN, FAST, LOADING, NO_ASYNC_LOADING, NO_MULTI, NOSCRIPT, STALE, group
from server.registry.errors import CommandError, syntax
from server.registry.reply import OK

command = group("server")
IN_PROGRESS = "ERR Background save already in progress"
ANOTHER_CHILD = ("ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to "
                 "schedule a BGSAVE whenever possible.")


@command("SAVE", arity=1, flags=NO_ASYNC_LOADING | ADMIN | NOSCRIPT | NO_MULTI, since="1.0.0")
def save(call: Call) -> str:
    """Write all databases to the RDB file while everybody waits.

    Complexity: O(N) where N is the total number of keys in all databases
    """
    snapshots = call.server.snapshots
    if snapshots.in_progress:
        raise CommandError(IN_PROGRESS)
    snapshots.count += 1
    if not snapshots.save():
        raise CommandError("ERR")
    return OK


@command("BGSAVE", arity=-1, flags=NO_ASYNC_LOADING | ADMIN | NOSCRIPT, since="1.0.0", syntax="[SCHEDULE]",
         history=(("3.2.2", "Added the `SCHEDULE` option."),))
def bgsave(call: Call, *words: bytes) -> str:
    """Have a child process write all databases to the RDB file. With SCHEDULE, as soon as no other child is at work.

    Complexity: O(1)
    """
    schedule = bool(words)
    if len(words) > 1 or (words and words[0].upper() != b"SCHEDULE"):
        raise syntax()
    snapshots = call.server.snapshots
    if snapshots.in_progress:
        raise CommandError(IN_PROGRESS)
    in_exec = _in_exec(call)
    if call.server.child.alive or in_exec:
        if not schedule and not in_exec:
            raise CommandError(ANOTHER_CHILD)
        snapshots.scheduled = True
        return "Background saving scheduled"
    if not snapshots.save_in_background():
        raise CommandError("ERR")
    return "Background saving started"


def _in_exec(call: Call) -> bool:
    """Whether EXEC runs us: a fork now would see half of a transaction."""
    return bool(call.client.has(MULTI))


@command("LASTSAVE", arity=1, flags=LOADING | STALE | FAST, since="1.0.0", acl=("admin", "dangerous"),
         tips=("nondeterministic_output",))
def lastsave(call: Call) -> int:
    """Return the Unix time of the last snapshot that succeeded.

    Complexity: O(1)
    """
    return int(call.server.snapshots.last_save)
