"""RDB files by name: written to a temporary file that takes its name only once it is on the medium, and loaded.

A crash at any point leaves the old file or the new one, never a torn one: the temporary file is synced before it is
renamed, the folder after. What the bytes are is `rdb_save` and `rdb_load`; when to save is `snapshot`.
"""

import mmap
import os
import time
from collections.abc import Callable

from server.persistence.disk import Disk, demand_room
from server.persistence.loading import Interrupted
from server.persistence.rdb_peek import RdbData
from server.persistence.rdb_reading import Reading
from server.persistence.rdb_save import RdbWriter
from server.persistence.seams import Host
from server.version import REDIS_VERSION

KEYS_PER_STEP = 1024
FORGET_EVERY = 64 << 20     # bytes of a mapped file that are given back once they are loaded


class SaveFailed(Exception):
    """The file could not be written; the log says why."""


def access_kept(policy: str) -> str:
    """What a file tells of past accesses under this maxmemory-policy: "lru", "lfu" or ""."""
    return "lru" if policy.endswith("-lru") else "lfu" if policy.endswith("-lfu") else ""


def fields(server: Host, version: int, aof_base: bool) -> list[tuple[bytes, bytes]]:
    """The AUX fields. Before version 10 a base of an append only file was marked otherwise."""
    told = [
        (b"redis-ver", REDIS_VERSION.encode()),
        (b"redis-bits", b"64"),
        (b"ctime", b"%d" % time.time()),
        (b"used-mem", b"%d" % server.keyspace.memory_used()),
    ]
    told += server.snapshots.more_fields()
    told.append((b"aof-base" if version >= 10 else b"aof-preamble", b"%d" % aof_base))
    return told


def write_to(server: Host, file: int, report: Callable[[int], None] = lambda keys: None, *, aof_base: bool = False,
             sync: bool = False, functions_only: bool = False) -> None:
    """Write the whole keyspace to a file descriptor. report(keys so far) is called now and then. OSError."""
    config = server.config
    writer = RdbWriter(
        server.keyspace, file, config.rdb_version, compress=config.rdbcompression, checksum=config.rdbchecksum,
        sync=sync, access=access_kept(config.maxmemory_policy), delay_us=config.rdb_key_save_delay,
    )
    writer.begin(fields(server, config.rdb_version, aof_base), server.snapshots.libraries())
    # Signals are looked at between steps: not after 1,024 delays only.
    keys = KEYS_PER_STEP if config.rdb_key_save_delay <= 0 else 1
    while not functions_only and writer.step(keys):
        report(writer.keys)
    writer.finish()
    report(writer.keys)


def temporary_name(pid: int) -> str:
    """Where the process `pid` writes a snapshot."""
    return f"temp-{pid}.rdb"


def remove_quietly(path: str) -> None:
    """Delete a file; that it cannot be deleted does not matter."""
    try:
        os.unlink(path)
    except OSError:
        pass


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "unknown"


def save(
    server: Host, name: str, report: Callable[[int], None] = lambda keys: None, *, keep_cache: bool = False
) -> None:
    """Write a snapshot under this name. Errors: SaveFailed; the file that had the name is then as it was."""
    log = server.log
    temporary = temporary_name(os.getpid())
    try:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    except OSError as error:
        log.warning("Failed opening the temp RDB file %s (in server root dir %s) for saving: %s", temporary, _folder(),
                    error.strerror)
        raise SaveFailed from None
    doing = "rdbSaveRio"
    try:
        try:
            demand_room(temporary)
            write_to(server, file, report, sync=server.config.rdb_save_incremental_fsync)
            doing = "fsync"
            os.fsync(file)
            if not keep_cache and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)
    except OSError as error:
        log.warning("Write error while saving DB to the disk(%s): %s", doing, error.strerror)
        remove_quietly(temporary)
        raise SaveFailed from None
    try:
        os.rename(temporary, name)
    except OSError as error:
        log.warning("Error moving temp DB file %s on the final destination %s (in server root dir %s): %s", temporary,
                    name, _folder(), error.strerror)
        remove_quietly(temporary)
        raise SaveFailed from None
    try:
        Disk().sync_folder(os.path.dirname(name) or ".")
    except OSError as error:
        log.warning("Failed to fsync directory while saving DB: %s", error.strerror)
        raise SaveFailed from None
    log.notice("DB saved on disk")


# ---- loading
def read_from(server: Host, data: RdbData, start: int = 0, *, aof_base: bool = False, replace: bool = False,
              forget: Callable[[int], None] = lambda position: None) -> int:
    """Load an RDB file that begins at `start` of a buffer; where it ends. Call it inside `server.progress.of`.
    Errors: BadFile, after it was logged."""
    reading = Reading(server, data, start, aof_base=aof_base, replace=replace,
                      keep_expired=server.snapshots.keeps_expired())
    try:
        while reading.step(server.config.loading_process_events_interval_bytes):
            server.progress.reached(reading.reader.position)
            forget(reading.reader.position)
    except Interrupted:
        reading.close()
        raise
    reading.finish()
    server.snapshots.replication_fields = reading.replication
    server.snapshots.left_out = reading.left_out
    return reading.end


def load(server: Host, name: str, *, replace: bool = False) -> bool:
    """Load a snapshot by its name; False when there is none. Errors: BadFile (logged), OSError,
    loading.Interrupted."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        server.log.warning("Fatal error: can't open the RDB file %s for reading: %s", name, error.strerror)
        raise
    try:
        size = os.fstat(file).st_size
        with server.progress.of(size):
            if not size:
                read_from(server, b"")
            with mmap.mmap(file, size, access=mmap.ACCESS_READ) as data:
                read_from(server, data, replace=replace, forget=forgetting(data))
    finally:
        os.close(file)
    return True


def forgetting(data: mmap.mmap) -> Callable[[int], None]:
    """Gives back the pages of a mapped file that are behind the position: they would count as ours."""
    done = 0

    def forget(position: int) -> None:
        nonlocal done
        if hasattr(mmap, "MADV_DONTNEED") and position - done >= FORGET_EVERY:
            length = (position - done) // mmap.PAGESIZE * mmap.PAGESIZE
            data.madvise(mmap.MADV_DONTNEED, done, length)
            done += length

    if hasattr(mmap, "MADV_SEQUENTIAL"):
        data.madvise(mmap.MADV_SEQUENTIAL)
    return forget

