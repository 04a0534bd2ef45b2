# cython: language_level=3
"""RESP2 and RESP3 replies, written straight into an Output. Nothing here fails: out of memory ends the process."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from iothreads.message cimport Output, output_advance, output_reserve

cdef char* format_unsigned(char* at, uint64_t value) noexcept nogil       # decimal digits; returns the end
cdef inline char* format_signed(char* at, int64_t value) noexcept nogil:
    if value < 0:
        at[0] = c'-'
        return format_unsigned(at + 1, <uint64_t>0 - <uint64_t>value)
    return format_unsigned(at, <uint64_t>value)

cdef size_t format_double(char* at, double value) noexcept nogil          # shortest %.17g round trip as Redis replies doubles; inf, -inf, nan; <= 40 bytes
cdef size_t format_shortest(char* at, double value) noexcept nogil        # the same, but 5e+9 for 5000000000

cdef inline void write_raw(Output* out, const char* bytes, size_t length) noexcept nogil:
    memcpy(output_reserve(out, length), bytes, length)
    output_advance(out, length)

cdef inline void write_joined(Output* out, const char* first, size_t n, const char* second, size_t m) noexcept nogil:
    """Two pieces side by side."""
    cdef char* start = output_reserve(out, n + m)
    memcpy(start, first, n)
    memcpy(start + n, second, m)
    output_advance(out, n + m)

cdef inline void write_bulk(Output* out, const char* bytes, size_t length) noexcept nogil:
    cdef char* start = output_reserve(out, length + 32)
    cdef char* p = start
    p[0] = c'$'
    p = format_unsigned(p + 1, length)
    p[0] = c'\r'; p[1] = c'\n'
    memcpy(p + 2, bytes, length)
    p += 2 + length
    p[0] = c'\r'; p[1] = c'\n'
    output_advance(out, p + 2 - start)

cdef inline void write_integer(Output* out, int64_t value) noexcept nogil:
    cdef char* start = output_reserve(out, 32)
    cdef char* p = start
    p[0] = c':'
    p = format_signed(p + 1, value)
    p[0] = c'\r'; p[1] = c'\n'
    output_advance(out, p + 2 - start)

cdef inline void write_header(Output* out, char kind, uint64_t count) noexcept nogil:
    """`*n`, `%n`, `~n`, `>n`, `|n`, `$n`: one type byte, a count, CRLF."""
    cdef char* start = output_reserve(out, 32)
    cdef char* p = start
    p[0] = kind
    p = format_unsigned(p + 1, count)
    p[0] = c'\r'; p[1] = c'\n'
    output_advance(out, p + 2 - start)

cdef inline void write_verbatim(Output* out, const char* text, size_t length, int resp) noexcept nogil:
    """Text for people to read."""
    if resp != 3:
        write_bulk(out, text, length)
        return
    write_header(out, c'=', length + 4)
    write_raw(out, "txt:", 4)
    write_raw(out, text, length)
    write_raw(out, "\r\n", 2)

cdef inline void write_null(Output* out, int resp) noexcept nogil:
    if resp == 3:
        write_raw(out, "_\r\n", 3)
    else:
        write_raw(out, "$-1\r\n", 5)

cdef inline void write_null_array(Output* out, int resp) noexcept nogil:
    if resp == 3:
        write_raw(out, "_\r\n", 3)
    else:
        write_raw(out, "*-1\r\n", 5)

cdef void write_double(Output* out, double value, int resp) noexcept nogil        # `,` or a bulk string
cdef void write_error(Output* out, const char* text, size_t length) noexcept nogil  # "-text\r\n"; CR and LF become spaces
cdef void write_status(Output* out, const char* text, size_t length) noexcept nogil
