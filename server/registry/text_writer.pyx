# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GET_LENGTH

from iothreads.resp_writer cimport format_signed

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1
    bint PyUnicode_IS_COMPACT_ASCII(object text)

cdef enum:
    FIRST_ROOM = 16384                 # bytes: INFO without arguments needs less than half
    NUMBER_ROOM = 24


cdef int text_begin(Text* text) except -1:
    text.bytes, text.used, text.room = <char*>malloc(FIRST_ROOM), 0, FIRST_ROOM
    if text.bytes == NULL:
        raise MemoryError
    return 0


cdef void text_end(Text* text) noexcept:
    free(text.bytes)
    text.bytes = NULL


cdef bytes text_made(const Text* text):
    return PyBytes_FromStringAndSize(text.bytes, text.used)


cdef char* _reserve(Text* text, size_t more) except NULL:
    """Where the next `more` bytes go."""
    cdef char* grown
    if text.used + more > text.room:
        grown = <char*>realloc(text.bytes, (text.used + more) * 2)
        if grown == NULL:
            raise MemoryError
        text.bytes, text.room = grown, (text.used + more) * 2
    return text.bytes + text.used


cdef int text_add(Text* text, const char* bytes, size_t length) except -1:
    memcpy(_reserve(text, length), bytes, length)
    text.used += length
    return 0


cdef int text_add_bytes(Text* text, bytes value) except -1:
    return text_add(text, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))


cdef int text_add_number(Text* text, int64_t value) except -1:
    cdef char* at = _reserve(text, NUMBER_ROOM)
    text.used += format_signed(at, value) - at
    return 0


cdef int text_add_value(Text* text, object value) except -1:
    cdef int overflow = 0
    cdef long long number
    if type(value) is int:
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow:
            return text_add_number(text, number)
    if type(value) is not str:
        value = str(value)
    if PyUnicode_IS_COMPACT_ASCII(value):
        return text_add(text, <const char*>PyUnicode_DATA(value), PyUnicode_GET_LENGTH(value))
    return text_add_bytes(text, (<str>value).encode("utf-8", "surrogateescape"))
