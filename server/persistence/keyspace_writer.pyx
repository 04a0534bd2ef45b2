# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from server.keyspace.database cimport Database
from server.persistence.debug_delay cimport debug_delay
from server.persistence.rdb_sink cimport sink_free
from server.structures.table cimport Entry, table_size
from server.structures.table_walk cimport table_walk, table_walk_next


cdef class KeyspaceWriter:
    """What writes a keyspace: it sets `sink`, `keyspace` and `delay_us`, and says what a database and a key become.

    Complexity: O(N) in all, and no Python object is made for a key.
    """

    def __dealloc__(self):
        sink_free(&self.sink)

    def step(self, size_t keys) -> bool:
        """Write up to so many keys; False when all are written. Errors: those of what the bytes are handed to."""
        cdef Entry* e
        cdef uint64_t goal = self.keys + keys
        while self.keys < goal:
            if self.database is None and not self._next_database():
                return False
            e = table_walk_next(&self.walk)
            if e == NULL:
                self.database = None
                continue
            self._write_key(e)
            self.keys += 1
            debug_delay(self.delay_us, self.keys)
        return True

    cdef bint _next_database(self) except -1:
        """Go on with the next database that has keys; False when there is none."""
        cdef list databases = self.keyspace.databases
        cdef Database db
        while self.next < len(databases):
            db = databases[self.next]
            self.next += 1
            if table_size(db.table):
                self.database = db
                table_walk(&self.walk, db.table)
                self._begin_database(db)
                return True
        return False

    cdef int _begin_database(self, Database db) except -1:
        raise NotImplementedError

    cdef int _write_key(self, Entry* e) except -1:
        raise NotImplementedError
