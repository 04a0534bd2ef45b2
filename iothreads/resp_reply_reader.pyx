# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One loop over the bytes. What usually comes, a short line or a short length in one piece, is a few comparisons; a
long line is memchr's, a bulk is an addition. A piece that ends anywhere leaves the phase behind, and the next goes on.

    $ = !      a length, then so many bytes and CRLF ($-1 is a null and has none)
    * ~ % >    a count of values (pairs for %); *-1 is a null
    |          a count of pairs before the value that they describe: not a value itself
    the rest   a line
"""
from libc.stdint cimport int64_t
from libc.string cimport memchr, memset

cdef enum:
    SHORT_LINE = 16                    # bytes looked at before memchr is called
    DIGITS_MAX = 18


cdef void reply_scanner_reset(ReplyScanner* scanner) noexcept nogil:
    memset(scanner, 0, sizeof(ReplyScanner))


cdef inline void value_ends(ReplyScanner* s) noexcept nogil:
    """A value is whole, and with the last one of an aggregate that, too."""
    s.phase = AT_VALUE
    while s.depth:
        s.open[s.depth - 1] -= 1
        if s.open[s.depth - 1] > 0:
            return
        s.depth -= 1
        if s.attributes >> s.depth & 1:
            s.attributes ^= <uint64_t>1 << s.depth
            return                     # what it describes is still to come
    s.inside = False


cdef inline void aggregate_begins(ReplyScanner* s) noexcept nogil:
    if s.number == 0:
        if s.kind == c'|':
            s.phase = AT_VALUE
        else:
            value_ends(s)
        return
    if s.depth == REPLY_DEPTH or s.number > REPLY_COUNT_MAX:
        s.phase = BROKEN
        return
    if s.kind == c'|':
        s.attributes |= <uint64_t>1 << s.depth
    s.open[s.depth] = s.number * 2 if s.kind == c'%' or s.kind == c'|' else s.number
    s.depth += 1
    s.phase = AT_VALUE


cdef inline void number_ends(ReplyScanner* s, int64_t max_bulk) noexcept nogil:
    """The line of a length or a count is over."""
    if s.negative:                     # only a null of RESP2 is less than nothing
        if s.number == 1 and (s.kind == c'$' or s.kind == c'*'):
            value_ends(s)
        else:
            s.phase = BROKEN
    elif s.kind == c'$' or s.kind == c'=' or s.kind == c'!':
        s.left = s.number + 2
        s.phase = IN_BULK if s.number <= max_bulk else BROKEN
    else:
        aggregate_begins(s)


cdef inline void value_begins(ReplyScanner* s, char kind) noexcept nogil:
    s.kind = kind
    if s.depth == 0 and kind != c'|':
        s.first = kind
    if kind == c'+' or kind == c':' or kind == c'-' or kind == c'_' or kind == c'#' or kind == c',' or kind == c'(':
        s.phase = IN_LINE
        s.left = 0
    elif (kind == c'$' or kind == c'*' or kind == c'%' or kind == c'~' or kind == c'|' or kind == c'=' or kind == c'!'
          or (kind == c'>' and s.depth == 0)):
        s.phase = IN_NUMBER
        s.number = 0
        s.digits = 0
        s.negative = False
    else:
        s.phase = BROKEN


cdef inline const char* line_on(ReplyScanner* s, const char* p, const char* end) noexcept nogil:
    cdef const char* line = p
    cdef const char* near = p + SHORT_LINE if end - p > SHORT_LINE else end
    while p < near and p[0] != c'\n':
        p += 1
    if p == near and p < end:
        p = <const char*>memchr(p, c'\n', end - p)
        if p == NULL:
            p = end
    s.left += p - line
    if s.left > REPLY_LINE_MAX:
        s.phase = BROKEN
    elif p < end:
        p += 1
        value_ends(s)
    return p


cdef inline const char* number_on(ReplyScanner* s, const char* p, const char* end) noexcept nogil:
    cdef char c
    while p < end:
        c = p[0]
        p += 1
        if c >= c'0' and c <= c'9' and s.digits < DIGITS_MAX:
            s.number = s.number * 10 + (c - c'0')
            s.digits += 1
        elif c == c'-' and s.digits == 0 and not s.negative:
            s.negative = True
        else:
            s.phase = AFTER_CR if c == c'\r' and s.digits else BROKEN
            break
    return p


cdef const char* reply_scan(ReplyScanner* s, const char* p, const char* end, int64_t max_bulk) noexcept nogil:
    """Goes on to the end of the reply that is being read or begins here: then `inside` is false and the place behind it is
    returned. Else that was `end`, or the phase is BROKEN. max_bulk: bytes of the longest bulk allowed. There must be at
    least one byte."""
    cdef int64_t n
    if not s.inside:
        s.inside = True
        s.first = 0
    while p < end and s.inside:
        if s.phase == AT_VALUE:
            value_begins(s, p[0])
            p += 1
        elif s.phase == IN_LINE:
            p = line_on(s, p, end)
        elif s.phase == IN_NUMBER:
            p = number_on(s, p, end)
        elif s.phase == AFTER_CR:
            if p[0] != c'\n':
                s.phase = BROKEN
            else:
                p += 1
                number_ends(s, max_bulk)
        elif s.phase == IN_BULK:
            n = min(s.left, <int64_t>(end - p))
            p += n
            s.left -= n
            if s.left == 0:
                value_ends(s)
        else:
            break
    return p
