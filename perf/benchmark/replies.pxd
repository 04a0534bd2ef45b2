# cython: language_level=3
"""Where replies end: RESP2 and RESP3 are skipped, not read, in whatever pieces they come.

A Skipper keeps no bytes between two pieces, only where it is: so many connections share one receive buffer, which stays
in the processor's cache. Aggregates need no stack: `pending` counts the values still to come until the reply is whole,
and an array of n adds n to it.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t

cdef enum:                             # Skipper.phase: what the next byte is
    AT_VALUE = 0                       # a type byte
    IN_LINE = 1                        # of a line that ends with LF
    IN_NUMBER = 2                      # of a length or a count
    AFTER_CR = 3                       # the LF behind a length or a count
    IN_BULK = 4                        # of a bulk of `left` more bytes, CRLF included
    BROKEN = 5                         # this is no RESP

    ERROR_MAX = 256                    # bytes kept of the first error

cdef struct Skipper:
    int phase
    char kind                          # type byte of the value that is being read
    bint negative
    bint push                          # the reply being read is out-of-band data
    bint failed                        # the reply being read is an error
    bint capturing                     # its text goes to FirstError
    int64_t number
    int64_t left                       # bytes of a bulk
    int64_t pending                    # values until the reply is whole; 0: between replies

cdef struct FirstError:                # one for all connections of a thread
    bint taken                         # some connection writes or wrote it
    size_t length
    char[ERROR_MAX] text

cdef struct Found:                     # what one call has seen
    uint64_t replies                   # whole ones, errors included, pushes not
    uint64_t errors

cdef void skipper_reset(Skipper* skipper) noexcept nogil
cdef void skip(Skipper* skipper, const char* bytes, size_t length, FirstError* first, Found* found) noexcept nogil
