# cython: language_level=3
"""Keys as commands, for others than the append only file; and the words of commands."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t

from server.persistence.rdb_sink cimport RdbSink
from server.structures.table cimport Entry

cdef void write_entry(RdbSink* sink, Entry* e) noexcept        # what makes an absent key hold the same
cdef void write_unlink(RdbSink* sink, const char* key, size_t length) noexcept nogil

cdef void write_head(RdbSink* sink, char mark, int64_t number) noexcept nogil         # `*3` or `$3`, and the line's end
cdef void write_word(RdbSink* sink, const char* s, size_t n) noexcept nogil
cdef void write_number(RdbSink* sink, int64_t number) noexcept nogil
