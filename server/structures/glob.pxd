# cython: language_level=3
"""Glob patterns as KEYS, SCAN, PSUBSCRIBE and CONFIG GET understand them: * ? [abc] [^a-z] and \\ before a plain byte."""
from libc.stddef cimport size_t

cdef enum:
    GLOB_MAX_STARS = 1000              # groups of * that still match; a pattern with more matches nothing

# Both texts are plain bytes and may hold zeros. Complexity: O(pattern * text), never more.
cdef bint glob_match(const char* pattern, size_t pattern_length, const char* text, size_t length, bint ignore_case) noexcept nogil
