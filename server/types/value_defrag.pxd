# cython: language_level=3
"""Moving the blocks of a key's value, of whatever type, out of pages that are to be emptied (structures.defrag).

A small value is done at once, a large one in pieces: `place` says where it goes on. Between two pieces the value may
change in any way; what is added or moved meanwhile may be left out, what is there all the time is not.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from server.structures.rax cimport StreamId
from server.types.stream_defrag cimport GroupsPlace

cdef struct ValuePlace:                # zero at the beginning
    int stage                          # of those that the type has
    uint64_t at                        # in it: a cursor of SCAN, a rank
    StreamId after                     # an ID
    GroupsPlace groups

cdef bint value_moved(int type, int encoding, uint64_t* word, ValuePlace* place, size_t effort) noexcept
    # about `effort` elements of what the word points to, which may become another. 1: that was all
