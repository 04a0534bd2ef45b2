# cython: language_level=3
"""A stream's data sheet: a log of entries (`stream_log`) and consumer groups that read it (`stream_groups`).

The entry's word is a StreamValue*. IDs are StreamId natively and tuples (ms, seq) in Python. An empty stream is a value
like any other: the key stays when its last entry goes. The functions here work on the entry alone, so the fast paths need
no view. Owner: the main thread.
"""
from libc.stdint cimport uint64_t

from server.structures.rax cimport StreamId
from server.structures.table cimport Entry, entry_word_ref
from server.types.stream_groups cimport Pending, StreamConsumer, StreamGroup, StreamGroups
from server.types.stream_log cimport StreamLog
from server.types.value cimport Value

cdef enum:                             # encodings
    STREAM_LISTPACKS = 0

cdef struct StreamValue:
    StreamLog log
    StreamGroups groups

cdef class Stream(Value):
    pass

cdef class Group:                      # of a stream, as long as its view is good and the group is there
    cdef Stream stream
    cdef StreamGroup* group

cdef class Consumer:                   # of a group, likewise
    cdef StreamConsumer* consumer

cdef class PendingEntry:               # of a group, likewise
    cdef StreamGroup* group
    cdef Pending* pending
    cdef StreamId place

cdef inline StreamValue* stream_value(Entry* e) noexcept nogil:
    return <StreamValue*>entry_word_ref(e)[0]

cdef uint64_t stream_new_word() noexcept nogil         # an empty stream
