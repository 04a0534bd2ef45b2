# cython: language_level=3
"""The incremental RESP parser: bytes in a Batch's buffer become Args and Commands that point into it.

It may be given the bytes in any pieces. It never copies: an argument is an offset and a length; the quotes of an
inline request are taken away in place. Its state between two pieces is one Reader per connection.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from iothreads.message cimport Batch

cdef enum:
    LINE_MAX = 65536                   # bytes without a line end that are an error
    STRANGER_ARGS = 10                 # limits of a client that is not authenticated
    STRANGER_BULK = 16384

cdef struct Reader:
    size_t position                    # offset of the first byte not parsed
    size_t command_start               # offset of the command that is being parsed
    uint32_t first_arg                 # its first index in Batch.args
    int32_t remaining                  # its arguments still to come; 0 = between commands
    int64_t bulk_length                # of the argument that is coming, -1 = not read yet
    size_t roomy                       # its offset, if room was left in front of it (see Batch); else 0
    uint8_t gap                        # and how much

cdef void reader_reset(Reader* reader) noexcept nogil
cdef bint leave_room(Reader* reader, Batch* b) noexcept nogil  # for the argument that is coming to stay where it is read
cdef void parse(Reader* reader, Batch* b, int64_t max_bulk, bint authenticated) noexcept nogil
cdef void compact(Reader* reader, Batch* b) noexcept nogil     # after execution: drops the commands, keeps the tail
