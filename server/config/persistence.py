"""Directives about snapshots (RDB), the append only file (AOF) and loading them."""

from server.config.special import Save, SaveParam
from server.registry.directive import INT_MAX, INT_MIN, KB, LLONG_MAX, MB, Bool, Choice, Flag, Memory, Number, Text

_PART = "persistence"


def _is_base_name(name: str) -> bool:
    return "/" not in name and "\\" not in name


def _check_dbfilename(name: str) -> str | None:
    return None if _is_base_name(name) else "dbfilename can't be a path, just a filename"


def _check_appendfilename(name: str) -> str | None:
    if not name:
        return "appendfilename can't be empty"
    return None if _is_base_name(name) else "appendfilename can't be a path, just a filename"


def _check_appenddirname(name: str) -> str | None:
    if not name:
        return "appenddirname can't be empty"
    return None if _is_base_name(name) else "appenddirname can't be a path, just a dirname"


DIRECTIVES = (
    Save("save", (SaveParam(3600, 1), SaveParam(300, 100), SaveParam(60, 10000)),
         "When to snapshot: after so many seconds if so many keys changed; \"\" for never.",
         flags=Flag.MULTI_ARG, part=_PART),
    Text("dbfilename", "dump.rdb", "File name of the snapshot.", flags=Flag.PROTECTED, part=_PART,
         check=_check_dbfilename),
    Bool("stop-writes-on-bgsave-error", True, "Refuse writes after a snapshot failed.", part=_PART),
    Bool("rdbcompression", True, "Compress long strings in snapshots (LZF).", part=_PART),
    Bool("rdbchecksum", True, "End snapshots with a CRC64 and verify it.", flags=Flag.IMMUTABLE, part=_PART),
    Number("rdb-version", 11, 9, 11,
           "RDB version of what is written: 11 is Redis 7.2's, 10 that of 7.0, 9 that of 5 and 6.", part=_PART),
    Bool("rdb-save-incremental-fsync", True, "Sync a snapshot to disk every few megabytes while it is written.",
         part=_PART),
    Choice("sanitize-dump-payload", "no", ("no", "yes", "clients"),
           "Check every byte of loaded and restored values: never, always, or for clients only.", flags=Flag.DEBUG,
           part=_PART),
    Bool("appendonly", False, "Log every write to the append only file.", flags=Flag.DENY_LOADING, part=_PART),
    Text("appendfilename", "appendonly.aof", "Base of the append only files' names.", flags=Flag.IMMUTABLE,
         part=_PART, check=_check_appendfilename),
    Text("appenddirname", "appendonlydir", "Directory, under dir, of the append only files.", flags=Flag.IMMUTABLE,
         part=_PART, check=_check_appenddirname),
    Choice("appendfsync", "everysec", ("everysec", "always", "no"), "When the append only file is synced to disk.",
           part=_PART),
    Bool("no-appendfsync-on-rewrite", False, "Do not sync while a child writes a snapshot or rewrites the log.",
         part=_PART),
    Number("auto-aof-rewrite-percentage", 100, 0, INT_MAX,
           "Rewrite the log when it grew by this many percent; 0 for never.", part=_PART),
    Memory("auto-aof-rewrite-min-size", 64 * MB, 0, LLONG_MAX, "Smallest log that is rewritten by itself.",
           part=_PART),
    Bool("aof-load-truncated", True, "Load a log whose end is torn, losing the torn end.", part=_PART),
    Bool("aof-use-rdb-preamble", True, "Write the base of a rewritten log as a snapshot.", part=_PART),
    Bool("aof-timestamp-enabled", False, "Note the time in the log, for restoring to a point in time.", part=_PART),
    Bool("aof-rewrite-incremental-fsync", True, "Sync a rewritten log every few megabytes while it is written.",
         part=_PART),
    Bool("aof-disable-auto-gc", False, "Keep outdated log files (for tests).", flags=Flag.HIDDEN, part=_PART),
    Number("rdb-key-save-delay", 0, INT_MIN, INT_MAX, "Microseconds to wait after each key saved (for tests).",
           flags=Flag.HIDDEN, part=_PART),
    Number("key-load-delay", 0, INT_MIN, INT_MAX, "Microseconds to wait after each key loaded (for tests).",
           flags=Flag.HIDDEN, part=_PART),
    Number("loading-process-events-interval-bytes", 2 * MB, KB, INT_MAX,
           "Bytes loaded between two looks at the clients (for tests).", flags=Flag.HIDDEN, part=_PART),
)
