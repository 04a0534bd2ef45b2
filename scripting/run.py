"""Scripting: what EVAL and FCALL share around a call.

A script is prepared (may it run at all?), begun (a pretended client for its commands, frozen time, one unit of
propagation), run, and ended. When it takes longer than busy-reply-threshold, other clients are served in between: they
hear -BUSY, except for the few commands that are allowed then (SCRIPT KILL, FUNCTION KILL, SHUTDOWN NOSAVE...).
"""

from iothreads.listen import close_listeners
from scripting import fast_eval, limits, redis_api
from scripting.flags import ALLOW_CROSS_SLOT_KEYS, ALLOW_OOM, ALLOW_STALE, NO_CLUSTER, NO_WRITES
from scripting.functions import Functions
from scripting.interpreter import Interpreter
from scripting.run_context import Run
from scripting.scripts import Scripts
from server.clients import client as c
from server.clients.client import Client
from server.dispatch import conditions, gates
from server.dispatch.call import Call
from server.registry.command import ALLOW_BUSY, COMMANDS, WRITE, Command, CommandFlag
from server.registry.errors import MASTERDOWN, CommandError
from server.registry.light import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from server.server import Server

BUSY_SCRIPT = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
BUSY_FUNCTION = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
NOT_BUSY = "NOTBUSY No scripts in execution right now."
UNKILLABLE = (
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script "
    "termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
)
UNKILLABLE_MASTER = (
    "UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot be killed."
)
_FAR_US = 1 << 62


class VmMemory(NamedTuple):
    """used_memory_vm_eval, used_memory_vm_functions and used_memory_vm_total of INFO, bytes."""

    scripts: int
    functions: int
    total: int


class Scripting:
    """One per server (`server.scripting`): the cache of scripts, the libraries, and the script under way."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self.scripts: Scripts = Scripts()
        self.functions: Functions = Functions()
        self._client = Client(0, server.keyspace.databases[0])
        self._kept: list[Client] = []
        self.slow_run: Run | None = None       # the script that others hear BUSY about

    @property
    def run(self) -> Run | None:
        """The script under way."""
        return redis_api.current()

    def vm_memory(self) -> "VmMemory":
        """What Lua holds now."""
        scripts, functions = self.scripts.vm_memory, self.functions.vm_memory
        return VmMemory(scripts, functions, scripts + functions)

    @property
    def memory(self) -> int:
        """used_memory_scripts: the texts of scripts and libraries."""
        return self.scripts.memory + self.functions.memory

    def texts(self) -> tuple[int, int]:
        """Of that, what scripts cost, and what libraries do."""
        return self.scripts.memory, self.functions.memory

    def attach_fast_path(self) -> None:
        """Once the commands have their records."""
        records = {command.name: command.record for command in COMMANDS.values()}
        fast_eval.attach(self._server, self, self._client, records)

    # ---- one call
    def execute(
        self,
        call: Call,
        where: Interpreter,
        function: int,
        name: bytes,
        flags: int | None,
        arguments: tuple[bytes, ...],
        *,
        eval: bool,
        read_only: bool,
    ) -> Any:
        """Run a compiled function for a client. arguments: numkeys, the keys, the rest. flags None: a script without a
        shebang line, to which the rules from before 7.0 apply."""
        keys = int(arguments[0])
        oom = bool(call.config.maxmemory) and not call.server.make_room()
        if flags is None and call.server.stale:
            raise CommandError(MASTERDOWN)
        if flags is not None:
            self._prepare(call, flags, read_only, oom)
            read_only = read_only or bool(flags & NO_WRITES)
        run = Run(
            call.server,
            self._client,
            call.client,
            name,
            call.argv,
            eval,
            read_only,
            flags is not None and bool(flags & ALLOW_OOM),
            oom,
        )
        words = list(arguments[1:])
        if flags is not None and not flags & ALLOW_CROSS_SLOT_KEYS and call.config.cluster_enabled:
            run.keep_to_slot(words[0] if keys else None)
        redis_api.begin(run)
        try:
            return where.call(function, name, words[:keys], words[keys:], eval, call.server.stats.count_error)
        finally:
            redis_api.begin(None)
            if run.timed_out:
                self.end_busy(run)

    def _prepare(self, call: Call, flags: int, read_only: bool, oom: bool) -> None:
        """What stops a script that declares flags inside EXEC, where no gate has looked at it (`declared`)."""
        if flags & NO_CLUSTER and call.config.cluster_enabled:
            raise CommandError("ERR Can not run script on cluster, 'no-cluster' flag is set.")
        if not flags & ALLOW_STALE and call.server.stale:
            raise CommandError(
                "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' flag "
                "is not set on the script."
            )
        if not flags & NO_WRITES:
            self._may_write(call, read_only)
        if oom and not flags & (ALLOW_OOM | NO_WRITES):
            raise CommandError(
                "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'"
            )

    def _may_write(self, call: Call, read_only: bool) -> None:
        for gate, text in (
            ("readonly-replica", b"READONLY Can not run script with write flag on readonly replica"),
            ("disk", b""),
        ):
            try:
                for check in gates.checks(_WRITER, (gate,)):
                    check(call)
            except CommandError as error:
                raise CommandError(text or _about_scripts(error.text)) from None
        if read_only:
            raise CommandError("ERR Can not execute a script with write flag using *_ro command.")
        for check in gates.checks(_WRITER, ("min-replicas",)):
            check(call)

    # ---- a script that takes long
    def slow(self) -> bool:
        """Called from within Lua: serve others for a moment. True when the script must end."""
        server, run = self._server, self.run
        if run is None:
            return False
        if not run.timed_out:
            server.log.warning(
                "Slow script detected: still in execution after %d milliseconds. You can try killing the script using "
                "the %s command. Script name is: %s.",
                limits.running_us() // 1000,
                "SCRIPT KILL" if run.eval else "FUNCTION KILL",
                run.name.decode("utf-8", "backslashreplace"),
            )
            self._begin_busy(run)
        timers = server.loop.timers
        due, timers.next_due_us = timers.next_due_us, _FAR_US  # no expiry, no eviction, no rehashing meanwhile
        try:
            server.loop.turn_once(0)
        finally:
            timers.next_due_us = min(due, timers.next_due_us)
            run.see_own_time()
        if server.loop.stopping and server.listeners:
            server.loop.listen([])  # nobody else comes in while the script is being ended
            close_listeners(server.listeners)
            server.listeners = []
        if run.killed:
            server.log.notice("Lua script killed by user with SCRIPT KILL.")
        return run.killed or server.loop.stopping

    def _begin_busy(self, run: Run) -> None:
        run.timed_out = True
        self.slow_run = run
        server = self._server
        self._kept = server.loop.everybody()  # the loop's turn under way may still name them
        server.loop.protect(run.caller)
        server.loop.attend(server.expiry.fast, False)  # the next cycle of the cron says whether it comes back
        conditions.slow_because("script")

    def end_busy(self, run: Run) -> None:
        """A script that was slow is over."""
        self.slow_run = None
        conditions.slow_because("script", False)
        self._server.loop.protect(None)
        self._kept = []

    def kill(self, eval: bool) -> str:
        """SCRIPT KILL and FUNCTION KILL."""
        run = self.run
        if run is None:
            raise CommandError(NOT_BUSY)
        if run.caller.has(c.MASTER):
            raise CommandError(UNKILLABLE_MASTER)
        if run.wrote:
            raise CommandError(UNKILLABLE)
        if eval != run.eval:
            raise CommandError(busy_text(run))
        run.killed = True
        return "OK"


def busy_text(run: Run) -> str:
    """What others hear while that script runs."""
    return BUSY_SCRIPT if run.eval else BUSY_FUNCTION


def _about_scripts(text: bytes) -> bytes:
    """A MISCONF error as scripts that may write are told it."""
    if b"AOF" in text:
        reason = text.rsplit(b": ", 1)[-1]
        return (
            b"MISCONF Redis is configured to persist data to AOF, but it's currently unable to persist to disk. "
            b"Writable scripts are blocked. Use 'no-writes' flag for read only scripts. AOF error: " + reason
        )
    return (
        b"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Writable "
        b"scripts are blocked. Use 'no-writes' flag for read only scripts."
    )


class _Writer:
    """Stands for a command that writes, to ask gates about."""

    name = "eval"
    flags = WRITE

    def has(self, flag: CommandFlag) -> bool:
        return bool(self.flags & flag)


_WRITER = cast(Command, _Writer())


@gates.gate("busy", lambda command: not command.has(ALLOW_BUSY))
def busy(call: Call) -> None:
    """While a script runs for too long, others may only end it."""
    run = call.server.scripting.slow_run
    if run is not None and call.client is not run.caller:
        raise CommandError(busy_text(run))
