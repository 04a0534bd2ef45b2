# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Integers among arguments, read by the parser that fast paths have (iothreads.decimal)."""
from libc.stdint cimport int64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.decimal cimport parse_int64

from server.registry.errors import NOT_AN_INTEGER, CommandError


def parse_integer(bytes text not None) -> int | None:
    """A 64-bit integer written canonically (no sign +, no leading zero, no space), or None. Redis: string2ll."""
    cdef int64_t value
    return value if parse_int64(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &value) else None


def integer(bytes text not None, str error=NOT_AN_INTEGER) -> int:
    """A signed 64-bit integer. Errors: `error`."""
    cdef int64_t value
    if not parse_int64(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &value):
        raise CommandError(error)
    return value
