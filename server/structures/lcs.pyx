# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The longest common subsequence by the table of all prefixes: cell (i, j) is the length for first[:i] and second[:j].

Walking the table back from its last cell gives the subsequence and the stretches in which both strings run side by side,
last one first. Where two ways are equally long the walk shortens the second string, as Redis does, so the ranges agree.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE


def table_bytes(bytes first, bytes second) -> int:
    """Memory that comparing these two takes for a moment, bytes."""
    return (len(first) + 1) * (len(second) + 1) * sizeof(uint32_t)


cdef class CommonSubsequence:
    """The comparison of two strings. Complexity: O(len(first) * len(second)) time and memory. Errors: MemoryError."""
    cdef bytes first
    cdef bytes second
    cdef uint32_t* cells               # row by row, one row per prefix of first
    cdef size_t width                  # cells of a row
    cdef readonly uint32_t length      # of the longest common subsequence

    def __cinit__(self, bytes first, bytes second):
        self.first = first
        self.second = second
        self.width = len(second) + 1
        self.cells = <uint32_t*>calloc((len(first) + 1) * self.width, sizeof(uint32_t))
        if self.cells == NULL:
            raise MemoryError
        self._fill(PyBytes_AS_STRING(first), PyBytes_GET_SIZE(first), PyBytes_AS_STRING(second))
        self.length = self.cells[len(first) * self.width + self.width - 1]

    def __dealloc__(self):
        free(self.cells)

    cdef void _fill(self, const char* a, size_t rows, const char* b) noexcept nogil:
        """Without a branch: where bytes agree, the cell before both is never less than one below its neighbours."""
        cdef size_t i, j
        cdef uint32_t* row = self.cells
        cdef uint32_t* above
        cdef uint32_t left, both
        cdef char byte
        for i in range(1, rows + 1):
            above = row
            row = above + self.width
            left = 0
            byte = a[i - 1]
            for j in range(1, self.width):
                both = above[j - 1] + (byte == b[j - 1])
                both = both if both > above[j] else above[j]
                left = left if left > both else both
                row[j] = left

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
            elif self.cells[(i - 1) * self.width + j] > self.cells[i * self.width + j - 1]:
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
            if self.cells[(i - 1) * self.width + j] > self.cells[i * self.width + j - 1]:
                i -= 1
            else:
                j -= 1
        return found
