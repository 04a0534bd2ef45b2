# cython: language_level=3
from libc.stdint cimport uint64_t

from server.observe.histogram cimport Histogram

cdef enum:
    KINDS = 3                          # of commands, by what they do with keys (Record.kind): read, write, other
    TURN_CLASSES = 25                  # the last holds all turns of 8 s and more

cdef struct Payload:                   # bytes
    Histogram requests
    Histogram replies

cdef class Load:
    cdef Histogram* waited             # microseconds from the hand-over of a batch to its first command
    cdef Payload* carried              # by kind
    cdef uint64_t* turned              # turns by the bits of their microseconds

cdef Load load_of(Histogram* waits, Payload* payloads, uint64_t* turns)
