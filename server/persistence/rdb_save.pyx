# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.errno cimport EINTR, errno
from libc.stddef cimport size_t
from libc.stdint cimport int64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

import os

from server.keyspace.database cimport Database, Keyspace
from server.persistence.keyspace_writer cimport KeyspaceWriter
from server.persistence.object_writer cimport put_value, value_type
from server.persistence.rdb_sink cimport (
    RdbSink, put_byte, put_length, put_milliseconds, put_raw, put_string, sink_init)
from server.structures.crc64 cimport crc64
from server.structures.table cimport ENTRY_EXPIRE, Entry, entry_expire, entry_key, entry_key_length, table_size

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <fcntl.h>
    #include <unistd.h>
    /* Have the kernel write this range; returns at once but waits for the range before it. Elsewhere: fsync. */
    static void remus_write_behind(int fd, long long from, long long to, long long before) {
    #if defined(REMUS_LINUX) && defined(SYNC_FILE_RANGE_WRITE)
        if (before < from)
            sync_file_range(fd, before, from - before,
                            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
        sync_file_range(fd, from, to - from, SYNC_FILE_RANGE_WRITE);
    #else
        (void)from; (void)to; (void)before;
        fsync(fd);
    #endif
    }
    """
    void remus_write_behind(int fd, long long start, long long end, long long before) nogil
    ssize_t c_write "write"(int fd, const void* s, size_t n) nogil

cdef enum:
    SYNC_EVERY = 4194304               # bytes between two requests to the kernel
    FLUSH_AT = 262144                  # bytes that are worth a system call


cdef void _to_file(RdbSink* sink) noexcept nogil:
    """A sink's flush: into the file, and into the checksum."""
    cdef RdbFile* file = <RdbFile*>sink.context
    cdef size_t done = 0
    cdef ssize_t n
    if file.checksum:
        file.crc = crc64(file.crc, sink.data, sink.length)
    while done < sink.length and file.error == 0:
        n = c_write(file.fd, sink.data + done, sink.length - done)
        if n >= 0:
            done += n
        elif errno != EINTR:
            file.error = errno
    file.written += done
    sink.length = 0
    if file.sync and file.error == 0 and file.written - file.synced >= SYNC_EVERY:
        remus_write_behind(file.fd, file.synced, file.written,
                           file.synced - SYNC_EVERY if file.synced > SYNC_EVERY else 0)
        file.synced = file.written


cdef class RdbWriter(KeyspaceWriter):
    """Writes a keyspace to a file descriptor, some keys a step: `begin`, `step` until it says False, `finish`.

    access: "lru" or "lfu" to keep what maxmemory-policy knows of past accesses. delay_us: rdb-key-save-delay. OSError
    when the file cannot be written. Complexity: O(N) in all; no Python object is made for a key.
    """

    def __cinit__(self, Keyspace keyspace, int fd, int version, *, bint compress, bint checksum, bint sync,
                  str access="", int64_t delay_us=0):
        sink_init(&self.sink, version, compress)
        self.sink.flush_at = FLUSH_AT
        self.sink.flush = _to_file
        self.sink.context = &self.file
        self.file.fd = fd
        self.file.error = 0
        self.file.checksum = checksum
        self.file.sync = sync
        self.file.crc = self.file.written = self.file.synced = 0
        self.keyspace = keyspace
        self.access = ACCESS_IDLE if access == "lru" else ACCESS_FREQUENCY if access == "lfu" else ACCESS_NONE
        self.delay_us = delay_us

    @property
    def written(self) -> int:
        """Bytes in the file."""
        return self.file.written

    def begin(self, fields, libraries=()):
        """The head: AUX fields (name, value), and the sources of function libraries (version 10 and later)."""
        cdef bytes word
        head = b"REDIS%04d" % self.sink.version
        put_raw(&self.sink, PyBytes_AS_STRING(head), PyBytes_GET_SIZE(head))
        for pair in fields:
            put_byte(&self.sink, OP_AUX)
            for word in pair:
                put_string(&self.sink, PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word))
        if self.sink.version >= 10:
            for word in libraries:
                put_byte(&self.sink, OP_FUNCTION2)
                put_string(&self.sink, PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word))

    cdef int _begin_database(self, Database db) except -1:
        put_byte(&self.sink, OP_SELECTDB)
        put_length(&self.sink, db.index)
        put_byte(&self.sink, OP_RESIZEDB)
        put_length(&self.sink, table_size(db.table))
        put_length(&self.sink, db.table.expires)
        return 0

    cdef int _write_key(self, Entry* e) except -1:
        cdef RdbSink* sink = &self.sink
        if e.klen & ENTRY_EXPIRE:
            put_byte(sink, OP_EXPIRETIME_MS)
            put_milliseconds(sink, entry_expire(e))
        if self.access == ACCESS_IDLE:
            put_byte(sink, OP_IDLE)
            put_length(sink, (self.keyspace.clock.lru - e.meta) & 0xFFFFFF)
        elif self.access == ACCESS_FREQUENCY:
            put_byte(sink, OP_FREQ)
            put_byte(sink, self.keyspace.lfu_decayed(e.meta))
        put_byte(sink, value_type(e, sink.version))
        put_string(sink, entry_key(e), entry_key_length(e))
        put_value(sink, e)
        if self.file.error:
            self._failed()
        return 0

    def finish(self) -> None:
        """The end with its checksum; everything is in the file descriptor afterwards, though not on disk."""
        put_byte(&self.sink, OP_EOF)
        _to_file(&self.sink)
        put_milliseconds(&self.sink, <int64_t>self.file.crc)
        _to_file(&self.sink)
        if self.file.error:
            self._failed()

    def _failed(self):
        raise OSError(self.file.error, os.strerror(self.file.error))
