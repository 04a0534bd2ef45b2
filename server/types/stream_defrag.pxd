# cython: language_level=3
"""Moving the blocks of a stream out of pages that are to be emptied: its nodes, and what its groups are made of.

A pending entry is in two maps, its group's and its consumer's, and names its consumer; a consumer is named by all of its
pending entries. One that has more of them than `PENDING_MAX` stays where it is, as it would have to be told to each.
"""
from libc.stdint cimport uint32_t

from server.structures.rax cimport StreamId
from server.types.stream_groups cimport StreamGroups
from server.types.stream_log cimport StreamLog

cdef enum:
    PENDING_MAX = 1000                 # pending entries of a consumer that is moved itself

cdef struct GroupsPlace:               # where to go on; zero at the beginning
    uint32_t group                     # its number, and the number of its consumer:
    uint32_t consumer                  # both may be another's by then, who is then passed over or met twice
    bint inside                        # the group itself and its array are done
    bint consumers                     # so are its pending entries
    bint begun                         # so is the consumer itself
    StreamId after                     # the pending entry that was the last

cdef bint stream_log_moved(StreamLog* log, StreamId* after) noexcept
    # some nodes above `after` (0-0: the first), which becomes the last of them; 0: there are none
cdef bint groups_moved(StreamGroups* groups, GroupsPlace* place) noexcept
    # a piece of about 42 pending entries; 0: that was all
