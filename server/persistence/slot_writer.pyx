# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The keys of a slot as commands, some at a time, while clients go on: for another server that shall have them, too.

    begin(slot), step() until it says False       all that are there from the first step to the last, once or more often
    image(key)                                    one key as it is now, or that it is not there

Every image replaces what the other side has of the key. Who uses this sends in between what has changed: the walk itself
promises nothing about keys that change meanwhile. One key is written at once, however large it is.
"""
from libc.stdint cimport int64_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from server.keyspace.database cimport Database
from server.persistence.command_writer cimport write_entry, write_unlink
from server.persistence.rdb_sink cimport RdbSink, sink_free, sink_init
from server.structures.crc16 cimport CLUSTER_SLOTS
from server.structures.slot_keys cimport SLOT_SCAN_END, table_slot_scan
from server.structures.table cimport (ENTRY_EXPIRE, TYPE_STRING, Entry, entry_expire, entry_key, entry_key_length,
                                      entry_type, table_find, table_hash)


cdef bint _write(void* context, Entry* e) noexcept:
    cdef SlotWriter writer = <SlotWriter>context
    if e.klen & ENTRY_EXPIRE and entry_expire(e) < <int64_t>writer.now_ms:
        return False                   # it is gone for everybody, and a DEL will say so
    if entry_type(e) != TYPE_STRING:
        write_unlink(&writer.sink, entry_key(e), entry_key_length(e))
    write_entry(&writer.sink, e)
    writer.keys += 1
    return False


cdef class SlotWriter:
    """Of one database. keys: how many were written; waiting: bytes that wait for `take`."""

    cdef RdbSink sink
    cdef Database db
    cdef int slot
    cdef uint64_t cursor
    cdef int64_t now_ms
    cdef readonly uint64_t keys

    def __cinit__(self, Database db):
        sink_init(&self.sink, 0, False)
        self.db = db
        self.cursor = SLOT_SCAN_END

    def __dealloc__(self):
        sink_free(&self.sink)

    @property
    def waiting(self) -> int:
        """Written and not taken."""
        return self.sink.length

    def begin(self, int slot) -> None:
        """The keys of this slot are to be written."""
        if not 0 <= slot < CLUSTER_SLOTS:
            raise ValueError(f"no slot {slot}")
        self.slot = slot
        self.cursor = 0

    def step(self) -> bool:
        """Write some; False: those were the last. Complexity: O(keys of a page, some 64, and their elements)."""
        if self.cursor < SLOT_SCAN_END:
            self.now_ms = self.db.keyspace.clock.unix_ms
            self.cursor = table_slot_scan(self.db.table, self.slot, self.cursor, _write, <void*>self)
        return self.cursor < SLOT_SCAN_END

    def image(self, bytes key) -> None:
        """Write one key as it is now. Complexity: O(its elements)."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        cdef Entry* e = table_find(self.db.table, k, n, table_hash(k, n))
        if e == NULL or e.klen & ENTRY_EXPIRE and entry_expire(e) < self.db.keyspace.clock.unix_ms:
            write_unlink(&self.sink, k, n)
            return
        self.now_ms = self.db.keyspace.clock.unix_ms
        _write(<void*>self, e)

    def take(self) -> bytes:
        """What was written since the last time."""
        data = PyBytes_FromStringAndSize(<char*>self.sink.data, self.sink.length)
        self.sink.length = 0
        return data
