"""The manifest: which files make up the append only file, in what order.

    file appendonly.aof.2.base.rdb seq 2 type b       the data as they were at the last rewrite; at most one, first
    file appendonly.aof.1.incr.aof seq 1 type h       history: rewritten, waiting to be deleted
    file appendonly.aof.2.incr.aof seq 2 type i       what was written since, in the order of their numbers

A manifest is replaced as a whole: written to temp-NAME, synced, renamed, and the folder synced. So after a crash there
is the old one or the new one, and every file that either names is still there: history is deleted only afterwards.
"""

import errno
import os
from collections.abc import Iterator

from server.persistence.disk import AnyDisk, write_all
from server.registry.args import leading_integer
from server.registry.dataclass import dataclass, field, replace
from server.registry.quoting import quote, split_args

LONGEST_LINE = 1024
TEMP_PREFIX = "temp-"
BASE, HISTORY, INCR = "b", "h", "i"


class ManifestError(Exception):
    """A manifest that cannot be believed: why, and where (line 0: nowhere in particular)."""

    def __init__(self, reason: str, line: int = 0, text: str = "") -> None:
        super().__init__(reason)
        self.reason, self.line, self.text = reason, line, text

    def log_lines(self) -> Iterator[str]:
        """What the log says about it."""
        yield "\n*** FATAL AOF MANIFEST FILE ERROR ***\n"
        if self.line:
            yield f"Reading the manifest file, at line {self.line}\n"
            yield f">>> '{self.text}'\n"
        yield f"{self.reason}\n"


@dataclass
class Part:
    """One file."""

    name: str
    number: int
    kind: str

    def line(self) -> str:
        """Its line."""
        plain = all(33 <= ord(char) < 127 and char not in "\\\"" for char in self.name)
        return f"file {self.name if plain else quote(self.name)} seq {self.number} type {self.kind}\n"


@dataclass
class Manifest:
    """All files. `base_number` and `incr_number` are the highest given out; `dirty`: not on disk like this."""

    base: Part | None = None
    incrs: list[Part] = field(default_factory=list)
    history: list[Part] = field(default_factory=list)
    base_number: int = 0
    incr_number: int = 0
    dirty: bool = False

    # ---- looking
    def __bool__(self) -> bool:
        return self.base is not None or bool(self.incrs)

    def parts(self) -> list[Part]:
        """The files to load, in order."""
        return ([self.base] if self.base else []) + self.incrs

    def text(self) -> str:
        """The file's content."""
        return "".join(part.line() for part in ([self.base] if self.base else []) + self.history + self.incrs)

    def copy(self) -> "Manifest":
        """A manifest of its own with the same content."""
        return replace(self, base=replace(self.base) if self.base else None, incrs=[replace(p) for p in self.incrs],
                       history=[replace(p) for p in self.history])

    # ---- changing
    def new_base(self, filename: str, rdb: bool) -> str:
        """Name the base that a rewrite made; the one before becomes history."""
        if self.base is not None:
            self.base.kind = HISTORY
            self.history.insert(0, self.base)
        self.base_number += 1
        self.base = Part(f"{filename}.{self.base_number}.base.{'rdb' if rdb else 'aof'}", self.base_number, BASE)
        self.dirty = True
        return self.base.name

    def new_incr(self, filename: str) -> str:
        """Name one more file to append to."""
        self.incr_number += 1
        self.incrs.append(Part(f"{filename}.{self.incr_number}.incr.aof", self.incr_number, INCR))
        self.dirty = True
        return self.incrs[-1].name

    def last_incr(self, filename: str) -> str:
        """The file that is appended to; a new name when there is none."""
        return self.incrs[-1].name if self.incrs else self.new_incr(filename)

    def rewritten(self, keep_last: bool) -> None:
        """A rewrite replaced the incremental files, but for the last one if that is being written to."""
        if not self.incrs:
            return
        done = self.incrs[:-1] if keep_last else self.incrs
        self.incrs = self.incrs[-1:] if keep_last else []
        for part in done[::-1]:
            self.history.insert(0, replace(part, kind=HISTORY))
        self.dirty = True


def manifest_name(filename: str) -> str:
    """The manifest's file name."""
    return f"{filename}.manifest"


# ---- reading
def parse(data: bytes) -> Manifest:
    """Read a manifest's content; ManifestError when it is not one."""
    manifest = Manifest()
    if not data:
        raise ManifestError("Found an empty AOF manifest")
    *lines, unended = data.decode("utf-8", "surrogateescape").split("\n")
    for number, raw in enumerate(lines, 1):
        if raw.startswith("#"):
            continue
        if len(raw) >= LONGEST_LINE:
            raise ManifestError("The AOF manifest file contains too long line")
        line = raw.strip(" \t\r\n")
        _add(manifest, _parse_line(line, number), number, line)
    if unended and not unended.startswith("#"):
        raise ManifestError("The AOF manifest file contains too long line")
    return manifest


def _parse_line(line: str, number: int) -> Part:
    words = split_args(line) if line else None
    if not words or len(words) < 6 or len(words) % 2:
        raise ManifestError("Invalid AOF manifest file format", number, line)
    part = Part("", 0, "")
    for key, value in zip(words[::2], words[1::2], strict=True):
        if key.lower() == "file":
            if "/" in value or "\\" in value:
                raise ManifestError("File can't be a path, just a filename", number, line)
            if "\0" in value:
                raise ManifestError("A file name can't contain a null character", number, line)
            part.name = value
        elif key.lower() == "seq":
            part.number = leading_integer(value.encode("utf-8", "surrogateescape"))
        elif key.lower() == "type":
            part.kind = value[:1]
    if not part.name or not part.number or not part.kind:
        raise ManifestError("Invalid AOF manifest file format", number, line)
    return part


def _add(manifest: Manifest, part: Part, number: int, line: str) -> None:
    if part.kind == BASE:
        if manifest.base is not None:
            raise ManifestError("Found duplicate base file information", number, line)
        manifest.base, manifest.base_number = part, part.number
    elif part.kind == HISTORY:
        manifest.history.append(part)
    elif part.kind == INCR:
        if part.number <= manifest.incr_number:
            raise ManifestError("Found a non-monotonic sequence number", number, line)
        manifest.incrs.append(part)
        manifest.incr_number = part.number
    else:
        raise ManifestError("Unknown AOF file type", number, line)


def load(disk: AnyDisk, folder: str, filename: str) -> Manifest:
    """The manifest on disk; an empty one when there is none. Errors: ManifestError, OSError."""
    path = os.path.join(folder, manifest_name(filename))
    if not disk.is_folder(folder) or not disk.is_file(path):
        return Manifest()
    with disk.read(path) as file:
        return parse(file.read())


# ---- writing
def persist(disk: AnyDisk, folder: str, filename: str, manifest: Manifest) -> str | None:
    """Put it on disk in one step, if it changed; the line for the log when that fails."""
    if not manifest.dirty:
        return None
    name = manifest_name(filename)
    temporary = TEMP_PREFIX + name
    path, temporary_path = os.path.join(folder, name), os.path.join(folder, temporary)
    try:
        file = disk.open(temporary_path, append=False)
    except OSError as error:
        return f"Can't open the AOF manifest file {temporary}: {error.strerror}"
    try:
        wire = manifest.text().encode("utf-8", "surrogateescape")
        doing = f"Error trying to write the temporary AOF manifest file {temporary}: %s"
        if write_all(disk, file, [wire]) < len(wire):
            return doing % os.strerror(errno.ENOSPC)
        doing = f"Fail to fsync the temp AOF file {temporary}: %s."
        disk.sync(file)
        # First the names of the files that it speaks of: else it could survive a power cut without them.
        doing = f"Fail to fsync AOF directory {path}: %s."
        disk.sync_folder(folder)
        doing = f"Error trying to rename the temporary AOF manifest file {temporary} into {name}: %s"
        disk.rename(temporary_path, path)
        doing = f"Fail to fsync AOF directory {path}: %s."
        disk.sync_folder(folder)
    except OSError as error:
        return doing % error.strerror
    finally:
        disk.close(file)
    manifest.dirty = False
    return None
