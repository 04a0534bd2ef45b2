# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A loop over the replies of a piece; whoever sends what is no reply is told so by `skip`."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from iothreads.resp_reply_reader cimport BROKEN, reply_scan

cdef enum:
    LONGEST = 0x10000000000            # bytes of a bulk: none is more


cdef void skipper_reset(Skipper* skipper) noexcept nogil:
    memset(skipper, 0, sizeof(Skipper))


cdef void capture(Skipper* s, FirstError* first, const char* bytes, size_t length) noexcept nogil:
    """A piece of a reply that is an error: of the first one it is kept."""
    if not s.capturing:
        if first.taken:
            return
        first.taken = s.capturing = True
    length = min(length, sizeof(first.text) - first.length)
    memcpy(first.text + first.length, bytes, length)
    first.length += length


cdef bint skip(Skipper* s, const char* bytes, size_t length, FirstError* first, Found* found) noexcept nogil:
    """Counts the replies that end in this piece; false once something came that is none."""
    cdef const char* p = bytes
    cdef const char* end = bytes + length
    cdef const char* start
    cdef bint failed
    while p < end:
        start = p
        p = reply_scan(&s.scanner, p, end, LONGEST)
        if s.scanner.phase == BROKEN:
            return False
        failed = s.scanner.first == c'-' or s.scanner.first == c'!'
        if failed:
            capture(s, first, start, p - start)
        if s.scanner.inside:
            break
        s.capturing = False
        if s.scanner.first != c'>':
            found.replies += 1
            found.errors += failed
    return True


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
        return not self.skipper.scanner.inside

    @property
    def broken(self) -> bool:
        return self.skipper.scanner.phase == BROKEN

    @property
    def first_error(self) -> bytes:
        """The text of the first error, at most 256 bytes, without its type byte and line end."""
        return error_text(&self.first)


cdef bytes error_text(const FirstError* first):
    """What an error says, of the bytes kept of it."""
    cdef bytes kept = first.text[:first.length]
    if kept[:1] == b"!":
        kept = kept.partition(b"\r\n")[2]
    else:
        kept = kept[1:]
    return kept.partition(b"\r\n")[0][:ERROR_MAX]
