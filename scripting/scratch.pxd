# cython: language_level=3
"""Where text is put together before it becomes a Lua string: one buffer for all, because one script runs at a time.
Nobody has to free it when an error jumps out of the middle. Who calls Lua functions meanwhile, which may want the same,
takes one of their own, which Lua frees."""
from libc.stddef cimport size_t

from scripting.lua cimport lua_State

cdef struct Scratch:
    char* bytes
    size_t used
    size_t capacity
    int place                          # on Lua's stack, where the bytes are; 0: the buffer for all

cdef Scratch* scratch_begin() noexcept nogil                                      # empty
cdef void scratch_begin_own(lua_State* L, Scratch* s) noexcept nogil          # empty; pushes what must stay there
cdef void scratch_room(lua_State* L, Scratch* s, size_t room) noexcept nogil  # for so many bytes more; may raise
cdef void scratch_finish(lua_State* L, Scratch* s) noexcept nogil                 # push what is in it
cdef void scratch_add(lua_State* L, Scratch* s, const char* bytes, size_t length) noexcept nogil
cdef void scratch_byte(lua_State* L, Scratch* s, int byte) noexcept nogil
