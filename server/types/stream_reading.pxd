# cython: language_level=3
"""How groups read a stream: what they were given and how far they are. Functions of a log and its groups alone."""
from libc.stdint cimport int64_t

from iothreads.message cimport Output
from server.structures.rax cimport StreamId
from server.types.stream_groups cimport StreamConsumer, StreamGroup
from server.types.stream_log cimport StreamLog

cdef int64_t stream_entries_read(const StreamLog* log, const StreamId* id) noexcept nogil    # how many entries were added up to this ID, or READ_UNKNOWN
cdef bint stream_lag(const StreamLog* log, const StreamGroup* group, int64_t* lag) noexcept nogil       # entries that the group has still to read; 0: that cannot be told
cdef int64_t stream_write_history(StreamLog* log, StreamConsumer* consumer, StreamId start, int64_t most, int64_t now_ms, Output* out, int resp) noexcept
    # what is pending for a consumer from an ID on, at most so many (0: all), as an array: each is delivered once more; null stands
    # for the fields of an entry that is deleted
cdef void stream_deliver(const StreamLog* log, StreamGroup* group, StreamConsumer* consumer, const StreamId* id, bint pending, int64_t now_ms) noexcept
    # an entry of the log, in order, is given to a consumer; `pending`: until it is acknowledged
