# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths for commands that come from a file: the file's own bytes stand for a client's query buffer.

A fast path that declines, a command that has none, an odd byte: all of that is left to whoever reads the file, at its
place. So this may be left out at any time, and nothing changes but the speed.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from libc.string cimport memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport PyObject

from iothreads.message cimport Arg, Batch, Request, output_clear
from server.clients.client cimport Client
from server.dispatch.door cimport FROM_FILE, may_pass
from server.dispatch.record cimport Record, record_of

cdef enum:
    ARGS_MAX = 64                      # longer commands are left to the definition
    DIGITS_MAX = 9


cdef inline Py_ssize_t _number(const char* text, Py_ssize_t at, Py_ssize_t end, char mark, long* value) noexcept:
    """The place after `mark digits CR LF`, -1 when that is not there."""
    cdef Py_ssize_t first = at + 1
    if at >= end or text[at] != mark:
        return -1
    at += 1
    value[0] = 0
    while at < end and c'0' <= text[at] <= c'9' and at - first < DIGITS_MAX:
        value[0] = value[0] * 10 + (text[at] - c'0')
        at += 1
    if at == first or at + 2 > end or text[at] != c'\r' or text[at + 1] != c'\n':
        return -1
    return at + 2


cdef class FastReplay:
    """Runs what it can for one client."""

    cdef Client client
    cdef Batch batch
    cdef Request request
    cdef Arg args[ARGS_MAX]

    def __cinit__(self, Client client):
        self.client = client
        memset(&self.batch, 0, sizeof(Batch))
        memset(&self.request, 0, sizeof(Request))
        self.batch.args = self.args
        self.batch.arg_capacity = ARGS_MAX
        self.batch.commands = &self.request
        self.batch.command_count = self.batch.command_capacity = self.batch.next = 1

    def advance(self, bytes data, Py_ssize_t at, Py_ssize_t most) -> int:
        """Run commands from `at` on, about `most` bytes of them; the place of the first that was not run."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t stop = at + most
        cdef Py_ssize_t after
        cdef Request* r = &self.request
        self.batch.buffer = PyBytes_AS_STRING(data)
        self.batch.used = self.batch.capacity = size
        while at < stop:
            after = self._parse(self.batch.buffer, at, size)
            if after < 0:
                break
            r.record = record_of(self.batch.buffer + self.args[0].offset, self.args[0].length)
            if not may_pass(<PyObject*>r.record, self.client, &self.batch, r, FROM_FILE):
                break
            if not (<Record>r.record).fast(self.client, &self.batch, r):
                break
            at = after
        output_clear(&self.client.out)
        return at

    cdef Py_ssize_t _parse(self, const char* text, Py_ssize_t at, Py_ssize_t size) noexcept:
        cdef long count, length
        cdef long i
        cdef Py_ssize_t start = at
        at = _number(text, at, size, c'*', &count)
        if at < 0 or count < 1 or count > ARGS_MAX:
            return -1
        for i in range(count):
            at = _number(text, at, size, c'$', &length)
            if at < 0 or size - at < length + 2 or text[at + length] != c'\r' or text[at + length + 1] != c'\n':
                return -1
            self.args[i].offset = at
            self.args[i].length = length
            at += length + 2
        self.request.first_arg = 0
        self.request.arg_count = <uint32_t>count
        self.batch.arg_count = <uint32_t>count
        self.request.hash = 0
        self.request.bytes = start
        self.request.bytes_length = at - start
        return at
