# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Keys as RESTORE commands: what MIGRATE sends to its target.

A command is written where it will be sent from: room is left for the length of the payload, which is only known behind
it, and what was too much of that is closed.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.string cimport memmove

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from server.keyspace.database cimport LOOKUP_NO_STATS, LOOKUP_NO_TOUCH, Database
from server.persistence.command_writer cimport write_head, write_number, write_word
from server.persistence.object_writer cimport put_payload
from server.persistence.rdb_sink cimport RdbSink, put_raw, sink_free, sink_init, sink_reserve
from server.structures.table cimport ENTRY_EXPIRE, Entry, entry_expire

cdef enum:
    ROOM = 24                          # for `$`, the length and the line's end


cdef void _put_payload(RdbSink* sink, Entry* e) noexcept:
    """The payload as a word of a command."""
    cdef size_t start = sink.length
    cdef size_t head, length
    sink_reserve(sink, ROOM)
    sink.length += ROOM
    put_payload(sink, e)
    length = sink.length - start - ROOM
    sink.length = start
    write_head(sink, c'$', length)
    head = sink.length - start
    memmove(sink.data + start + head, sink.data + start + ROOM, length)
    sink.length = start + head + length
    put_raw(sink, "\r\n", 2)


cdef class RestoreWriter:
    """Of one database. asking: they are to be restored where their slot is not served yet; replace: also over what is
    there. version, compress: how values are written (rdb-version, rdbcompression)."""

    cdef RdbSink sink
    cdef Database db
    cdef bint asking, replace

    def __cinit__(self, Database db, *, bint asking, bint replace, int version, bint compress):
        sink_init(&self.sink, version, compress)
        self.db = db
        self.asking = asking
        self.replace = replace

    def __dealloc__(self):
        sink_free(&self.sink)

    @property
    def waiting(self) -> int:
        """Bytes that were written and not taken."""
        return self.sink.length

    def put(self, bytes key) -> bool:
        """Write a key; False: it is not there, or has expired. No read. Complexity: O(its elements)."""
        cdef RdbSink* sink = &self.sink
        cdef Entry* e = self.db.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS)
        cdef int64_t ttl = 0
        if e == NULL:
            return False
        if e.klen & ENTRY_EXPIRE:
            ttl = max(<int64_t>1, entry_expire(e) - self.db.keyspace.clock.unix_ms)
        write_head(sink, c'*', 5 if self.replace else 4)
        if self.asking:
            write_word(sink, "RESTORE-ASKING", 14)
        else:
            write_word(sink, "RESTORE", 7)
        write_word(sink, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        write_number(sink, ttl)
        _put_payload(sink, e)
        if self.replace:
            write_word(sink, "REPLACE", 7)
        return True

    def take(self) -> bytes:
        """What was written since the last time."""
        data = PyBytes_FromStringAndSize(<char*>self.sink.data, self.sink.length)
        self.sink.length = 0
        return data
