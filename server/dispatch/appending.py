"""What the append only file needs of the loop: its place in cron, gates, shutdown, CONFIG SET and start-up.

As `saving` does for snapshots: the room of persistence lies below this one, here its hooks are filled.
"""

import time

from server.clients.client import Client
from server.config.config import Config
from server.dispatch import conditions, saving
from server.dispatch.call import Call
from server.dispatch.gates import gate
from server.dispatch.group_commit import GroupCommit
from server.dispatch.replay import Replay
from server.dispatch.shutdown import CannotStop
from server.persistence import aof_load
from server.persistence.aof import OFF, WAIT_REWRITE
from server.persistence.aof_load import AofLoader
from server.persistence.aof_rewrite import write_base
from server.persistence.loading import Interrupted
from server.registry.command import WRITE
from server.registry.errors import LOADING, CommandError
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from server.server import Server

TICK_MS = 100


@gate("disk", lambda command: command.has(WRITE) or command.name in ("ping", "exec"))
def disk(call: Call) -> None:
    """No writes (and no PING, for those who watch) while the append only file cannot be written."""
    reason = call.server.aof.refusal()
    if reason and (call.command.name != "exec" or _writes(call.client)):
        raise CommandError(f"MISCONF Errors writing to the AOF file: {reason}")


def _writes(client: Client) -> bool:
    return bool(client.transaction is not None and client.transaction.flags & WRITE)


class Appending:
    """The append only file's place in one server."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self.aof = server.aof
        self.group_commit = GroupCommit(server.loop)
        self._subscribed = False
        self._refuses = False

    def follow(self) -> None:
        """Listen to propagation while the file is on, and keep fast paths from writing while writes are refused."""
        wanted = self.aof.state != OFF
        if wanted != self._subscribed:
            propagation = self._server.propagation
            if wanted:
                propagation.subscribe(self.aof.sink, self)
            else:
                propagation.unsubscribe(self.aof.sink)
            self._subscribed = wanted
        self._server.loop.attend(self.group_commit, wanted and self._server.config.appendfsync == "always")
        self.check_health()

    def pending(self) -> int:
        """Bytes that wait to be written."""
        return 0 if self.aof.state == OFF else self.aof.sink.pending

    def begin_turn(self) -> None:
        """A turn's commands come."""
        if self._server.config.aof_timestamp_enabled:
            self.aof.put_time()

    def end_turn(self) -> None:
        """They have come."""
        self.aof.end_turn()
        self.group_commit.sync_us = self.aof.sync_us
        if self.aof.write_error or self._refuses:
            self.check_health()

    def check_health(self, _refused: bool = False) -> None:
        """Whether anybody's disk is full."""
        self._refuses = bool(self.aof.error)
        conditions.slow_because("disk", self._refuses or self._server.snapshots.refuses_writes())

    def tick(self) -> None:
        """From the cron."""
        self._server.propagation.flush()
        self.aof.tick()
        self.aof.note_settled()
        self.check_health()

    # ---- CONFIG SET
    def switch(self, config: Config) -> str | None:
        """appendonly."""
        server, aof = self._server, self.aof
        failed = None
        if not config.appendonly and aof.state != OFF:
            server.propagation.flush()
            server.aof_rewrite.switch_off()
        elif config.appendonly and aof.state == OFF and not server.aof_rewrite.switch_on(server.propagation.depth > 1):
            failed = "Unable to turn on AOF. Check server logs."
        self.follow()
        return failed

    def policy_changed(self, config: Config) -> None:
        """appendfsync."""
        if config.appendfsync == "always":
            self.aof.background.drain()
        self.follow()

    # ---- shutting down
    def may_stop(self, words: frozenset[str]) -> None:
        """Not while the first base is being written: there is nothing else on disk."""
        server = self._server
        if server.aof_rewrite.in_progress and self.aof.state == WAIT_REWRITE:
            if server.process.supervised == "systemd":
                server.process.notify("STATUS=Writing initial AOF, can't exit.\n")
            raise CannotStop("Writing initial AOF")

    def finish(self, words: frozenset[str]) -> None:
        """End a rewrite, write and sync what is left."""
        server = self._server
        if server.aof_rewrite.in_progress:
            server.log.warning("There is a child rewriting the AOF. Killing it!")
            server.aof_rewrite.kill()
        server.propagation.flush()
        self.aof.finish()

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.aof.delayed_syncs = self.aof.spent_us = 0
        rewrite = self._server.aof_rewrite
        rewrite.count = rewrite.failures = 0

    # ---- loading
    def load_files(self) -> str:
        """Load the files of the manifest: a result of aof_load. Interrupted when told to end."""
        server = self._server
        if self._subscribed:
            server.propagation.unsubscribe(self.aof.sink)
        replay = Replay(server)
        try:
            return AofLoader(server, replay).load()
        finally:
            replay.forget()
            if self._subscribed:
                server.propagation.subscribe(self.aof.sink, self)


def load(server: "Server") -> bool:
    """At start: the data of the last time, from the append only file or the snapshot; then the file is opened. False:
    the server must not go on."""
    started = time.monotonic()
    server.exit_status = 1
    aof = server.aof
    if not aof_load.load_manifest(aof):
        return False
    if not server.config.appendonly:
        server.exit_status = 0
        return saving.load(server)
    try:
        result = server.appending.load_files()
    except Interrupted:
        server.exit_status = 0
        return False
    if result in (aof_load.FAILED, aof_load.OPEN_ERROR):
        return False
    if result != aof_load.NOT_EXIST:
        server.log.notice("DB loaded from append only file: %.3f seconds", time.monotonic() - started)
    if not aof.open_at_start(lambda path: write_base(server, path)):
        return False
    aof.delete_history()
    server.appending.follow()
    server.exit_status = 0
    return True


def reload(server: "Server") -> None:
    """DEBUG LOADAOF: empty the databases and load the files. CommandError when that fails."""
    aof = server.aof
    if server.progress.under_way:
        raise CommandError(LOADING)
    server.propagation.flush()
    if aof.state != OFF:
        aof.flush(force=True)
    saving.empty(server)
    loaded = aof_load.load_manifest(aof)
    if loaded:
        aof.delete_history()
        result = server.appending.load_files()
        loaded = result in (aof_load.OK, aof_load.EMPTY)
    if not loaded:
        raise CommandError("ERR Error trying to load the AOF files, check server logs.")
    conditions.take_dirty()
    server.executor.dirty = 0
    server.log.notice("Append Only File loaded by DEBUG LOADAOF")
