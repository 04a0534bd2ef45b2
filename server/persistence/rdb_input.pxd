# cython: language_level=3
"""Reading RDB bytes from memory: lengths, strings, numbers; nothing is read beyond the end, whatever the bytes say.

A read that fails sets `fault` (a static text) and every later one fails too, so callers may check once at the end of a
group of reads. `bytes left` bounds every count that stands in the bytes, so that a lie cannot ask for much memory.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t

cdef struct RdbInput:
    const unsigned char* p             # next byte
    const unsigned char* end
    const char* fault                  # NULL: all is well so far
    bint hungry                        # the fault is that bytes are missing: with more of them it may read well
    bint empty                         # the value was well-formed but has no element: keys without one do not exist
    bint miscounted                    # a stream whose length is not the number of its entries, as old versions wrote it
    bint trusted                       # do not look for duplicates in compact encodings (a file of our own)

cdef struct RdbText:                   # a string as it was read; good until text_free
    const char* s
    size_t n
    char* block                        # from malloc if s points there, else NULL
    char digits[24]

cdef inline size_t input_left(const RdbInput* input) noexcept nogil:
    return input.end - input.p

cdef void input_init(RdbInput* input, const void* s, size_t n) noexcept nogil
cdef void input_fail(RdbInput* input, const char* fault) noexcept nogil
cdef void input_starve(RdbInput* input, const char* fault) noexcept nogil                        # the same, for want of bytes
cdef const unsigned char* take_raw(RdbInput* input, size_t n) noexcept nogil                     # NULL: there are not so many
cdef bint take_length(RdbInput* input, uint64_t* length) noexcept nogil
cdef bint take_count(RdbInput* input, uint64_t* count) noexcept nogil      # of things that need a byte each: not more than bytes left
cdef bint take_text(RdbInput* input, RdbText* text) noexcept nogil         # free it with text_free if it succeeded
cdef bint take_name(RdbInput* input, RdbText* text) noexcept nogil         # likewise: a key, member or field, which may not be as long as a value
cdef unsigned char* take_block(RdbInput* input, size_t* n) noexcept nogil  # a string in a block of mem_alloc (n bytes, not 0); NULL: failed
cdef bint take_double(RdbInput* input, double* value) noexcept nogil       # 8 bytes
cdef bint take_double_text(RdbInput* input, double* value) noexcept        # the old form
cdef bint take_milliseconds(RdbInput* input, int64_t* when) noexcept nogil
cdef void text_free(RdbText* text) noexcept nogil
