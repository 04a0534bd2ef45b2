# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Loops over the RESP parser and the RESP writer, as a lane and a command drive them, without sockets."""
from libc.string cimport memcpy

from iothreads.message cimport (
    Batch, BatchPool, Output, PARSE_OK, batch_free, batch_new, batch_room, output_clear, output_init,
)
from iothreads.resp_reader cimport Reader, parse, reader_reset
from iothreads.resp_writer cimport write_bulk, write_double, write_header, write_integer, write_null, write_status
from perf.micro.clock cimport seconds

cdef enum:
    MAX_BULK = 536870912               # proto-max-bulk-len's default, bytes


def parse_requests(long loops, bytes requests, unsigned int commands) -> float:
    """Parse a buffer of whole requests, again and again. `commands` is how many there must be in it."""
    cdef BatchPool pool
    cdef Reader reader
    cdef double began, ended
    cdef const char* text = requests
    cdef size_t length = len(requests)
    cdef long n
    pool.free = NULL
    pool.size = 0
    cdef Batch* b = batch_new(&pool)
    batch_room(b, length)
    memcpy(b.buffer, text, length)
    began = seconds()
    for n in range(loops):
        b.used = length
        b.command_count = 0
        b.arg_count = 0
        b.next = 0
        reader_reset(&reader)
        parse(&reader, b, MAX_BULK, True)
    ended = seconds()
    whole = b.error == PARSE_OK and (loops == 0 or b.command_count == commands)
    batch_free(b)
    if not whole:
        raise AssertionError("the requests were not understood")
    return ended - began


def write_replies(long loops, str kind, bytes value, unsigned int replies) -> float:
    """Write so many replies of a kind into an output that is emptied after each loop, as a client's is by the lane."""
    cdef Output out
    cdef double began
    cdef const char* text = value
    cdef size_t length = len(value)
    cdef int which = ("bulk", "integer", "double", "null", "status", "array").index(kind)
    cdef long n
    cdef unsigned int i
    output_init(&out)
    began = seconds()
    for n in range(loops):
        if which == 5:
            write_header(&out, c'*', replies)
        for i in range(replies):
            if which == 0 or which == 5:
                write_bulk(&out, text, length)
            elif which == 1:
                write_integer(&out, 1234567 + i)
            elif which == 2:
                write_double(&out, 0.1 * i, 2)
            elif which == 3:
                write_null(&out, 2)
            else:
                write_status(&out, "OK", 2)
        output_clear(&out)
    return seconds() - began
