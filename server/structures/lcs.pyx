# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The longest common subsequence, a row of bits for each prefix of the first string (Hyyro 2004).

Where length(i, j) is that of first[:i] and second[:j], it is length(i, j - 1) or one more; bit j - 1 of row i is clear where
it is one more. One addition makes 64 cells of a row from the row before, and the table takes 1/32 of what the lengths would.

Walking the table back from its last cell gives the subsequence and the stretches in which both strings run side by side,
last one first. Where two ways are equally long the walk shortens the second string, as Redis does, so the ranges agree.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

cdef extern from *:
    int __builtin_popcountll(uint64_t bits) nogil


def table_bytes(bytes first, bytes second) -> int:
    """What Redis's table of lengths takes for these two, bytes: its limit is one on this."""
    return (len(first) + 1) * (len(second) + 1) * sizeof(uint32_t)


cdef class CommonSubsequence:
    """The comparison of two strings. Complexity: O(len(first) * len(second)), 64 of them at once. Errors: MemoryError."""
    cdef bytes first
    cdef bytes second
    cdef uint64_t* rows                # one per prefix of first, the empty one too
    cdef size_t words                  # of a row
    cdef readonly uint32_t length      # of the longest common subsequence

    def __cinit__(self, bytes first, bytes second):
        cdef uint64_t* last
        cdef size_t word
        self.first = first
        self.second = second
        self.words = (len(second) + 63) // 64
        self.rows = <uint64_t*>malloc((len(first) + 1) * self.words * sizeof(uint64_t) + 1)
        if self.rows == NULL:
            raise MemoryError
        self._fill()
        last = self.rows + len(first) * self.words
        for word in range(self.words):
            self.length += __builtin_popcountll(~last[word])

    def __dealloc__(self):
        free(self.rows)

    cdef uint64_t* _places(self, int16_t* kinds) except NULL:
        """A row of bits for each byte that is in first: where it stands in second. kinds: which row is whose; -1: none."""
        cdef const unsigned char* a = <const unsigned char*>PyBytes_AS_STRING(self.first)
        cdef const unsigned char* b = <const unsigned char*>PyBytes_AS_STRING(self.second)
        cdef int16_t count = 0
        cdef size_t i
        cdef uint64_t* places
        memset(kinds, -1, 256 * sizeof(int16_t))
        for i in range(<size_t>len(self.first)):
            if kinds[a[i]] < 0:
                kinds[a[i]] = count
                count += 1
        places = <uint64_t*>calloc(count * self.words + 1, sizeof(uint64_t))
        if places == NULL:
            raise MemoryError
        for i in range(<size_t>len(self.second)):
            if kinds[b[i]] >= 0:
                places[kinds[b[i]] * self.words + (i >> 6)] |= <uint64_t>1 << (i & 63)
        return places

    cdef int _fill(self) except -1:
        cdef int16_t kinds[256]
        cdef uint64_t* places = self._places(kinds)
        cdef const unsigned char* a = <const unsigned char*>PyBytes_AS_STRING(self.first)
        cdef uint64_t* row = self.rows
        cdef const uint64_t* here
        cdef uint64_t before, sum, carry
        cdef size_t i, word
        memset(row, 0xFF, self.words * sizeof(uint64_t))
        for i in range(<size_t>len(self.first)):
            here = places + kinds[a[i]] * self.words
            carry = 0
            for word in range(self.words):
                before = row[word]
                sum = before + (before & here[word])
                row[self.words + word] = sum + carry | before & ~here[word]
                carry = sum < before or sum + carry < sum
            row += self.words
        free(places)
        return 0

    cdef inline bint _rises(self, size_t i, size_t j) noexcept:
        """Whether length(i, j) is more than length(i, j - 1)."""
        return not self.rows[i * self.words + (j - 1 >> 6)] >> (j - 1 & 63) & 1

    def text(self) -> bytes:
        """The subsequence itself."""
        cdef bytes result = PyBytes_FromStringAndSize(NULL, self.length)
        cdef char* out = PyBytes_AS_STRING(result)
        cdef const char* a = PyBytes_AS_STRING(self.first)
        cdef const char* b = PyBytes_AS_STRING(self.second)
        cdef size_t i = len(self.first), j = len(self.second), left = self.length
        while left and i and j:
            if a[i - 1] == b[j - 1]:
                i -= 1
                j -= 1
                left -= 1
                out[left] = a[i]
            elif self._rises(i, j):
                i -= 1
            else:
                j -= 1
        return result

    def ranges(self) -> list[tuple[int, int, int, int]]:
        """Stretches that match, from the end: (start in first, end in first, start in second, end in second), ends
        included."""
        cdef const char* a = PyBytes_AS_STRING(self.first)
        cdef const char* b = PyBytes_AS_STRING(self.second)
        cdef size_t i = len(self.first), j = len(self.second)
        cdef size_t run = 0                # bytes of the stretch that begins at (i, j)
        cdef list found = []
        cdef bint same
        while i and j:
            same = a[i - 1] == b[j - 1]
            if same:
                i -= 1
                j -= 1
                run += 1
            if run and (not same or i == 0 or j == 0):
                found.append((i, i + run - 1, j, j + run - 1))
                run = 0
            if same:
                continue
            if self._rises(i, j):
                i -= 1
            else:
                j -= 1
        return found
