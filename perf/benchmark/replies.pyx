# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""One loop over the bytes. What usually comes, a short line or a short length in one piece, is a few comparisons; a
long line is memchr's, a bulk is an addition. A piece that ends anywhere leaves the phase behind, and the next goes on.

    $ = !      a length, then so many bytes and CRLF ($-1 is a null and has none)
    * ~ % >    a count of values (pairs for %); *-1 is a null
    |          a count of pairs before the value that they describe: not a value itself
    the rest   a line
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memchr, memcpy, memset

cdef enum:
    SHORT_LINE = 16                    # bytes looked at before memchr is called


cdef void skipper_reset(Skipper* skipper) noexcept nogil:
    memset(skipper, 0, sizeof(Skipper))


cdef inline void value_ends(Skipper* s, FirstError* first, Found* found) noexcept nogil:
    s.phase = AT_VALUE
    s.capturing = False
    s.pending -= 1
    if s.pending == 0:
        if not s.push:
            found.replies += 1
            found.errors += s.failed
        s.failed = s.push = False


cdef inline void number_ends(Skipper* s, FirstError* first, Found* found) noexcept nogil:
    """The line of a length or a count is over."""
    cdef char kind = s.kind
    if kind == c'$' or kind == c'=' or kind == c'!':
        if s.negative:
            value_ends(s, first, found)
            return
        s.left = s.number + 2
        s.phase = IN_BULK
        return
    if not s.negative:
        s.pending += s.number * 2 if kind == c'%' or kind == c'|' else s.number
    if kind == c'|':
        s.phase = AT_VALUE             # the value itself is still to come
    else:
        value_ends(s, first, found)


cdef void capture(FirstError* first, const char* bytes, size_t length) noexcept nogil:
    length = min(length, ERROR_MAX - first.length)
    memcpy(first.text + first.length, bytes, length)
    first.length += length


cdef inline void value_begins(Skipper* s, char kind, FirstError* first) noexcept nogil:
    s.kind = kind
    if s.pending == 0:
        s.pending = 1
        if kind == c'>':
            s.push = True
        elif kind == c'-' or kind == c'!':
            s.failed = True
            if not first.taken:
                first.taken = s.capturing = True
    if kind == c'+' or kind == c':' or kind == c'-' or kind == c'_' or kind == c'#' or kind == c',' or kind == c'(':
        s.phase = IN_LINE
    elif (kind == c'$' or kind == c'*' or kind == c'%' or kind == c'~' or kind == c'>' or kind == c'|' or kind == c'='
          or kind == c'!'):
        s.phase = IN_NUMBER
        s.number = 0
        s.negative = False
    else:
        s.phase = BROKEN


cdef void skip(Skipper* s, const char* bytes, size_t length, FirstError* first, Found* found) noexcept nogil:
    cdef const char* p = bytes
    cdef const char* end = bytes + length
    cdef const char* line
    cdef const char* near
    cdef int64_t n
    cdef char c
    while p < end:
        if s.phase == AT_VALUE:
            value_begins(s, p[0], first)
            p += 1
        elif s.phase == IN_LINE:
            line = p
            near = p + SHORT_LINE if end - p > SHORT_LINE else end
            while p < near and p[0] != c'\n':
                p += 1
            if p == near and p < end:
                p = <const char*>memchr(p, c'\n', end - p)
                if p == NULL:
                    p = end
            if s.capturing:
                capture(first, line, p - line)
            if p < end:
                p += 1
                value_ends(s, first, found)
        elif s.phase == IN_NUMBER:
            while p < end:
                c = p[0]
                p += 1
                if c >= c'0' and c <= c'9':
                    s.number = s.number * 10 + (c - c'0')
                    if s.number > (<int64_t>1 << 40):  # no length or count is more
                        s.phase = BROKEN
                        break
                elif c == c'-':
                    s.negative = True
                else:
                    s.phase = AFTER_CR if c == c'\r' else BROKEN
                    break
        elif s.phase == AFTER_CR:
            if p[0] != c'\n':
                s.phase = BROKEN
            else:
                p += 1
                number_ends(s, first, found)
        elif s.phase == IN_BULK:
            n = min(s.left, <int64_t>(end - p))
            if s.capturing:
                capture(first, p, n)
            p += n
            s.left -= n
            if s.left == 0:
                value_ends(s, first, found)
        else:
            break


cdef class ReplyCounter:
    """The test face: feed bytes in any pieces, look at the counts."""

    cdef Skipper skipper
    cdef FirstError first
    cdef Found found

    def feed(self, bytes piece) -> int:
        """Count the replies that end in `piece`; how many have ended so far. O(bytes), less for long bulks."""
        skip(&self.skipper, piece, len(piece), &self.first, &self.found)
        return self.found.replies

    @property
    def replies(self) -> int:
        return self.found.replies

    @property
    def errors(self) -> int:
        return self.found.errors

    @property
    def between(self) -> bool:
        """No reply has begun that is not whole."""
        return self.skipper.phase == AT_VALUE and self.skipper.pending == 0

    @property
    def broken(self) -> bool:
        return self.skipper.phase == BROKEN

    @property
    def first_error(self) -> bytes:
        """The text of the first error, at most 256 bytes, without its type byte and line end."""
        return self.first.text[:self.first.length].rstrip(b"\r\n")
