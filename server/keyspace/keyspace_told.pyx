# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What INFO tells of the keyspace and its databases, read without a call of Python's."""
from cpython.dict cimport PyDict_Size
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from server.keyspace.database cimport Database, Keyspace
from server.registry.number_places cimport integer_from
from server.structures.slot_keys cimport table_shown_expires, table_shown_size


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


cdef struct Told:
    int64_t keys, expires, average_ttl


cdef class DatabaseLines:
    """INFO keyspace. What was told is kept: as long as nothing of it changes, the answer is the same object."""

    cdef Keyspace keyspace
    cdef Told* told                    # by number
    cdef tuple lines

    def __cinit__(self, Keyspace keyspace):
        self.keyspace, self.lines = keyspace, ()
        self.told = <Told*>calloc(len(keyspace.databases), sizeof(Told))
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
        for db in self.keyspace.databases:
            changed |= self.look(db, &self.told[at])
            at += 1
        if changed:
            self.lines = tuple([
                (f"db{at}", f"keys={self.told[at].keys},expires={self.told[at].expires},avg_ttl={self.told[at].average_ttl}")
                for at in range(len(self.keyspace.databases)) if self.told[at].keys])
        return self.lines
