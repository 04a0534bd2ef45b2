# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Commands out of an append only file, one after the other, and how far the file is good.

The file is read in pieces of a megabyte. A command is complete or it is not: a missing end is Torn, as is an end that
consists of zeros alone (what some file systems show after a power cut); anything else that is no command is BadFormat.
"""
from libc.string cimport memchr

from os import SEEK_END

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

PIECE = 1 << 20
cdef long long LARGEST = 10 ** 18
cdef enum:
    NEED_MORE = -1
    BAD = -2
    LINE_MAX = 1024            # longest line: a count, a length, an annotation
    DIGITS_MAX = 18            # a number of more is taken for this large: no file holds as much
    FAST_BYTES = 1 << 17       # run by `fast` at a time


class Torn(Exception):
    """The file ends within a command."""


class BadFormat(Exception):
    """The file holds something that is no command."""


cdef class AofReader:
    """Reads `file` (a binary file object) from its position on. `offset` is the end of what was understood so far,
    counted from the start of the file."""

    cdef object file
    cdef bytes data                    # the piece at hand
    cdef Py_ssize_t at                 # next byte of it
    cdef long long start               # file offset of its first byte
    cdef bint ended
    cdef Py_ssize_t want               # bytes that the command at hand is known to need
    cdef list argv                     # the command that _parse found, None for an annotation
    cdef public object fast            # (data, at, most) -> the place up to which somebody ran commands; None: nobody
    cdef readonly long long command_start      # where the last command begins in the file
    cdef readonly bytes annotation     # the last #... line, without the line end

    def __init__(self, file):
        self.file = file
        self.start = file.tell()
        self.data = b""

    @property
    def offset(self) -> int:
        """Bytes of the file that were understood."""
        return self.start + self.at

    def next(self, bint annotations=False) -> list | None:
        """The next command as a list of bytes, None at the end of the file. With `annotations` each of those is an
        empty list, its line in `annotation`. With `fast` an empty list says that commands were run. Raises Torn,
        BadFormat."""
        cdef Py_ssize_t at, before
        while True:
            if self.fast is not None and self.at < PyBytes_GET_SIZE(self.data):
                before = self.at
                self.at = self.fast(self.data, before, FAST_BYTES)
                if self.at - before >= FAST_BYTES:
                    return []
            at = self._parse() if self.at < PyBytes_GET_SIZE(self.data) else NEED_MORE
            if at >= 0:
                self.command_start = self.start + self.at
                self.at = at
                if self.argv is not None:
                    return self.argv
                if annotations:
                    return []
            elif at == BAD:
                self._bad()
            elif not self._read_more():
                if self.at == PyBytes_GET_SIZE(self.data):
                    return None
                raise Torn

    cdef bint _read_more(self) except -1:
        cdef bytes rest, piece
        cdef Py_ssize_t have
        if self.ended:
            return False
        rest = self.data[self.at:]
        have = PyBytes_GET_SIZE(rest)
        # What is wanted may be more than the file has, or memory: no more at once than is there already.
        piece = self.file.read(max(PIECE, min(self.want - have, have)))
        self.want = 0
        if not piece:
            self.ended = True
            return False
        self.start += self.at
        self.at = 0
        self.data = rest + piece
        return True

    cdef _bad(self):
        """Bad, unless all that follows are zeros: those are the torn end of a file."""
        cdef bytes tail
        if not self._ends_with_zero():
            raise BadFormat
        self.want = LARGEST
        while self._read_more():
            self.want = LARGEST
        tail = self.data[self.at:]
        if tail.endswith(b"\0") and self._is_torn(tail):
            raise Torn
        raise BadFormat

    cdef bint _ends_with_zero(self) except -1:
        """Whether the file does: otherwise there is no need to read all of it."""
        cdef object here = self.file.tell()
        cdef bytes last
        self.file.seek(-1, SEEK_END)
        last = self.file.read(1)
        self.file.seek(here)
        return last == b"\0"

    cdef bint _is_torn(self, bytes tail) except -1:
        """Whether a command, cut anywhere and filled up with zeros, could look like this."""
        cdef bytes good = tail.rstrip(b"\0")
        cdef bytes kept = self.data
        cdef Py_ssize_t at = self.at, found
        if not good:
            return True
        self.data, self.at = good, 0
        found = self._parse()
        self.data, self.at = kept, at
        return found == NEED_MORE

    cdef Py_ssize_t _line_end(self, Py_ssize_t at) noexcept:
        """The place after the line that begins at `at`; NEED_MORE, BAD."""
        cdef const char* start = PyBytes_AS_STRING(self.data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self.data)
        cdef Py_ssize_t reach = size - at if size - at < LINE_MAX else LINE_MAX
        cdef const char* found
        if reach <= 0:
            return NEED_MORE
        found = <const char*>memchr(start + at, c'\n', reach)
        if found == NULL:
            return BAD if reach == LINE_MAX else NEED_MORE
        return found - start + 1

    cdef long long _number(self, Py_ssize_t at, Py_ssize_t end) noexcept:
        """The number between a mark and the line's end; BAD when there is none."""
        cdef const char* text = PyBytes_AS_STRING(self.data)
        cdef long long value = 0
        cdef Py_ssize_t digits
        end -= 1
        if end > at and text[end - 1] == c'\r':
            end -= 1
        digits = end - at
        if digits <= 0:
            return BAD
        while at < end:
            if not c'0' <= text[at] <= c'9':
                return BAD
            if digits <= DIGITS_MAX:
                value = value * 10 + (text[at] - c'0')
            at += 1
        return value if digits <= DIGITS_MAX else LARGEST

    cdef Py_ssize_t _parse(self) except -3:
        """One command or annotation at `self.at`: the place after it, the command in `self.argv`; or NEED_MORE, BAD."""
        cdef const char* start = PyBytes_AS_STRING(self.data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self.data)
        cdef Py_ssize_t at = self.at
        cdef Py_ssize_t end
        cdef long long count, length
        self.argv = None
        if start[at] != c'*' and start[at] != c'#':
            return BAD
        end = self._line_end(at)
        if end < 0:
            return end
        if start[at] == c'#':
            self.annotation = start[at:end].rstrip()
            return end
        count = self._number(at + 1, end)
        if count == LARGEST or <int>count < 1:         # Redis keeps it in an int
            return BAD
        argv = []
        at = end
        while count:
            count -= 1
            if at >= size:
                return NEED_MORE
            if start[at] != c'$':
                return BAD
            end = self._line_end(at)
            if end < 0:
                return end
            length = self._number(at + 1, end)
            if length < 0:
                return BAD
            if length > size - end or size - end - length < 2:
                if length < size - end and start[end + length] != c'\r':
                    return BAD
                self.want = end + length + 2 - self.at
                return NEED_MORE
            if start[end + length] != c'\r' or start[end + length + 1] != c'\n':
                return BAD
            argv.append(PyBytes_FromStringAndSize(start + end, length))
            at = end + length + 2
        self.argv = argv
        return at
