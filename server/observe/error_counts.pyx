# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.string cimport memcmp

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from server.registry.command_error cimport error_code_length
from server.registry.number_places cimport integers_at

cdef enum:
    CODES_MAX = 128                    # distinct codes counted; more would grow without bound (Redis 7.4's cap)


cdef class ErrorCounts:
    """The counters behind errorstats and total_error_replies."""

    def __cinit__(self):
        self.others = {}

    cpdef int count(self, bytes text) except -1:
        """One error reply. Codes beyond the cap are counted as ERRORSTATS_DISABLED."""
        cdef const char* code = PyBytes_AS_STRING(text)
        cdef Py_ssize_t length = error_code_length(code, PyBytes_GET_SIZE(text))
        if length < 0 or (length == 3 and memcmp(code, "ERR", 3) == 0):
            self.count_plain()
        elif length == 9 and memcmp(code, "WRONGTYPE", 9) == 0:
            self.count_wrong_type()
        else:
            self.replies += 1
            self._count_other(text[:length])
        return 0

    cdef int _count_other(self, bytes code) except -1:
        count = self.others.get(code)
        if count is None and len(self.others) + (self.plain != 0) + (self.wrong_type != 0) >= CODES_MAX:
            code = b"ERRORSTATS_DISABLED"
            count = self.others.get(code)
        self.others[code] = 1 if count is None else count + 1
        return 0

    def by_code(self) -> dict[str, int]:
        """How many of each code."""
        found = {}
        if self.plain:
            found["ERR"] = self.plain
        if self.wrong_type:
            found["WRONGTYPE"] = self.wrong_type
        for code, count in self.others.items():
            found[(<bytes>code).decode("utf-8", "surrogateescape")] = count
        return found

    def reset(self) -> None:
        """CONFIG RESETSTAT."""
        self.replies = self.plain = self.wrong_type = 0
        self.others = {}


cdef ErrorCounts _model = ErrorCounts.__new__(ErrorCounts)
integers_at(_model, {"replies": <size_t>&_model.replies})
