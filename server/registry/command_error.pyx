# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.string cimport memchr

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

cdef enum:
    CODE_MAX = 30                      # bytes


cdef class CommandError(Exception):
    """An error reply. The text starts with its code: "ERR ...", "WRONGTYPE ...". Native, for programs lean on errors: they
    look whether a script is known, and what type a key has."""

    counted = False                    # by the statistics, when it was another command's

    def __init__(self, text):
        self.text = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text

    def __str__(self) -> str:
        return self.text.decode("utf-8", "surrogateescape")

    @property
    def code(self) -> str:
        """What errorstats counts by: the first word, or ERR where none of up to CODE_MAX bytes ends in a space."""
        cdef Py_ssize_t length = error_code_length(PyBytes_AS_STRING(self.text), PyBytes_GET_SIZE(self.text))
        return self.text[:length].decode("utf-8", "surrogateescape") if length >= 0 else "ERR"

    def bare(self) -> CommandError:
        """Itself, without the frames that it came through: an error is kept as a reply, and a frame knows the call that
        keeps it, so the two would never be freed (the collector is off while serving)."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self


cdef Py_ssize_t error_code_length(const char* text, size_t length) noexcept nogil:
    cdef const void* space = memchr(text, c' ', length if length <= CODE_MAX else CODE_MAX + 1)
    return -1 if space == NULL else <const char*>space - text
