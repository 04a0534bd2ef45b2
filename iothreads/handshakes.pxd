# cython: language_level=3
"""Which handshakes the main thread does itself: a quick one, which saves two ways between threads, while it has nothing else to
do and few others are under way on its lane, be they in step. I/O threads do all others."""
from libc.stdint cimport uint64_t

from iothreads.connection cimport WAITS_HANDSHAKE, Connection
from iothreads.lane cimport Lane, lane_find

cdef enum:
    PLACES = 4                         # at once, at most
    NO_PLACE = PLACES

cdef inline int place_for(const Lane* lane, const uint64_t* names) noexcept:
    """Which of the places is free: what began there is over, or gone; NO_PLACE."""
    cdef Connection* c
    cdef int place
    for place in range(PLACES):
        c = lane_find(lane, names[place])
        if c == NULL or not c.waits & WAITS_HANDSHAKE:
            return place
    return NO_PLACE
