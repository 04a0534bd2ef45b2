"""Reading the append only file back: the base, then what was written since, each command run as if a client sent it.

A file that ends within a command, or within MULTI ... EXEC, lost its end in a crash. With aof-load-truncated the last
file of the manifest is cut after its last whole command, and the log says how much is gone; an end filled with zeros
(what some file systems leave after a power cut) counts as such. Anything else that is no command stops the server:
nobody but a person can say what it should have been. While a file is loaded no key expires: the DEL comes in the file.
"""

import io
import mmap
import os
import time
from collections.abc import Callable

from server.persistence import aof_manifest, rdb_file
from server.persistence.aof import AppendOnlyFile
from server.persistence.aof_manifest import ManifestError, Part
from server.persistence.aof_reader import AofReader, BadFormat, Torn
from server.persistence.rdb_load import BadFile
from server.persistence.seams import Host
from server.registry.light import IO, Any, Protocol

OK, NOT_EXIST, EMPTY, OPEN_ERROR, FAILED, TRUNCATED = "ok", "not-exist", "empty", "open-error", "failed", "truncated"
SERVE_EVERY = 1024          # commands between two looks at the clients
RDB_MARK = b"REDIS"
FIX = "make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>"


class UnknownCommand(Exception):
    """The file holds a command that this server does not have."""


class Replay(Protocol):
    """Who runs the commands of a file."""

    @property
    def fast(self) -> Callable[[bytes, int, int], int]:
        """Runs as many as it can by itself (FastReplay.advance)."""

    @property
    def in_multi(self) -> bool:
        """Whether a transaction is open."""

    def begin(self) -> None:
        """A file begins."""

    def run(self, argv: list[bytes]) -> None:
        """Run one. Raises UnknownCommand."""


class AofLoader:
    """One loading. `replay` runs the commands."""

    def __init__(self, server: Host, replay: Replay) -> None:
        self.server = server
        self.aof: AppendOnlyFile = server.aof
        self.replay = replay
        self.config, self.log, self.disk = self.aof.config, self.aof.log, self.aof.disk
        self._at = 0                    # bytes loaded, of all files

    # ---- all files
    def load(self) -> str:
        """Load what the manifest names. Returns OK, TRUNCATED (the end was cut), EMPTY, NOT_EXIST, OPEN_ERROR or
        FAILED; the log says why. Interrupted when the server is told to end meanwhile."""
        self._upgrade_if_needed()
        manifest = self.aof.manifest
        if not manifest:
            return NOT_EXIST
        sizes = []
        for part in manifest.parts():
            size = self.aof.size_of(part.name)
            if size is None:
                return FAILED
            sizes.append(size)
        if not sum(sizes):
            return EMPTY
        with self.server.progress.of(sum(sizes)):
            result = self._load_parts(manifest.parts())
        if result in (OPEN_ERROR, FAILED):
            return result
        self.aof.current_size = sum(sizes)
        self.aof.base_size = sizes[0] if manifest.base else 0
        return result

    def _load_parts(self, parts: list[Part]) -> str:
        keyspace = self.server.keyspace
        shown, keyspace.show_expired = keyspace.show_expired, True
        result = OK
        try:
            for part in parts:
                result = self._load_part(part, last=part is parts[-1])
                if result in (OPEN_ERROR, FAILED, NOT_EXIST):
                    return FAILED if result == NOT_EXIST else result
        finally:
            keyspace.show_expired = shown
        return result

    def _serve(self, loaded: int) -> None:
        """So many bytes more are loaded: look at the clients."""
        self._at += loaded
        self.server.progress.reached(self._at)
        self.server.progress.between_commands()

    def _load_part(self, part: Part, last: bool) -> str:
        started = time.monotonic()
        result = self.load_file(part.name)
        if result == OK or (result == TRUNCATED and last):
            kind = "base" if part.kind == aof_manifest.BASE else "incr"
            self.log.notice("DB loaded from %s file %s: %.3f seconds", kind, part.name, time.monotonic() - started)
        if result == EMPTY:
            return OK
        if result == TRUNCATED and not last:
            self.log.warning("Fatal error: the truncated file is not the last file")
            return FAILED
        return result

    def _upgrade_if_needed(self) -> None:
        """A single file of an older server becomes the base in the folder. When that fails the process ends."""
        aof, disk, manifest = self.aof, self.disk, self.aof.manifest
        old = aof.filename
        if not disk.is_file(old):
            return
        half_done = (manifest.base is not None and not manifest.incrs and manifest.base.name == old
                     and not disk.is_file(aof.path(old)))
        if disk.is_folder(aof.folder) and manifest and not half_done:
            return
        if not aof.make_folder():
            raise SystemExit(1)
        manifest.base = Part(old, 1, aof_manifest.BASE)
        manifest.base_number = 1
        manifest.dirty = True
        if not aof.persist(manifest):
            raise SystemExit(1)
        try:
            disk.rename(old, aof.path(old))
            disk.sync_folder(aof.folder)
        except OSError as error:
            self.log.warning("Error trying to move the old AOF file %s into dir %s: %s", old, aof.folder,
                             error.strerror)
            raise SystemExit(1) from None
        self.log.notice("Successfully migrated an old-style AOF file (%s) into the AOF directory (%s).", old,
                        aof.folder)

    # ---- one file
    def load_file(self, name: str) -> str:
        """One file: an RDB file, commands, or (old style) an RDB file that goes on with commands."""
        path = self.aof.path(name)
        try:
            file = self.disk.read(path)
        except FileNotFoundError as error:
            self.log.warning("The append log file %s doesn't exist: %s", name, error.strerror)
            return NOT_EXIST
        except OSError as error:
            self.log.warning("Fatal error: can't open the append log file %s for reading: %s", name, error.strerror)
            return OPEN_ERROR
        with file:
            if file.seek(0, os.SEEK_END) == 0:
                return EMPTY
            file.seek(0)
            mark = file.read(len(RDB_MARK))
            file.seek(0)
            if mark == RDB_MARK and not self._load_rdb(file, name):
                return FAILED
            return self._load_commands(file, name)

    def _load_rdb(self, file: IO[bytes], name: str) -> bool:
        old_style = name == self.aof.filename
        self.log.notice("Reading RDB preamble from AOF file..." if old_style
                        else "Reading RDB base file on AOF loading...")
        try:
            end = rdb_file.read_from(self.server, _content(file), aof_base=True)
        except BadFile:
            self.log.warning(
                "Error reading the RDB preamble of the AOF file %s, AOF loading aborted" if old_style
                else "Error reading the RDB base file %s, AOF loading aborted", name)
            return False
        self._at += end
        file.seek(end)
        if old_style:
            self.log.notice("Reading the remaining AOF tail...")
        return True

    def _load_commands(self, file: IO[bytes], name: str) -> str:
        reader, replay = AofReader(file), self.replay
        next_command, run = reader.next, replay.run
        served = before_multi = reader.offset
        count = 0
        delay = self.config.key_load_delay / 1e6
        replay.begin()
        if delay <= 0:
            reader.fast = replay.fast
        try:
            while (argv := next_command()) is not None:
                if not argv or not count % SERVE_EVERY:
                    self._serve(reader.offset - served)
                    served = reader.offset
                if not argv:
                    continue
                count += 1
                if not replay.in_multi:
                    before_multi = reader.command_start
                run(argv)
                if delay > 0:
                    time.sleep(delay)
        except UnknownCommand:
            self.log.warning("Unknown command '%s' reading the append only file %s",
                             argv[0].decode("utf-8", "surrogateescape") if argv else "", name)
            return FAILED
        except BadFormat:
            self.log.warning("Bad file format reading the append only file %s: %s", name, FIX)
            return FAILED
        except Torn:
            return self._torn(name, before_multi if replay.in_multi else reader.offset)
        except OSError as error:
            self.log.warning("Unrecoverable error reading the append only file %s: %s", name, error.strerror)
            return FAILED
        if replay.in_multi:
            self.log.warning("Revert incomplete MULTI/EXEC transaction in AOF file %s", name)
            return self._torn(name, before_multi)
        self._serve(reader.offset - served)
        return OK

    def _torn(self, name: str, good: int) -> str:
        """The end of a file is missing: cut it to what is whole, or refuse."""
        if self.config.aof_load_truncated:
            self.log.warning("!!! Warning: short read while loading the AOF file %s!!!", name)
            self.log.warning("!!! Truncating the AOF %s at offset %d !!!", name, good)
            try:
                lost = self.disk.size(self.aof.path(name)) - good
                self.disk.truncate(self.aof.path(name), good)
            except OSError as error:
                self.log.warning("Error truncating the AOF file %s: %s", name, error.strerror)
            else:
                self.log.warning("The last %d bytes of the AOF %s were no whole command and are gone", lost, name)
                self.log.warning("AOF %s loaded anyway because aof-load-truncated is enabled", name)
                return TRUNCATED
        self.log.warning(
            "Unexpected end of file reading the append only file %s. You can: 1) Make a backup of your AOF file, then "
            "use ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' "
            "configuration option to yes and restart the server.", name)
        return FAILED


def _content(file: IO[bytes]) -> Any:
    """A file's bytes, mapped rather than read where the file is a real one."""
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, io.UnsupportedOperation):
        return file.read()


def load_manifest(aof: AppendOnlyFile) -> bool:
    """Read the manifest; False when it cannot be believed (the log says why)."""
    try:
        aof.manifest = aof_manifest.load(aof.disk, aof.folder, aof.filename)
    except ManifestError as error:
        for line in error.log_lines():
            aof.log.warning("%s", line)
        return False
    except OSError as error:
        name = aof.path(aof_manifest.manifest_name(aof.filename))
        aof.log.warning("Fatal error: can't open the AOF manifest file %s for reading: %s", name, error.strerror)
        return False
    return True
