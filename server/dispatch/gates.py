"""The gates: what may stop a command before it runs, in Redis's order (processCommand).

A gate is a small function of the Call that raises CommandError to refuse, or Postponed to keep the client waiting. Each
command keeps the tuple of gates that can fire for it; rooms register theirs at start with `gate`. A refusal inside
MULTI spoils the transaction.

Most of the time none can fire, and the executor sees that at a glance: a gate is asked only while a condition is in
force (`conditions`, `Client.slow`, maxmemory reached) that keeps fast paths from running. So whatever makes a gate fire
has to be such a condition; a gate of which that is not true stands in UNANNOUNCED, and is always asked.
"""

from collections.abc import Callable, Sequence

from server.acl import log as acl_log
from server.acl.selector import Denial, Denied
from server.acl.user import User, denial_text
from server.clients import client as c
from server.dispatch.call import Call
from server.dispatch.record import OF_SUBSCRIBERS
from server.registry import errors
from server.registry.command import (
    DENYOOM,
    LOADING,
    MAY_REPLICATE,
    NO_ASYNC_LOADING,
    NO_AUTH,
    PROTECTED,
    READONLY,
    WRITE,
    Command,
    CommandFlag,
    every_command,
)
from server.registry.dataclass import dataclass
from server.registry.errors import LOADING as IS_LOADING, CommandError

Check = Callable[[Call], None]  # raises what refuses the call


class Postponed(Exception):
    """The client waits (CLIENT PAUSE): the loop runs the command again later."""


@dataclass(frozen=True)
class Gate:
    """One entry: its place in the order, and for which commands it can fire."""

    order: int
    name: str
    check: Check
    concerns: Callable[[Command], bool]


# Redis's order; rooms that come later take their place by number.
ORDER = {
    "fault": 5,
    "protected": 10,
    "authenticated": 20,
    "no-multi": 25,
    "permitted": 30,
    "cluster": 40,
    "script": 45,
    "memory": 50,
    "disk": 60,
    "min-replicas": 70,
    "readonly-replica": 80,
    "subscribed": 90,
    "stale": 100,
    "loading": 110,
    "async-loading": 115,
    "busy": 120,
    "replica": 125,
    "paused": 130,
}
UNANNOUNCED = {"protected", "script", "async-loading"}
_gates: list[Gate] = []


def gate(
    name: str, concerns: Callable[[Command], bool] = lambda command: True
) -> Callable[[Check], Check]:
    """Register a gate by its name in ORDER; `concerns` says for which commands."""

    def register(check: Check) -> Check:
        _gates.append(Gate(ORDER[name], name, check, concerns))
        return check

    return register


def assign_gates() -> None:
    """Give every command its tuple. Called once all rooms are loaded."""
    _gates.sort(key=lambda entry: entry.order)
    for command in every_command():
        concerning = [entry for entry in _gates if entry.concerns(command)]
        command.gates = tuple(entry.check for entry in concerning)
        command.gated = any(entry.name in UNANNOUNCED for entry in concerning)


def checks(command: Command, names: Sequence[str]) -> tuple[Check, ...]:
    """The checks of those gates that can fire for a command, in Redis's order: scripts pick what concerns them."""
    return tuple(entry.check for entry in _gates if entry.name in names and entry.concerns(command))


@gate("protected", lambda command: command.has(PROTECTED))
def protected(call: Call) -> None:
    """enable-debug-command and enable-module-command: no, yes, or local connections only."""
    name = call.command.name.split("|")[0]
    allowed = call.config.enable_module_command if name == "module" else call.config.enable_debug_command
    local = call.client.has(c.UNIX_SOCKET) or call.client.address.startswith(("127.", "[::1]", "::1"))
    if allowed == "yes" or (allowed == "local" and local) or call.client.has(c.FAKE):
        return
    raise CommandError(
        f'ERR {name.upper()} command not allowed. If the enable-{name}-command option is set to "local", you can run '
        "it from a local connection, otherwise you need to set this option in the configuration file, and then "
        "restart the server."
    )


@gate("authenticated", lambda command: not command.has(NO_AUTH))
def authenticated(call: Call) -> None:
    """Nothing but AUTH, HELLO, QUIT and RESET before a password was given."""
    if call.client.slow & c.STRANGER:
        raise CommandError(errors.NO_AUTH)


@gate("permitted")
def permitted(call: Call) -> None:
    """What the client's user may do; a refusal stands in ACL LOG."""
    user = call.client.user
    if call.client.slow & c.RESTRICTED and user is not None and (denied := denied_to(user, call)) is not None:
        raise CommandError(b"NOPERM " + denial_text(user, call.command, call.argv, denied))


def denied_to(user: User, call: Call) -> Denied | None:
    """Why the client's user may not make the call, which is noted; None when it may."""
    client = call.client
    run = call.server.scripting.run if client.has(c.SCRIPT) else None
    denied = user.may(call.command, call.argv)
    if denied is not None:
        context = acl_log.LUA if client.has(c.SCRIPT) else acl_log.MULTI if client.has(c.MULTI) else acl_log.TOPLEVEL
        what = call.command.name.encode() if denied.kind == Denial.COMMAND else call.argv[denied.at]
        origin = run.caller if run is not None else client
        call.server.authentication.note(origin, acl_log.Entry(denied.reason, context, what, user.name))
    return denied


_BY_NOW = {
    Denial.COMMAND: "no permission to execute the command or subcommand",
    Denial.KEY: "no permission to touch the specified keys",
    Denial.CHANNEL: "no permission to access one of the channels used as arguments",
}


def forbidden_by_now(call: Call) -> CommandError | None:
    """For EXEC: what was permitted when it was queued may not be any more. None: it is."""
    user = call.client.user
    denied = denied_to(user, call) if user is not None else None
    if denied is None:
        return None
    error = CommandError(
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command "
        f"is no longer allowed for the following reason: {_BY_NOW[denied.kind]}"
    )
    call.server.stats.count_error(error)
    return error


def flags_of(call: Call) -> CommandFlag:
    """The flags to judge a call by: EXEC counts as what it is going to run."""
    if call.command.name == "exec" and call.client.transaction is not None:
        return call.client.transaction.flags
    return call.command.flags


def lacks(flag: CommandFlag) -> Callable[[Command], bool]:
    """Which commands a gate concerns that only lets those pass that have a flag; EXEC may hold some that do not."""
    return lambda command: not command.has(flag) or command.name == "exec"


def is_without(call: Call, flag: CommandFlag) -> bool:
    """Whether a call lacks a flag; EXEC does when anything in its transaction does."""
    if call.command.name != "exec":
        return True                        # `lacks` said so
    return call.client.transaction is not None and not call.client.transaction.every_flag & flag


_ENDS_MULTI = {"exec", "discard", "quit", "reset"}


@gate("memory")
def memory(call: Call) -> None:
    """Make room when over maxmemory; refuse what would need more when that fails. EXEC counts as what it holds; other
    commands inside MULTI would only make the queue longer."""
    if not call.config.maxmemory or call.server.make_room():
        return
    if flags_of(call) & DENYOOM or (call.client.has(c.MULTI) and call.command.name not in _ENDS_MULTI):
        raise CommandError(errors.OUT_OF_MEMORY)


@gate("min-replicas", lambda command: command.has(WRITE) or command.name == "exec")
def enough_replicas(call: Call) -> None:
    """min-replicas-to-write: no writes on a master with too few good replicas."""
    replication = call.server.replication
    if (call.config.min_replicas_to_write > replication.master.good_replicas and call.config.min_replicas_max_lag
            and replication.following is None and flags_of(call) & WRITE):
        raise CommandError("NOREPLICAS Not enough good replicas to write.")


@gate("subscribed", lambda command: command.name not in OF_SUBSCRIBERS)
def subscribed(call: Call) -> None:
    """A RESP2 client with subscriptions may only manage them."""
    if call.client.resp == 2 and call.client.slow & c.SUBSCRIBED:
        raise CommandError(
            f"ERR Can't execute '{call.command.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
            "are allowed in this context"
        )


@gate("loading", lacks(LOADING))
def loading(call: Call) -> None:
    """While a file is loaded only what needs no data runs."""
    if call.server.loading and is_without(call, LOADING):
        raise CommandError(IS_LOADING)


@gate("async-loading", lambda command: command.has(NO_ASYNC_LOADING))
def async_loading(call: Call) -> None:
    """While a full sync is loaded aside, what would save the old data or change the role waits."""
    if call.server.progress.aside:
        raise CommandError(IS_LOADING)


@gate("replica", lambda command: command.has(WRITE | READONLY | MAY_REPLICATE))
def replica(call: Call) -> None:
    """Who is sent what others do, as a replica or by MONITOR, may not use keys: CLIENT PAUSE does not hold it."""
    if call.client.has(c.REPLICA):
        raise CommandError("ERR Replica can't interact with the keyspace")


@gate("paused", lambda command: True)
def paused(call: Call) -> None:
    """CLIENT PAUSE: writes (or everything) wait."""
    pause = call.server.pause
    if pause.strength and pause.holds(call):
        raise Postponed
