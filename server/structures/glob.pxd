# cython: language_level=3
"""Glob patterns as KEYS, SCAN, PSUBSCRIBE and CONFIG GET understand them: * ? [abc] [^a-z] and \\ before a plain byte."""
from libc.stddef cimport size_t
from libc.string cimport memcmp

cdef enum:
    GLOB_MAX_STARS = 1000              # groups of * that still match; a pattern with more matches nothing

cdef inline size_t glob_prefix(const char* pattern, size_t length) noexcept nogil:
    """Bytes that every text that matches begins with, as the pattern does."""
    cdef size_t i = 0
    while i < length and pattern[i] != c'*' and pattern[i] != c'?' and pattern[i] != c'[' and pattern[i] != c'\\':
        i += 1
    return i

cdef inline bint glob_begins(const char* pattern, size_t prefix, const char* text, size_t length) noexcept nogil:
    """Whether a text begins with those: for most texts of many the answer is no, and `glob_match` need not be asked."""
    return length >= prefix and memcmp(pattern, text, prefix) == 0

# Both texts are plain bytes and may hold zeros. Complexity: O(pattern * text), never more.
cdef bint glob_match(const char* pattern, size_t pattern_length, const char* text, size_t length, bint ignore_case) noexcept nogil
