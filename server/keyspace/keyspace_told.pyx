# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What INFO and the account of memory tell of the keyspace and its databases, read without a call of Python's."""
from cpython.dict cimport PyDict_Size
from cpython.ref cimport PyObject
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

from server.keyspace.database cimport Database, Keyspace
from server.observe.memory_account cimport Figures, above
from server.registry.number_places cimport integer_from
from server.structures.slot_index cimport slot_index_memory
from server.structures.slot_keys cimport table_shown_expires, table_shown_size
from server.structures.table cimport Entry, Table, table_memory, table_size


cdef int64_t _hits(PyObject* keyspace) noexcept:
    return (<Keyspace>keyspace).hits


cdef int64_t _misses(PyObject* keyspace) noexcept:
    return (<Keyspace>keyspace).misses


cdef int64_t _expired_keys(PyObject* keyspace) noexcept:
    return (<Keyspace>keyspace).expired_keys


cdef int64_t _blocking_total(PyObject* keyspace) noexcept:
    cdef Database db
    cdef int64_t total = 0
    for db in (<Keyspace>keyspace).databases:
        total += PyDict_Size(db.blocking)
    return total


integer_from(Keyspace, "hits", _hits)
integer_from(Keyspace, "misses", _misses)
integer_from(Keyspace, "expired_keys", _expired_keys)
integer_from(Keyspace, "blocking_total", _blocking_total)


cdef struct Overhead:                  # bytes of a database that are neither key nor value: of the table (buckets, a header
    size_t of_keys                     # per key), what expires add (bits, a time per key), and what is known of slots
    size_t of_expires, of_slots


cdef Overhead _overhead(Table* t) noexcept:
    """Complexity: O(1)."""
    cdef Overhead overhead
    cdef size_t bits = 0
    cdef int which
    for which in range(2):
        if t.expire_bits[which] != NULL:
            bits += (t.mask[which] + 64) // 64 * sizeof(uint64_t)
    overhead.of_slots = slot_index_memory(t.slots) if t.slots != NULL else 0
    overhead.of_expires = bits + t.expires * sizeof(int64_t)
    overhead.of_keys = table_memory(t) - t.entry_bytes - bits - overhead.of_slots + table_size(t) * sizeof(Entry)
    return overhead


cdef int _fill_in(object keyspace, Figures f) except -1:
    cdef Database db
    cdef Overhead overhead
    cdef size_t keys
    for db in (<Keyspace?>keyspace).databases:
        keys = table_shown_size(db.table)
        if keys == 0:
            continue
        overhead = _overhead(db.table)
        f.keys += keys
        f.of_databases += overhead.of_keys + overhead.of_expires + overhead.of_slots
        if f.databases is not None:
            f.databases.append((db.index, overhead.of_keys, overhead.of_expires, overhead.of_slots))
    return 0


above.databases = _fill_in


cdef struct Told:
    int64_t keys, expires, average_ttl


cdef class DatabaseLines:
    """INFO keyspace. What was told is kept: as long as nothing of it changes, the answer is the same object."""

    cdef Keyspace keyspace
    cdef Told* told                    # by number, ...
    cdef Py_ssize_t count              # ... of so many
    cdef tuple lines

    def __cinit__(self, Keyspace keyspace):
        self.keyspace, self.lines = keyspace, ()
        self.count = len(keyspace.databases)
        self.told = <Told*>calloc(self.count, sizeof(Told))
        if self.told == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.told)

    cdef bint look(self, Database db, Told* told) noexcept:
        """Whether something of it changed."""
        cdef Told now
        now.keys, now.expires = table_shown_size(db.table), table_shown_expires(db.table)
        now.average_ttl = <int64_t>db.average_ttl
        if now.keys == told.keys and now.expires == told.expires and now.average_ttl == told.average_ttl:
            return False
        told[0] = now
        return True

    def now(self) -> tuple[tuple[str, str], ...]:
        """db0:keys=1,expires=0,avg_ttl=0; empty databases are left out. Complexity: O(databases)."""
        cdef Database db
        cdef Py_ssize_t at = 0
        cdef bint changed = False
        for db in self.keyspace.databases[:self.count]:
            changed |= self.look(db, &self.told[at])
            at += 1
        if changed:
            self.lines = tuple([
                (f"db{at}", f"keys={self.told[at].keys},expires={self.told[at].expires},avg_ttl={self.told[at].average_ttl}")
                for at in range(self.count) if self.told[at].keys])
        return self.lines
