# cython: language_level=3
"""Lua's patterns, matched without recursion: what to try next when a way fails stands on a stack of ours.

The same matches, in the same order, with the same errors as Lua 5.1's own matcher, which calls itself for every item
that may match in several ways, as deep as a pattern is long, and whose loops nobody can end.
"""
from libc.stddef cimport ptrdiff_t, size_t

from scripting.lua cimport lua_State

cdef enum:
    CAPTURES = 32                      # at most

cdef struct Capture:
    const char* start
    ptrdiff_t length                   # or what it is instead of a text: see patterns.pyx

cdef struct Matcher:
    lua_State* L
    const char* begin                  # the subject
    const char* end
    int level                          # captures begun
    size_t work                        # not charged yet
    Capture captures[CAPTURES]

cdef void matcher_begin(Matcher* m, lua_State* L, const char* subject, size_t length) noexcept nogil
cdef const char* matcher_match(Matcher* m, const char* s, const char* p) noexcept nogil
    # the end of the match that begins at s with pattern p (zero-terminated), NULL: there is none. Raises Lua errors
cdef void matcher_push(Matcher* m, int index, const char* s, const char* end) noexcept nogil
    # a capture (0 without captures: the whole match)
cdef int matcher_push_all(Matcher* m, const char* s, const char* end) noexcept nogil
    # all captures, or the whole match when there are none and s is not NULL; how many
