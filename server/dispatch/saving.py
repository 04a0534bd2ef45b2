"""What persistence needs of the loop: its place in cron, gates, shutdown and start-up.

The room of persistence lies below this one and knows no gate and no shutdown; here its hooks are filled.
"""

from server.clients import multi
from server.dispatch.call import Call
from server.dispatch.gates import flags_of, gate
from server.dispatch.shutdown import NOSAVE, SAVE, CannotStop
from server.persistence import rdb_file
from server.persistence.loading import Interrupted
from server.persistence.rdb_load import BadFile
from server.registry.command import WRITE
from server.registry.errors import LOADING, CommandError
from server.registry.light import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.server import Server

MISCONF = (
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that "
    "may modify the data set are disabled, because this instance is configured to report errors during writes if RDB "
    "snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB "
    "error."
)


@gate("disk", lambda command: command.has(WRITE) or command.name in ("ping", "exec"))
def disk(call: Call) -> None:
    """No writes (and no PING, for those who watch) while snapshots fail."""
    if call.server.snapshots.refuses_writes() and (flags_of(call) & WRITE or call.command.name == "ping"):
        raise CommandError(MISCONF)


def load_library(functions: Any, source: bytes, replace: bool = False) -> None:
    """A function library of a file, into a set of them (scripting.functions)."""
    try:
        functions.load(source, replace=replace, timeout_ms=0)
    except CommandError as error:
        raise BadFile(f"Failed loading library, {error.text.decode('utf-8', 'replace')}") from None


def last_snapshot(server: "Server", words: frozenset[str]) -> None:
    """A final step of shutting down: end a BGSAVE under way, and save if save points or the caller say so."""
    if server.snapshots.in_progress:
        server.log.warning("There is a child saving an .rdb. Killing it!")
        server.snapshots.kill_child()
    if SAVE in words or (server.config.save and NOSAVE not in words):
        server.log.notice("Saving the final RDB snapshot before exiting.")
        if server.process.supervised == "systemd":
            server.process.notify("STATUS=Saving the final RDB snapshot\n")
        if not server.snapshots.save(keep_cache=True):
            raise CannotStop("Error trying to save the DB")


def reload(server: "Server", *, save: bool, flush: bool, merge: bool) -> None:
    """DEBUG RELOAD: save, empty, load; merge: keys of the file replace those that are there. Errors: CommandError."""
    if server.progress.under_way:
        raise CommandError(LOADING)
    if save and not server.snapshots.save():
        raise CommandError("ERR")
    if flush:
        empty(server)
    try:
        if not rdb_file.load(server, server.config.dbfilename, replace=merge):
            raise FileNotFoundError
    except (BadFile, OSError):
        raise CommandError("ERR Error trying to load the RDB dump, check server logs.") from None
    except Interrupted:
        pass
    server.log.notice("DB reloaded by DEBUG RELOAD")


def empty(server: "Server") -> None:
    """No data, no function libraries: a file is about to be loaded."""
    for db in server.keyspace.databases:
        multi.all_changed(db)
    server.keyspace.flush(False)
    server.tracking.flushed(False)
    server.scripting.functions.flush()


def load(server: "Server") -> bool:
    """At start: the data of the last time. False: the server must not go on, because it cannot or was told to end."""
    try:
        server.snapshots.load()
    except Interrupted:
        return False
    except (BadFile, OSError):
        server.log.warning("Fatal error loading the DB, check server logs. Exiting.")
        server.exit_status = 1
        return False
    return True
