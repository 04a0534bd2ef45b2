# cython: language_level=3
"""Keys as commands, for others than the append only file."""
from libc.stddef cimport size_t

from server.persistence.rdb_sink cimport RdbSink
from server.structures.table cimport Entry

cdef void write_entry(RdbSink* sink, Entry* e) noexcept        # what makes an absent key hold the same
cdef void write_unlink(RdbSink* sink, const char* key, size_t length) noexcept nogil
