# cython: language_level=3
"""Where replies end: RESP2 and RESP3 in whatever pieces they come.

A scanner keeps no bytes between two pieces, only where it is, so a byte is looked at once however long the reply is, and
whoever does not want the bytes need not keep them. What a reply says is read from its bytes when it is whole
(server.registry.reply_reader); here is settled that they are well-formed: type bytes, lengths, counts, nesting.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef enum:                             # ReplyScanner.phase: what the next byte is
    AT_VALUE = 0                       # a type byte
    IN_LINE = 1                        # of a line that ends with LF
    IN_NUMBER = 2                      # of a length or a count
    AFTER_CR = 3                       # the LF behind a length or a count
    IN_BULK = 4                        # of a bulk of `left` more bytes, CRLF included
    BROKEN = 5                         # this is no RESP, or more of it than is allowed

    REPLY_DEPTH = 32                   # aggregates within each other, attributes among them
    REPLY_LINE_MAX = 1048576           # bytes of a status, an error, a number
    REPLY_COUNT_MAX = 0x7FFFFFFF       # elements of an aggregate; pairs of a map

cdef struct ReplyScanner:
    uint8_t phase
    char kind                          # type byte of the value that is being read
    char first                         # type byte of the reply that is being read or was read last, attributes aside
    uint8_t digits                     # of `number`
    bint negative
    bint inside                        # a reply has begun that is not whole
    int depth                          # aggregates that are open
    uint64_t attributes                # bit n: the one at level n is an attribute, which is no value itself
    int64_t number
    int64_t left                       # bytes of a bulk still to come; of a line: read so far
    int64_t[REPLY_DEPTH] open          # by level: values that are still to come

cdef void reply_scanner_reset(ReplyScanner* scanner) noexcept nogil
cdef const char* reply_scan(ReplyScanner* s, const char* p, const char* end, int64_t max_bulk) noexcept nogil
