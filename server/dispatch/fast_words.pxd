# cython: language_level=3
"""What fast paths of several groups read from a request, and write as a reply. Whatever they do not understand is the
definition's: they return 0."""
from libc.stdint cimport int64_t, uint32_t

from iothreads.message cimport Output
from server.dispatch.record cimport Op

cdef enum:
    FAST_DRAWN = 64                    # elements that one command draws at random, or pops

cdef extern from *:
    """
    #define REMUS_FAST_FAR ((int64_t)100000000000)
    """
    const int64_t FAST_FAR "REMUS_FAST_FAR"    # seconds or milliseconds: longer times to live are left to the definition's checks

cdef struct Pops:                      # what LMPOP, ZMPOP and the waiting forms of them ask for
    uint32_t first                     # arguments: the keys ...
    uint32_t end                       # ... and the word behind them, which says what end
    int64_t count                      # elements, FAST_DRAWN at most

cdef bint read_pops(Op* op, uint32_t at, Pops* pops) noexcept          # from `numkeys` on
cdef bint read_count(Op* op, uint32_t at, bint negative, int64_t* count) noexcept      # of elements: up to FAST_DRAWN
cdef bint read_number(const char* s, size_t n, long double* value) noexcept            # decimal text of ordinary length
cdef bint is_no_number(Op* op, uint32_t at) noexcept   # to nobody: it begins with a letter, but not as inf and nan do
cdef bint read_wait(Op* op, uint32_t at, int64_t* ms) noexcept         # a timeout in seconds, with up to three decimal places
cdef bint is_wait(Op* op, uint32_t at) noexcept                        # it is one
cdef int write_list(Output* out, char kind, list found) except -1      # byte strings; kind: the reply's first character
