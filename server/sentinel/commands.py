"""SENTINEL, ROLE, and what PUBLISH and INFO are in this mode."""

from collections.abc import Iterable

from server.dispatch.call import Call
from server.registry import args
from server.registry.command import ADMIN, FAST, LOADING, NOSCRIPT, SENTINEL, STALE, container, group
from server.registry.errors import CommandError
from server.registry.info import render
from server.registry.light import TYPE_CHECKING, Any, cast
from server.registry.reply import NULL_ARRAY, OK, NullArray, Pairs, Verbatim
from server.sentinel import options, replies
from server.sentinel.actions import NOTICE, WARNING, Note
from server.sentinel.driver import Driver
from server.sentinel.hello import CHANNEL
from server.sentinel.instance import DOWN, FAILOVER_IN_PROGRESS, Master
from server.sentinel.settings import AFTER_ELECTION, CRASHES
from server.sentinel.state import CannotCreate
from server.sentinel.words import bytes_of, text_of

if TYPE_CHECKING:
    from server.sentinel_mode import SentinelServer

command = group("sentinel")
container("SENTINEL", "sentinel", "Everything about the masters that this sentinel watches.", since="2.8.4",
          flags=ADMIN | SENTINEL)

_FLAGS = ADMIN | SENTINEL
INFO_SECTIONS = ("server", "clients", "cpu", "stats", "sentinel")
_NOT_SAVED = "ERR Failed to save config file. Check server logs."


def driver_of(call: Call) -> Driver:
    """The sentinel that is asked."""
    return cast("SentinelServer", call.server).sentinel


def _master(driver: Driver, name: bytes) -> Master:
    master = driver.state.masters.get(text_of(name))
    if master is None:
        raise CommandError("ERR No such master with that name")
    return master


def _saved(driver: Driver) -> str:
    """OK when what was asked for is on disk."""
    driver.state.save()
    if not driver.carry_out():
        raise CommandError(_NOT_SAVED)
    return OK


# ---- what is known
@command("SENTINEL|MYID", arity=2, flags=_FLAGS, since="6.2.0")
def myid(call: Call) -> bytes:
    """Tell this sentinel's id.

    Complexity: O(1)
    """
    return driver_of(call).state.myid.encode()


@command("SENTINEL|MASTERS", arity=2, flags=_FLAGS, since="2.8.4")
def masters(call: Call) -> list[Pairs]:
    """Describe all masters that are watched.

    Complexity: O(N) where N is the number of masters
    """
    state = driver_of(call).state_now()
    return replies.instances_reply(state, state.masters.values())


@command("SENTINEL|MASTER", arity=3, flags=_FLAGS, since="2.8.4", syntax="master-name")
def master_(call: Call, name: bytes) -> Pairs:
    """Describe one master.

    Complexity: O(1)
    """
    driver = driver_of(call)
    return replies.instance_reply(driver.state_now(), _master(driver, name))


def _replicas(call: Call, name: bytes) -> list[Pairs]:
    driver = driver_of(call)
    return replies.instances_reply(driver.state_now(), _master(driver, name).replicas.values())


@command("SENTINEL|REPLICAS", arity=3, flags=_FLAGS, since="5.0.0", syntax="master-name")
def replicas(call: Call, name: bytes) -> list[Pairs]:
    """Describe the replicas of a master.

    Complexity: O(N) where N is the number of replicas
    """
    return _replicas(call, name)


@command("SENTINEL|SLAVES", arity=3, flags=_FLAGS, since="2.8.0", syntax="master-name",
         deprecated=("5.0.0", "`SENTINEL REPLICAS`"))
def slaves(call: Call, name: bytes) -> list[Pairs]:
    """Describe the replicas of a master.

    Complexity: O(N) where N is the number of replicas.
    """
    return _replicas(call, name)


@command("SENTINEL|SENTINELS", arity=3, flags=_FLAGS, since="2.8.4", syntax="master-name")
def sentinels(call: Call, name: bytes) -> list[Pairs]:
    """Describe the other sentinels that watch a master.

    Complexity: O(N) where N is the number of sentinels
    """
    driver = driver_of(call)
    return replies.instances_reply(driver.state_now(), _master(driver, name).sentinels.values())


@command("SENTINEL|GET-MASTER-ADDR-BY-NAME", arity=3, flags=_FLAGS, since="2.8.4", syntax="master-name")
def get_master_addr_by_name(call: Call, name: bytes) -> list[bytes] | NullArray:
    """Tell where a master is: what clients ask.

    Complexity: O(1)
    """
    state = driver_of(call).state
    master = state.masters.get(text_of(name))
    if master is None:
        return NULL_ARRAY
    address = master.current_address
    return [bytes_of(state.announced(address)), b"%d" % address.port]


@command("SENTINEL|INFO-CACHE", arity=-3, flags=_FLAGS, since="3.2.0", syntax="nodename [nodename ...]")
def info_cache(call: Call, *names: bytes) -> list[Any]:
    """Show the last INFO of masters and their replicas, and how old it is.

    Complexity: O(N) where N is the number of instances
    """
    state = driver_of(call).state_now()
    chosen = dict.fromkeys(map(text_of, names))
    return replies.info_cache_reply(state, [state.masters[name] for name in chosen if name in state.masters])


@command("SENTINEL|PENDING-SCRIPTS", arity=2, flags=_FLAGS, since="2.8.4")
def pending_scripts(call: Call) -> list[Pairs]:
    """Show the scripts that run or wait.

    Complexity: O(N) where N is the number of scripts
    """
    state = driver_of(call).state_now()
    return [replies.script_reply(job, state.now) for job in state.scripts.jobs]


@command("SENTINEL|CKQUORUM", arity=3, flags=_FLAGS, since="2.8.4", syntax="master-name")
def ckquorum(call: Call, name: bytes) -> str:
    """Check that enough sentinels can be reached, for the quorum and for the majority that a failover needs.

    Complexity: O(N) where N is the number of sentinels
    """
    master = _master(driver_of(call), name)
    usable = 1 + sum(not one.flags & DOWN for one in master.sentinels.values())
    majority = (len(master.sentinels) + 1) // 2 + 1
    lacks = []
    if usable < master.quorum:
        lacks.append("Not enough available Sentinels to reach the specified quorum for this master")
    if usable < majority:
        lacks.append("Not enough available Sentinels to reach the majority and authorize a failover")
    if lacks:
        raise CommandError(f"NOQUORUM {usable} usable Sentinels. {'. '.join(lacks)}")
    return f"OK {usable} usable Sentinels. Quorum and failover authorization can be reached"


# ---- what is watched
@command("SENTINEL|MONITOR", arity=6, flags=_FLAGS, since="2.8.4", syntax="name ip port quorum")
def monitor(call: Call, name: bytes, host: bytes, port: bytes, quorum: bytes) -> str:
    """Watch one more master.

    Complexity: O(1)
    """
    driver = driver_of(call)
    state = driver.state_now()
    count = args.integer(quorum, "ERR Invalid quorum")
    number = args.integer(port, "ERR Invalid port")
    if count <= 0:
        raise CommandError("ERR Quorum must be 1 or greater.")
    if state.names.look_up(text_of(host), numeric=not state.settings.resolve_hostnames) is None:
        raise CommandError("ERR Invalid IP address or hostname specified")
    try:
        master = state.add_master(text_of(name), text_of(host), number, count)
    except CannotCreate as error:
        raise CommandError(f"ERR {error}") from None
    state.event(WARNING, "+monitor", master, f"quorum {master.quorum}")
    return _saved(driver)


@command("SENTINEL|REMOVE", arity=3, flags=_FLAGS, since="2.8.4", syntax="master-name")
def remove(call: Call, name: bytes) -> str:
    """Watch a master no more.

    Complexity: O(N) where N is the number of its replicas and sentinels
    """
    driver = driver_of(call)
    master = _master(driver, name)
    driver.state.event(WARNING, "-monitor", master, "")
    driver.state.remove_master(master)
    return _saved(driver)


@command("SENTINEL|RESET", arity=3, flags=_FLAGS, since="2.8.4", syntax="pattern")
def reset(call: Call, pattern: bytes) -> int:
    """Forget replicas, sentinels and failovers of all masters whose names match; they are found anew.

    Complexity: O(N) where N is the number of masters that are watched
    """
    driver = driver_of(call)
    count = driver.state_now().reset_matching(pattern)
    driver.carry_out()
    return count


@command("SENTINEL|FAILOVER", arity=3, flags=_FLAGS, since="2.8.4", syntax="master-name")
def failover(call: Call, name: bytes) -> str:
    """Replace a master by its best replica, whether or not it is down and without asking the others.

    Complexity: O(N) where N is the number of replicas
    """
    driver = driver_of(call)
    state = driver.state_now()
    master = _master(driver, name)
    if master.flags & FAILOVER_IN_PROGRESS:
        raise CommandError("INPROG Failover already in progress")
    if driver.protocol.failovers.best_replica(master) is None:
        raise CommandError("NOGOODSLAVE No suitable replica to promote")
    state.note(NOTICE, f"Executing user requested FAILOVER of '{master.name}'")
    driver.protocol.failovers.begin(master, forced=True)
    driver.carry_out()
    return OK


@command("SENTINEL|IS-MASTER-DOWN-BY-ADDR", arity=6, flags=_FLAGS, since="2.8.4",
         syntax="ip port current-epoch runid")
def is_master_down_by_addr(call: Call, host: bytes, port: bytes, epoch: bytes, runid: bytes) -> list[Any]:
    """Say whether the master of that address is down as this sentinel sees it, and for whom it votes.

    A runid other than * asks for the vote.

    Complexity: O(N) where N is the number of masters
    """
    driver = driver_of(call)
    number, wanted = args.integer(port), args.integer(epoch)
    down, leader, leader_epoch = driver.protocol.is_master_down(text_of(host), number, wanted, text_of(runid),
                                                                driver.now())
    if not driver.saved:                        # it may be one that could not be kept when it was given
        driver.state.save()
    if not driver.carry_out():
        leader, leader_epoch = "*", 0           # a vote that is not kept is not told
    return [int(down), bytes_of(leader), leader_epoch]


# ---- what may be changed
@command("SENTINEL|SET", arity=-5, flags=_FLAGS, since="2.8.4", syntax="master-name option value [option value ...]")
def set_(call: Call, name: bytes, *words: bytes) -> str:
    """Change what is set for a master.

    Complexity: O(N) where N is the number of options
    """
    driver = driver_of(call)
    state = driver.state_now()
    master = _master(driver, name)
    try:
        options.set_options(state, master, words)
    except CommandError:
        driver.carry_out()
        raise
    return _saved(driver)


@command("SENTINEL|CONFIG", arity=-4, flags=_FLAGS, since="6.2.0",
         syntax="<SET parameter value [parameter value ...] | GET parameter [parameter ...]>",
         history=(("7.2.0", "Takes several parameters."),))
def config(call: Call, action: bytes, *words: bytes) -> Pairs | str:
    """Show or change what is set for the sentinel as a whole.

    Complexity: O(N) where N is the number of parameters
    """
    driver = driver_of(call)
    state = driver.state_now()
    if action.lower() == b"get":
        return replies.as_pairs(options.globals_matching(state, words, call.config.loglevel))
    if action.lower() != b"set" or len(words) < 2:
        raise CommandError("ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...]/ SET <param> <value> [<param> "
                           "<value> ...] are supported.")
    for name, value in options.checked_globals(words).items():
        if name == "loglevel":
            call.config.set([("loglevel", text_of(value).lower())])
        else:
            options.set_global(state, name, value)
    return _saved(driver)


@command("SENTINEL|DEBUG", arity=-2, flags=_FLAGS, since="7.0.0", syntax="[parameter value [parameter value ...]]")
def debug(call: Call, *words: bytes) -> Pairs | str:
    """Show or change periods and timeouts, in milliseconds.

    Complexity: O(N) where N is the number of parameters
    """
    state = driver_of(call).state_now()
    if not words:
        return replies.timings_reply(state)
    options.set_timings(state, words)
    return OK


@command("SENTINEL|FLUSHCONFIG", arity=2, flags=_FLAGS, since="2.8.4")
def flushconfig(call: Call) -> str:
    """Write the configuration file, with the state of this sentinel.

    Complexity: O(N) where N is the number of instances
    """
    return _saved(driver_of(call))


@command("SENTINEL|SIMULATE-FAILURE", arity=-3, flags=_FLAGS, since="3.2.0",
         syntax="[CRASH-AFTER-ELECTION | CRASH-AFTER-PROMOTION | HELP ...]")
def simulate_failure(call: Call, *words: bytes) -> list[bytes] | str:
    """Have this sentinel crash in the midst of its next failover.

    Complexity: O(1)
    """
    driver = driver_of(call)
    chosen = driver.state.settings.crash_after
    chosen.clear()
    for word in words:
        name = text_of(word).lower()
        if name == "help":
            return [one.encode() for one in CRASHES]
        if name not in CRASHES:
            raise CommandError("ERR Unknown failure simulation specified")
        chosen.add(name)
        when = ("being successfully elected as failover leader" if name == AFTER_ELECTION
                else "promoting the selected replica to master")
        driver.state.outbox.add(Note(WARNING, f"Failure simulation: this Sentinel will crash after {when}"))
    driver.carry_out()
    return OK


# ---- other commands
@command("SENTINEL|HELP", arity=2, flags=LOADING | STALE | SENTINEL, since="6.2.0")
def help_(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return _HELP.splitlines()


@group("server")("ROLE", arity=1, flags=NOSCRIPT | LOADING | STALE | FAST | SENTINEL, since="2.8.12",
                 acl=("admin", "dangerous"))
def role(call: Call) -> list[Any]:
    """Say that this is a sentinel, and which masters it watches.

    Complexity: O(N) where N is the number of masters
    """
    return [b"sentinel", [bytes_of(name) for name in driver_of(call).state.masters]]


def publish(call: Call, channel: bytes, message: bytes) -> int:
    """PUBLISH: other sentinels say hello; nobody else says anything."""
    if channel != CHANNEL:
        raise CommandError("ERR Only HELLO messages are accepted by Sentinel instances.")
    driver = driver_of(call)
    driver.protocol.hello(message, driver.now())
    driver.carry_out()
    return 1


def info(call: Call, *sections: bytes) -> Verbatim:
    """INFO: of the sections there are only some in this mode."""
    names = [text_of(name).lower() for name in sections] or ["default"]
    if {"all", "default", "everything"} & set(names):
        names = list(INFO_SECTIONS)
    shown = info_words(name for name in names if name in INFO_SECTIONS)
    return Verbatim(render(call.server.parts, shown or (b"none",)))


def info_words(sections: Iterable[str] = INFO_SECTIONS) -> tuple[bytes, ...]:
    """As arguments of INFO."""
    return tuple(name.encode() for name in sections)


_HELP = """\
SENTINEL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
CKQUORUM <master-name>
    Check if the current Sentinel configuration is able to reach the quorum
    needed to failover a master and the majority needed to authorize the
    failover.
CONFIG SET param value [param value ...]
    Set a global Sentinel configuration parameter.
CONFIG GET <param> [param param param ...]
    Get global Sentinel configuration parameter.
DEBUG [<param> <value> ...]
    Show a list of configurable time parameters and their values (milliseconds).
    Or update current configurable parameters values (one or more).
GET-MASTER-ADDR-BY-NAME <master-name>
    Return the ip and port number of the master with that name.
FAILOVER <master-name>
    Manually failover a master node without asking for agreement from other
    Sentinels
FLUSHCONFIG
    Force Sentinel to rewrite its configuration on disk, including the current
    Sentinel state.
INFO-CACHE <master-name>
    Return last cached INFO output from masters and all its replicas.
IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>
    Check if the master specified by ip:port is down from current Sentinel's
    point of view.
MASTER <master-name>
    Show the state and info of the specified master.
MASTERS
    Show a list of monitored masters and their state.
MONITOR <name> <ip> <port> <quorum>
    Start monitoring a new master with the specified name, ip, port and quorum.
MYID
    Return the ID of the Sentinel instance.
PENDING-SCRIPTS
    Get pending scripts information.
REMOVE <master-name>
    Remove master from Sentinel's monitor list.
REPLICAS <master-name>
    Show a list of replicas for this master and their state.
RESET <pattern>
    Reset masters for specific master name matching this pattern.
SENTINELS <master-name>
    Show a list of Sentinel instances for this master and their state.
SET <master-name> <option> <value> [<option> <value> ...]
    Set configuration parameters for certain masters.
SIMULATE-FAILURE [CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]
    Simulate a Sentinel crash.
HELP
    Print this help."""
