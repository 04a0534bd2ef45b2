"""remus-check-rdb: is an RDB file whole, and if not, where does it break?

    remus-check-rdb FILE

Every value is read with all checks, and forgotten again, so that memory holds a few megabytes at a time. Messages and
exit status (0 fine, 1 not) are those of redis-check-rdb.
"""

import mmap
import os
import sys
from collections.abc import Callable

from server.keyspace.database import Keyspace
from server.persistence.rdb_load import BadFile, RdbReader
from server.version import REDIS_VERSION

MOST_DATABASES = 1 << 14
STEP = 4 << 20              # bytes between two emptyings
TYPE_NAMES = (
    "string", "list-linked", "set-hashtable", "zset-v1", "hash-hashtable", "zset-v2", "module-pre-release",
    "module-value", "", "hash-zipmap", "list-ziplist", "set-intset", "zset-ziplist", "hash-ziplist", "quicklist",
    "stream", "hash-listpack", "zset-listpack", "quicklist-v2", "stream-v2", "set-listpack", "stream-v3",
)
FIRST_OPCODE = 22           # bytes from here on are no types
ERRORS = {
    "signature": "Wrong signature trying to load DB from file",
    "short read": "Unexpected EOF reading RDB file",
    "the bytes end too soon": "Unexpected EOF reading RDB file",
    "a string longer than what is left": "Unexpected EOF reading RDB file",
    "databases": "Database number out of range",
    "module data": "Module data, which cannot be checked without the module",
}


class Check:
    """The check of one file."""

    def __init__(self, data: mmap.mmap | bytes, show: Callable[[str], None] = print) -> None:
        self.show = show
        self.keyspace = Keyspace(MOST_DATABASES)
        self.reader = RdbReader(
            self.keyspace, data, on_field=self.field, on_library=lambda source: None, on_database=self.database,
            drop_expired=True, replace=True, trusted=False, on_warning=self.say,
        )

    def say(self, text: str) -> None:
        """A line with the position."""
        self.show(f"[offset {self.reader.position}] {text}")

    def field(self, name: bytes, value: bytes) -> None:
        """An AUX field, or (without a name) a remark of the reader."""
        shown = value.decode("utf-8", "backslashreplace")
        self.say(f"AUX FIELD {name.decode('utf-8', 'backslashreplace')} = '{shown}'" if name else shown)

    def database(self, number: int) -> None:
        """SELECTDB."""
        self.say(f"Selecting DB ID {number}")

    def run(self) -> bool:
        """Read all of it; whether it is whole."""
        reader = self.reader
        try:
            reader.begin()
            while reader.step(STEP):
                self.keyspace.flush(False)
        except BadFile as error:
            self.broken(str(error))
            self.counts()
            return False
        if reader.version >= 5:
            self.say("Checksum OK")
        self.say("\\o/ RDB looks OK! \\o/")
        self.counts()
        return True

    def broken(self, why: str) -> None:
        """What is wrong, and where."""
        reader = self.reader
        if why == "version":
            why = f"Can't handle RDB format version {reader.version}"
        elif why.startswith("checksum "):
            why = "RDB CRC error"
        self.show("--- RDB ERROR DETECTED ---")
        self.show(f"[offset {reader.item_position}] {ERRORS.get(why, why)}")
        self.show(f"[additional info] While doing: {reader.doing}")
        if reader.last_key:
            self.show(f"[additional info] Reading key '{reader.last_key.decode('utf-8', 'backslashreplace')}'")
        if 0 <= reader.item_type < FIRST_OPCODE:
            self.show(f"[additional info] Reading type {reader.item_type} ({TYPE_NAMES[reader.item_type]})")

    def counts(self) -> None:
        """How many keys there were."""
        reader = self.reader
        self.show(f"[info] {reader.keys_loaded + reader.keys_expired} keys read")
        self.show(f"[info] {reader.keys_with_expire} expires")
        self.show(f"[info] {reader.keys_expired} already expired")


def check(path: str, show: Callable[[str], None] = print) -> bool:
    """Check a file by its name; `show` gets the lines. OSError."""
    show(f"[offset 0] Checking RDB file {path}")
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return Check(b"", show).run()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            done = Check(data, show)
            try:
                return done.run()
            finally:
                done.reader.close()


def main(argv: list[str] | None = None) -> int:
    """The tool; argv without the program's name."""
    words = sys.argv[1:] if argv is None else argv
    usage = f"Usage: {os.path.basename(sys.argv[0])} <rdb-file-name>"
    if words in (["-h"], ["--help"]):
        print(usage)
        return 0
    if len(words) != 1:
        print(usage, file=sys.stderr)
        return 1
    if words[0] in ("-v", "--version"):
        print(f"redis-check-rdb {REDIS_VERSION}")
        return 0
    try:
        return 0 if check(words[0]) else 1
    except OSError as error:
        print(f"Cannot open {words[0]}: {error.strerror}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
