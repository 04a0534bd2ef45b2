"""remus-check-aof: is an append only file whole, and if not, how far?

    remus-check-aof FILE                                 a manifest (all its files), or a single old-style file
    remus-check-aof --fix FILE                           cut the last file after its last whole command
    remus-check-aof --truncate-to-timestamp SECONDS FILE cut what was written after a time (aof-timestamp-enabled)

Messages and exit status (0 fine or repaired, 1 not) are those of redis-check-aof. No server may be using the files.
"""

import os
import sys
from collections.abc import Callable

from server.keyspace.database import Keyspace
from server.persistence import aof_manifest
from server.persistence.aof_manifest import LONGEST_LINE, ManifestError
from server.persistence.aof_reader import AofReader, BadFormat, Torn
from server.persistence.rdb_load import BadFile, RdbReader
from server.registry.directive import parse_loose_integer
from server.registry.light import NamedTuple, NoReturn

RDB_MARK = b"REDIS"
MOST_DATABASES = 1 << 14
OK, EMPTY, TRUNCATED, CUT_AT_TIME = "ok", "empty", "truncated", "cut-at-time"
USAGE = "Usage: {} [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>"


class Stop(Exception):
    """The end, with exit status 1."""


def say(text: str) -> None:
    print(text, flush=True)


def stop(text: str) -> NoReturn:
    say(text)
    raise Stop


class Wanted(NamedTuple):
    """What to do besides looking. timestamp 0: nothing."""

    fix: bool = False
    timestamp: int = 0
    confirm: Callable[[], bool] = lambda: sys.stdin.readline()[:1].lower() == "y"


# ---- one file
class FileCheck:
    """The check of one file."""

    def __init__(self, name: str, path: str, last: bool, wanted: Wanted) -> None:
        self.name, self.path, self.last, self.wanted = name, path, last, wanted
        self.line = 1
        self.good = 0           # the file is whole up to here
        self.error = ""

    def run(self) -> str:
        """OK, EMPTY, TRUNCATED or CUT_AT_TIME; Stop when it cannot go on."""
        try:
            file = open(self.path, "rb+")  # noqa: SIM115
        except OSError as error:
            stop(f"Cannot open file {self.path}: {error.strerror}, aborting...")
        with file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                return EMPTY
            if is_rdb(self.path):
                file.seek(self._check_rdb(file.read()))
                say("RDB preamble is OK, proceeding with AOF tail...")
            self.good = file.tell()
            reader = AofReader(file)
            if self._read(reader):
                file.truncate(self.good)
                return CUT_AT_TIME
            return self._judge(size, file.truncate)

    def _check_rdb(self, data: bytes) -> int:
        reader = RdbReader(Keyspace(MOST_DATABASES), data, on_field=lambda name, value: None,
                           on_library=lambda source: None, drop_expired=False)
        try:
            reader.begin()
            while reader.step(1 << 22):
                pass
        except BadFile as error:
            say(f"{error}, at offset {reader.position}")
            stop("RDB preamble of AOF file is not sane, aborting.")
        return reader.position

    def _read(self, reader: AofReader) -> bool:
        """Read to the end or to the first error; True when everything from `good` on is later than wanted."""
        in_multi = False
        try:
            while (argv := reader.next(annotations=True)) is not None:
                if not argv:
                    if self._too_late(reader.annotation or b""):
                        return True
                else:
                    self.line += 1 + 2 * len(argv)
                    name = argv[0].lower()
                    if name in (b"multi", b"exec") and in_multi == (name == b"multi"):
                        word = argv[0].decode().upper()
                        self._fail(reader.offset, f"Unexpected {word} in AOF {self.path}")
                        return False
                    in_multi = in_multi != (name in (b"multi", b"exec"))
                if not in_multi:
                    self.good = reader.offset
        except (BadFormat, Torn):
            self._diagnose(reader.offset)
        else:
            if in_multi:
                self._fail(reader.offset, "Reached EOF before reading EXEC for MULTI")
        return False

    def _fail(self, at: int, text: str) -> None:
        self.error = f"0x{at:16x}: {text}"

    def _too_late(self, annotation: bytes) -> bool:
        wanted = self.wanted.timestamp
        if not wanted or not annotation.startswith(b"#TS:"):
            return False
        digits = annotation[4:]
        if not digits.isdigit():
            stop("Invalid timestamp annotation")
        if int(digits) <= wanted:
            return False
        if self.good == 0:
            stop(f"AOF {self.path} has nothing before timestamp {wanted}, aborting...")
        if not self.last:
            say(f"Failed to truncate AOF {self.path} to timestamp {wanted} to offset {self.good} because it is not "
                "the last file.")
            stop("If you insist, please delete all files after this file according to the manifest file and delete the "
                 "corresponding records in manifest file manually. Then re-run redis-check-aof.")
        return True

    def _diagnose(self, start: int) -> None:
        """What is wrong with the command at `start`, in words."""
        with open(self.path, "rb") as file:
            file.seek(start)
            first = file.read(1)
            if first not in (b"*", b"#"):
                say(f"AOF {self.name} format error")
                return
            file.seek(start)
            count = self._number(file, b"*")
            for _ in range(count or 0):
                length = self._number(file, b"$")
                if length is None:
                    return
                at = file.tell()
                if length < 0:
                    self._fail(at, f"Expected to read string of {length} bytes, which is not in the suitable range")
                    return
                left = os.fstat(file.fileno()).st_size - at
                if left < length + 2:
                    self._fail(at, f"Expected to read {length + 2} bytes, got {left} bytes")
                    return
                file.seek(at + length)
                if not self._newline(at, file.read(2)):
                    return

    def _number(self, file: object, mark: bytes) -> int | None:
        at = file.tell()                                    # type: ignore[attr-defined]
        line = file.readline(128)                           # type: ignore[attr-defined]
        if not line:
            return None
        if line[:1] != mark:
            self._fail(at, f"Expected prefix '{mark.decode()}', got: '{line[:1].decode('latin-1')}'")
            return None
        end = 1 + (line[1:2] == b"-")
        while line[end : end + 1].isdigit():
            end += 1
        if not self._newline(at, line[end : end + 2]):
            return None
        return int(line[1:end] or 0) if end > 1 else 0

    def _newline(self, at: int, two: bytes) -> bool:
        if two == b"\r\n":
            self.line += 1
            return True
        shown = two.ljust(2, b"\0")
        self._fail(at, f"Expected \\r\\n, got: {shown[0]:02x}{shown[1]:02x}")
        return False

    def _judge(self, size: int, cut: Callable[[int], object]) -> str:
        if self.error:
            say(self.error)
        surplus = size - self.good
        if not surplus and self.wanted.timestamp:
            say(f"Truncate nothing in AOF {self.name} to timestamp {self.wanted.timestamp}")
            return OK
        say(f"AOF analyzed: filename={self.name}, size={size}, ok_up_to={self.good}, ok_up_to_line={self.line}, "
            f"diff={surplus}")
        if not surplus:
            return OK
        if not self.wanted.fix:
            stop(f"AOF {self.name} is not valid. Use the --fix option to try fixing it.")
        if not self.last:
            stop(f"Failed to truncate AOF {self.name} because it is not the last file")
        say(f"This will shrink the AOF {self.name} from {size} bytes, with {surplus} bytes, to {self.good} bytes")
        print("Continue? [y/N]: ", end="", flush=True)
        if not self.wanted.confirm():
            stop("Aborting...")
        cut(self.good)
        return TRUNCATED


def is_rdb(path: str) -> bool:
    """Whether the file begins as an RDB file."""
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        stop(f"Cannot open file {path}: {error.strerror}")
    return len(head) == 8 and head.startswith(RDB_MARK)


def is_manifest(path: str) -> bool:
    """Whether the file is a manifest: nothing but comments and lines that begin with `file`, as far as one looks."""
    try:
        with open(path, "rb") as file:
            for line in iter(lambda: file.readline(LONGEST_LINE), b""):
                if not line.startswith(b"#"):
                    return line.startswith(b"file")
    except OSError as error:
        stop(f"Cannot open file {path}: {error.strerror}")
    return False


def report(result: str, kind: str, name: str, wanted: Wanted) -> None:
    """The line about one file."""
    say({
        OK: f"{kind} {name} is valid",
        EMPTY: f"{kind} {name} is empty",
        CUT_AT_TIME: f"Successfully truncated AOF {name} to timestamp {wanted.timestamp}",
        TRUNCATED: f"Successfully truncated AOF {name}",
    }[result])


# ---- all files of a manifest
def check_manifest(path: str, wanted: Wanted) -> None:
    """A manifest and the files that it names."""
    say("Start checking Multi Part AOF")
    try:
        with open(path, "rb") as file:
            manifest = aof_manifest.parse(file.read())
    except ManifestError as error:
        for line in error.log_lines():
            say(line)
        raise Stop from None
    folder = os.path.dirname(path)
    parts = manifest.parts()
    for part in parts:
        where = os.path.join(folder, part.name)
        base = part is manifest.base
        if base:
            say(f"Start to check BASE AOF ({'RDB' if is_rdb(where) else 'RESP'} format).")
        elif part is manifest.incrs[0]:
            say("Start to check INCR files.")
        result = FileCheck(part.name, where, part is parts[-1], wanted).run()
        report(result, "BASE AOF" if base else "INCR AOF", part.name, wanted)
    say("All AOF files and manifest are valid")


def check(path: str, wanted: Wanted) -> int:
    """The exit status."""
    try:
        if is_manifest(path):
            check_manifest(path, wanted)
        else:
            say("Start checking Old-Style AOF")
            report(FileCheck(path, path, True, wanted).run(), "AOF", path, wanted)
    except Stop:
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    """The tool; argv without the program's name."""
    words = sys.argv[1:] if argv is None else argv
    if words in (["-h"], ["--help"]):
        say(USAGE.format(os.path.basename(sys.argv[0])))
        return 0
    if len(words) == 1:
        return check(words[0], Wanted())
    if len(words) == 2 and words[0] == "--fix":
        return check(words[1], Wanted(fix=True))
    if len(words) == 3 and words[0] == "--truncate-to-timestamp":
        timestamp = parse_loose_integer(words[1])
        if timestamp is None:
            say("Invalid timestamp, aborting...")
            return 1
        return check(words[2], Wanted(timestamp=timestamp))
    say(USAGE.format(os.path.basename(sys.argv[0])))
    return 1


if __name__ == "__main__":
    sys.exit(main())
