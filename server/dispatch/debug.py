"""DEBUG about how commands run: fast paths on or off, the cron paused, data written out and read in again."""

from server.dispatch import appending, conditions, saving
from server.dispatch.call import Call
from server.dispatch.cron import Cron
from server.dispatch.node import node_of, text
from server.registry import args
from server.registry.debug import MANY, Subcommands, WrongWords
from server.registry.errors import CommandError, named, syntax
from server.registry.reply import OK

subcommand = Subcommands(Call)


@subcommand(
    "RELOAD", 0, MANY, "[option ...]", "Save the RDB file, empty the databases, load the file. Options:",
    "* MERGE: keys of the file replace those that are there.", "* NOFLUSH: leave the databases as they are.",
    "* NOSAVE: load the file that is there.",
)
def reload(call: Call, *words: bytes) -> str:
    """Whether a snapshot holds everything."""
    options = {word.upper() for word in words}
    if not options <= {b"MERGE", b"NOFLUSH", b"NOSAVE"}:
        raise CommandError("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    saving.reload(
        call.server, save=b"NOSAVE" not in options, flush=b"NOFLUSH" not in options, merge=b"MERGE" in options
    )
    return OK


@subcommand("LOADAOF", 0, 0, "", "Write out the AOF buffer, empty the databases, load the AOF.")
def loadaof(call: Call) -> str:
    """Whether the append only file holds everything."""
    call.propagate_nothing()
    appending.reload(call.server)
    return OK


@subcommand("CLUSTERLINK", 3, 3, "KILL <to|from|all> <node-id>", "Close links of the cluster bus to or from a node.")
def clusterlink(call: Call, kill: bytes, which: bytes, name: bytes) -> str:
    """As if the network had."""
    node, way = node_of(call), which.lower()
    if kill.lower() != b"kill":
        raise WrongWords
    if way not in (b"to", b"from", b"all"):
        raise named(b"ERR Unknown direction %s", which)
    node.protocol.operator.cut(text(name), ours=way != b"from", theirs=way != b"to")
    node.asked()
    return OK


@Subcommands(Cron)("PAUSE-CRON", 1, 1, "<0|1>", "Stop what the server does by itself, or go on with it.")
def pause_cron(cron: Cron, yes: bytes) -> str:
    """Shutdown by a signal waits, too."""
    cron.paused = bool(args.leading_integer(yes))
    return OK


@subcommand(
    "FAST-PATHS", 1, 1, "<yes|no>", "Let native short cuts serve plain commands, or have Python serve everything."
)
def fast_paths(call: Call, word: bytes) -> str:
    """Replies and effects are the same; tests hold the server to that."""
    if word.lower() not in (b"yes", b"no", b"1", b"0"):
        raise syntax()
    conditions.slow_because("off", word.lower() in (b"no", b"0"))
    return OK
