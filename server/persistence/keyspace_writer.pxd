# cython: language_level=3
"""Walking a keyspace for whoever writes all of it down: some keys a step, database after database.

What a database or a key becomes is the writer's own: `rdb_save` makes RDB, `command_writer` makes commands. Nothing
may change between two steps, so either all steps follow one another or they run in a forked child, where nothing can.
"""
from libc.stdint cimport int64_t, uint64_t

from server.keyspace.database cimport Database, Keyspace
from server.persistence.rdb_sink cimport RdbSink
from server.structures.table cimport Entry
from server.structures.table_walk cimport TableWalk

cdef class KeyspaceWriter:
    cdef RdbSink sink                  # what was made and not handed on; the writer gives it its flush
    cdef Keyspace keyspace             # whose databases; a writer sets it
    cdef int64_t delay_us              # rdb-key-save-delay, see debug_delay
    cdef Database database             # the one that is walked, None between two
    cdef TableWalk walk                # where in it we are
    cdef int next                      # number of the database after it
    cdef readonly uint64_t keys        # written so far
    cdef int _begin_database(self, Database db) except -1      # for each writer to say: a database with keys begins
    cdef int _write_key(self, Entry* e) except -1              # for each writer to say: a key with its value
    cdef bint _next_database(self) except -1
