# cython: language_level=3
"""Replies are counted, not read: many connections share one receive buffer, which stays in the processor's cache. Where
they end is told by iothreads.resp_reply_reader; of the first error the text is kept.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from iothreads.resp_reply_reader cimport ReplyScanner

cdef enum:
    ERROR_MAX = 256                    # bytes kept of the first error: its text ...
    HEAD_MAX = 32                      # ... and what may stand before it

cdef struct Skipper:
    ReplyScanner scanner
    bint capturing                     # the reply being read is the first error

cdef struct FirstError:                # one for all connections of a thread
    bint taken                         # some connection writes or wrote it
    size_t length
    char[HEAD_MAX + ERROR_MAX] text    # from the type byte on

cdef struct Found:                     # what one call has seen
    uint64_t replies                   # whole ones, errors included, pushes not
    uint64_t errors

cdef void skipper_reset(Skipper* skipper) noexcept nogil
cdef bint skip(Skipper* s, const char* bytes, size_t length, FirstError* first, Found* found) noexcept nogil
cdef bytes error_text(const FirstError* first)
