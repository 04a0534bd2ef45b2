# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport uint32_t

from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.resp_writer cimport format_unsigned, write_bulk, write_header, write_raw
from server.dispatch.fast_words cimport write_list
from server.dispatch.shapes cimport integer_at, is_word, length_at, word_at
from server.structures.glob cimport glob_prefix

cdef enum:
    MOST_SCANNED = 1000                # what COUNT may say


cdef bint read_scanning(Op* op, Scanning* scanning) noexcept:
    cdef uint32_t at
    cdef int64_t number
    scanning.count = 10
    scanning.pattern = NULL
    if not integer_at(op, 2, &number) or number < 0 or not op.r.arg_count & 1:
        return False
    scanning.cursor = <uint64_t>number
    for at in range(3, op.r.arg_count, 2):
        if is_word(op, at, "match", 5):
            scanning.pattern, scanning.length = word_at(op, at + 1), length_at(op, at + 1)
            scanning.prefix = glob_prefix(scanning.pattern, scanning.length)
        elif not (is_word(op, at, "count", 5) and integer_at(op, at + 1, &scanning.count)
                  and 0 < scanning.count <= MOST_SCANNED):
            return False
    if scanning.pattern != NULL and scanning.length == 1 and scanning.pattern[0] == c'*':
        scanning.pattern = NULL
    return True


cdef bytes pattern_of(const Scanning* scanning):
    return PyBytes_FromStringAndSize(scanning.pattern, scanning.length) if scanning.pattern != NULL else None


cdef void write_all_scanned(Output* out, size_t count) noexcept:
    write_raw(out, "*2\r\n$1\r\n0\r\n", 11)
    write_header(out, c'*', count)


cdef int write_scanned(Output* out, uint64_t cursor, list found) except -1:
    cdef char digits[24]
    write_raw(out, "*2\r\n", 4)
    write_bulk(out, digits, format_unsigned(digits, cursor) - digits)
    return write_list(out, c'*', found)
