"""What a script declares is known before it runs: gates judge EVAL and FCALL by it.

A script with a shebang line counts as a command that writes and needs memory, unless its flags say otherwise; so it is
refused as such a command is, before it begins (and spoils a transaction), and with no-writes it does not wait under
CLIENT PAUSE WRITE. A script without a shebang line counts as what EVAL is.
"""

from collections.abc import Callable
from functools import cache

from scripting.flags import ALLOW_OOM, ALLOW_STALE, NO_WRITES
from server.clients.seams import RunningCommand
from server.dispatch import gates
from server.dispatch.call import Call
from server.registry.command import DENYOOM, MAY_REPLICATE, STALE, WRITE, Command, CommandFlag
from server.registry.errors import CommandError
from server.registry.light import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from scripting.run import Scripting

_RUN_SCRIPTS = {"eval", "eval_ro", "evalsha", "evalsha_ro"}
_RUN_FUNCTIONS = {"fcall", "fcall_ro"}
_JUDGES = ("memory", "disk", "min-replicas", "readonly-replica", "stale")


class _Judged:
    """Stands for the command, with a script's flags."""

    def __init__(self, command: Command, flags: int) -> None:
        self.name = command.name
        self.flags: CommandFlag = command.flags & ~(STALE | DENYOOM | WRITE | MAY_REPLICATE)
        if not flags & (ALLOW_OOM | NO_WRITES):
            self.flags |= DENYOOM
        if not flags & NO_WRITES:
            self.flags |= WRITE
        if flags & ALLOW_STALE:
            self.flags |= STALE

    def has(self, flag: CommandFlag) -> bool:
        return bool(self.flags & flag)


@cache
def _judged(command: Command, flags: int) -> tuple[Command, tuple[Callable[[Any], None], ...]]:
    """The stand-in and the gates that concern it."""
    judged = cast(Command, _Judged(command, flags))
    return judged, gates.checks(judged, _JUDGES)


def declared(scripting: "Scripting", call: RunningCommand) -> int | None:
    """The flags of the script or function that a call names. None: it declares none, is not there, or does not compile
    (which its command will say)."""
    name = call.command.name
    if scripting.run is not None:
        return None
    if name in _RUN_FUNCTIONS:
        function = scripting.functions.find(call.argv[1])
        return None if function is None else function.flags
    if not name.startswith("evalsha") and not call.argv[1].startswith(b"#!"):
        return None
    try:
        scripts = scripting.scripts
        script = scripts.find(call.argv[1]) if name.startswith("evalsha") else scripts.load(call.argv[1])
    except CommandError:
        return None
    return None if script is None else script.flags


@gates.gate("script", lambda command: command.name in _RUN_SCRIPTS | _RUN_FUNCTIONS)
def by_its_flags(call: Call) -> None:
    """What would refuse a command with the flags that the script declares refuses the script."""
    flags = declared(call.server.scripting, call)
    if flags is None:
        return
    judged, checks = _judged(call.command, flags)
    for check in checks:
        check(Call(call.client, call.server, judged, call.argv))
    if call.client.transaction is not None:
        call.client.transaction.declares(judged.flags)


def writes(scripting: "Scripting", call: RunningCommand) -> bool:
    """Whether a call is of a script that declares flags, and no-writes is not among them."""
    if call.command.name not in _RUN_SCRIPTS | _RUN_FUNCTIONS:
        return False
    flags = declared(scripting, call)
    return flags is not None and not flags & NO_WRITES


def only_reads(scripting: "Scripting", call: RunningCommand) -> bool:
    """Whether a call is of a script that declares no-writes."""
    if call.command.name not in _RUN_SCRIPTS | _RUN_FUNCTIONS:
        return False
    flags = declared(scripting, call)
    return flags is not None and bool(flags & NO_WRITES)
