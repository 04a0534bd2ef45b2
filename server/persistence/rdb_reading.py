"""An RDB file on its way into a keyspace, step by step: what it says of itself goes to the log, as Redis logs it."""

import time
from collections.abc import Callable

from server.keyspace.database import Database, Keyspace
from server.observe.debug_settings import settings
from server.persistence.rdb_load import BadFile, RdbReader
from server.persistence.rdb_peek import RdbData
from server.persistence.seams import Host
from server.registry import args, clock

HIDDEN_SLOTS = "remus-hidden-slots"     # of a cluster's node: their keys are there and must not be seen


class _Fields:
    """What AUX fields say, as Redis logs it."""

    def __init__(self, server: Host) -> None:
        self._server = server
        self.replication: dict[str, bytes] = {}
        self.hidden = ""

    def __call__(self, name: bytes, value: bytes) -> None:
        log = self._server.log
        key = name.lower().decode("latin-1")
        shown = value.decode("utf-8", "surrogateescape")
        number = args.leading_integer(value)
        if not key:
            log.notice("%s", shown)
        elif key.startswith("%"):
            log.notice("RDB '%s': %s", name.decode("latin-1"), shown)
        elif key in ("repl-stream-db", "repl-id", "repl-offset"):
            self.replication[key] = value
        elif key == HIDDEN_SLOTS:
            self.hidden = shown
        elif key == "redis-ver":
            log.notice("Loading RDB produced by version %s", shown)
        elif key == "ctime":
            log.notice("RDB age %d seconds", max(0, int(time.time()) - number))
        elif key == "used-mem":
            log.notice("RDB memory usage when created %.2f Mb", number / (1024 * 1024))
            self._server.progress.used_memory = number
        elif key == "aof-preamble" and number:
            log.notice("RDB has an AOF tail")
        elif key == "aof-base" and number:
            log.notice("RDB is base AOF")
        elif key not in ("redis-bits", "lua", "aof-preamble", "aof-base"):
            log.debug("Unrecognized RDB AUX field: '%s'", name.decode("latin-1"))


class DamagedFile(BadFile):
    """What is in the file is broken, rather than of another kind or version."""


def _complain(server: Host, reader: RdbReader, why: str) -> bool:
    """Log what is wrong with a file, in Redis's words where it has some. True: it is damaged."""
    log = server.log
    if why == "signature":
        log.warning("Wrong signature trying to load DB from file")
    elif why == "version":
        log.warning("Can't handle RDB format version %d", reader.version)
    elif why == "databases":
        log.warning("FATAL: Data file was created with a Redis server configured to handle more than %d databases. "
                    "Exiting", len(server.keyspace.databases))
    elif why == "module data":
        log.warning("The RDB file contains AUX module data I can't load: no matching module")
    elif why.startswith("checksum "):
        _, expected, got = why.split()
        log.warning("Wrong RDB checksum expected: (%s) but got (%s). Aborting now.", expected, got)
        log.warning("Internal error in RDB reading offset %d, function at rdb_load -> RDB CRC error", reader.position)
        return True
    elif why == "the same key twice":
        log.warning("RDB has duplicated key '%s' in DB", reader.last_key[:128].decode("utf-8", "backslashreplace"))
    elif why.startswith("Failed loading library"):
        log.warning("%s", why)
    else:
        log.warning("Internal error in RDB reading offset %d, function at rdb_load -> %s (key '%s')",
                    reader.item_position, why, reader.last_key[:128].decode("utf-8", "backslashreplace"))
        log.warning("Short read or OOM loading DB. Unrecoverable error, aborting now.")
        return True
    return False


class Reading:
    """One file that is being read.

    data: a buffer in which it begins at `start`; None: its bytes come by `reader.feed`, `total` of them (0: nobody
    knows). keyspace, on_library: where it goes, if not into the server's. replace: a key that is there is replaced.
    Keys whose time has come are left out, unless it is the base of an append only file or keep_expired says so (a
    replica's).
    """

    def __init__(self, server: Host, data: RdbData | None, start: int = 0, *, keyspace: Keyspace | None = None,
                 on_library: Callable[[bytes], None] | None = None, aof_base: bool = False, replace: bool = False,
                 keep_expired: bool = False, total: int = 0) -> None:
        config = server.config
        clock.refresh()
        self._server = server
        self.end = -1                                  # where it ended, once it is closed
        self.left_out = left_out = list[tuple[Database, bytes]]()  # keys whose time had come, of a file with a history
        self._told = told = _Fields(server)
        self.reader = RdbReader(
            keyspace or server.keyspace, data, start, on_field=told,
            on_library=on_library or (lambda source: server.snapshots.load_library(source, replace)),
            checksum=config.rdbchecksum and not settings.skip_checksum_validation,
            drop_expired=not (aof_base or keep_expired), replace=replace, delay_us=config.key_load_delay,
            trusted=config.sanitize_dump_payload != "yes", on_warning=lambda text: server.log.warning("%s", text),
            on_expired=lambda db, key: left_out.append((db, key)) if told.replication else None, total=total,
        )

    @property
    def hidden(self) -> str:
        """Slots of a cluster whose keys must not be seen, as the file names them; "" for none."""
        return self._told.hidden

    @property
    def replication(self) -> dict[str, bytes]:
        """Fields of the history that the data are of: repl-id, repl-offset, repl-stream-db."""
        return self._told.replication

    def step(self, size: int) -> bool:
        """Read about so many bytes; False at the end. Errors: BadFile, after it was logged; the file is closed then."""
        self.reader.delay_us = self._server.config.key_load_delay
        try:
            if self.reader.step(size):
                return True
        except BadFile as error:
            damaged = _complain(self._server, self.reader, str(error))
            self.close()
            if damaged:
                raise DamagedFile(str(error)) from None
            raise
        return False

    def close(self) -> None:
        """Let go of the bytes, and count what was read."""
        if self.end >= 0:
            return
        progress, reader = self._server.progress, self.reader
        progress.keys_loaded += reader.keys_loaded
        progress.keys_expired += reader.keys_expired
        self.end = reader.position
        reader.close()

    def finish(self) -> None:
        """All is read: the log hears of it."""
        self.close()
        self._server.snapshots.hidden_loaded(self.hidden)
        reader = self.reader
        empty = f", empty keys skipped: {reader.keys_empty}" if reader.keys_empty else ""
        self._server.log.notice("Done loading RDB, keys loaded: %d, keys expired: %d%s.", reader.keys_loaded,
                                reader.keys_expired, empty)
