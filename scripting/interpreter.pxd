# cython: language_level=3
"""One Lua state: EVAL has one, functions have another."""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t

from iothreads.message cimport Batch, Request
from scripting.limits cimport Limits
from scripting.lua cimport lua_State

cdef class Interpreter:
    cdef lua_State* L
    cdef Limits limits
    cdef int globals                   # registry: the real globals
    cdef int face                      # registry: the read-only face of them that scripts have
    cdef int library                   # registry: what a library finds instead while it is loaded; 0: none
    cdef int calls                     # since the collector was last given a slice
    cdef size_t seen                   # bytes that Lua held then
    cdef bytes message(self)
    cdef void collect_some(self) noexcept
    cdef object load_failure(self, bytes at)
    cdef void open_library_globals(self) noexcept
    cdef push_strings(self, list strings)
    cdef void reset_globals(self) noexcept
    cdef int run(self, int arguments, int handler) noexcept
    cdef void clean_up(self) noexcept
    cdef object failure(self, bytes name)
    cdef bytes field(self, const char* name)
    cdef void show(self, int table) noexcept
    cdef void prepare(self, int function, bint eval) noexcept
    cdef void push_words(self, Batch* b, Request* r, uint32_t first, uint32_t last) noexcept
    cdef object call_request(self, int function, bytes name, Batch* b, Request* r, uint32_t keys, bint eval,
                             object count_error)
    cdef object conclude(self, int status, bytes name, object count_error)
