# cython: language_level=3
"""A stream's consumer groups: who was given which entry, and has not acknowledged it yet.

Groups stand in an array sorted by name, so do the consumers of a group. A pending entry is one `Pending`, found by its ID
in two ordered maps: the group's, which owns it, and its consumer's. Complexity: a name O(log N) to find, O(N) moves of
pointers to add; an ID O(log N). Owner: the main thread.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from server.structures.rax cimport Rax, StreamId

cdef enum:
    READ_UNKNOWN = -1                  # entries_read of a group that cannot tell

cdef struct StreamName:
    size_t length
    char text[1]                       # so many bytes, in one block with the rest

cdef struct StreamConsumer:
    StreamName* name
    int64_t seen_ms                    # Unix time it last tried to do something
    int64_t active_ms                  # Unix time it last got something; -1 never
    Rax* pending                       # ID -> Pending, owned by the group

cdef struct Pending:                   # Redis's NACK
    int64_t delivered_ms               # Unix time of the last delivery
    uint64_t deliveries
    StreamConsumer* consumer           # whom it was delivered to

cdef struct StreamGroup:
    StreamName* name
    StreamId last                      # the last entry delivered to anybody
    int64_t entries_read               # how many entries of the stream were read up to there, or READ_UNKNOWN
    Rax* pending                       # ID -> Pending
    StreamConsumer** consumers         # sorted by name
    uint32_t consumer_count
    uint32_t consumer_capacity

cdef struct StreamGroups:
    StreamGroup** items                # sorted by name; NULL while there is none
    uint32_t count
    uint32_t capacity

# --- groups
cdef StreamGroup* group_find(const StreamGroups* groups, const char* name, size_t n) noexcept nogil      # NULL: none
cdef StreamGroup* group_add(StreamGroups* groups, const char* name, size_t n, StreamId last, int64_t entries_read) noexcept nogil   # NULL: there is one
cdef bint group_remove(StreamGroups* groups, const char* name, size_t n) noexcept
cdef bint groups_free_step(StreamGroups* groups, size_t entries) noexcept            # about so many pending entries; 1 = all gone
cdef void groups_copy(const StreamGroups* groups, StreamGroups* copy) noexcept nogil # copy is uninitialised memory
cdef size_t groups_memory(const StreamGroups* groups) noexcept nogil
cdef size_t groups_effort(const StreamGroups* groups) noexcept nogil                 # entries to free

# --- consumers
cdef StreamConsumer* consumer_find(const StreamGroup* group, const char* name, size_t n) noexcept nogil
cdef StreamConsumer* consumer_add(StreamGroup* group, const char* name, size_t n, int64_t now_ms) noexcept nogil     # NULL: there is one
cdef uint64_t consumer_remove(StreamGroup* group, StreamConsumer* consumer) noexcept # with its pending entries; how many

# --- pending entries
cdef Pending* pending_find(const StreamGroup* group, StreamId id) noexcept nogil
cdef Pending* pending_add(StreamGroup* group, StreamId id, StreamConsumer* consumer, int64_t now_ms, uint64_t deliveries) noexcept nogil
    # of a new one, or NULL: there is one. consumer may be NULL for a moment: see pending_give
cdef void pending_give(Pending* pending, StreamId id, StreamConsumer* consumer) noexcept nogil       # to another consumer
cdef bint pending_remove(StreamGroup* group, StreamId id) noexcept nogil

cdef const char* groups_check(const StreamGroups* groups) noexcept nogil             # NULL, or what is wrong
