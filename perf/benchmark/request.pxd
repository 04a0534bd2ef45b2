# cython: language_level=3
"""Requests as bytes that are made once: a template is RESP with holes, and only the holes are written anew.

    *3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n | $<length> | \r\n ... \r\n
                             ^^^^^^^^^^^^ a number      ^ a value whose size is drawn: a cut between two segments

A number always has 12 digits (`__rand_int__` is as long as that), so writing it moves nothing. Values of one fixed size
are part of the bytes, and such a template is a single segment: a pipeline of it is built once for each connection.
Owner: the Engine makes them; threads read them.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from perf.benchmark.draw cimport Keys, Random, Sizes

cdef enum:
    DIGITS = 12                        # of a number

cdef enum:                             # Segment.value: what follows the bytes
    NO_VALUE = 0
    VALUE_LENGTH = 1                   # the digits of `fixed + times * size`, behind a `$`; draws a size
    VALUE_BYTES = 2                    # the value, of the size drawn last

cdef struct Segment:
    uint32_t start                     # in Template.bytes
    uint32_t length
    uint32_t first_hole                # in Template.holes
    uint32_t holes
    int value
    uint32_t fixed                     # bytes of the argument that are not the value
    uint32_t times                     # how often the value stands in the argument

cdef struct Template:
    char* bytes
    uint32_t length
    uint32_t* holes                    # offsets of numbers in bytes, ascending
    uint32_t hole_count
    Segment* segments
    uint32_t segment_count
    uint32_t values                    # VALUE_BYTES in it

cdef struct Pool:                      # random letters that values are cut from
    char* bytes
    uint32_t length                    # at least the greatest size
    uint32_t spare                     # a value may begin at 0..spare

cdef size_t template_most(const Template* template, const Sizes* sizes) noexcept nogil     # bytes of the longest request
cdef size_t render(const Template* template, char* to, Keys* keys, const Sizes* sizes, const Pool* pool,
                   Random* random) noexcept nogil                                          # returns the length
cdef void fill_holes(const Template* template, char* request, Keys* keys, Random* random) noexcept nogil
cdef char* write_digits(char* to, uint64_t value) noexcept nogil                           # shortest; returns the end
