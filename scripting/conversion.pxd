# cython: language_level=3
"""Replies of commands as Lua values, and what a script returns as a reply."""
from libc.stddef cimport size_t

from cpython.bytes cimport PyBytes_FromStringAndSize

from scripting.lua cimport lua, lua_State

cdef int push_reply(lua_State* L, object reply, int resp) except -1       # a command's reply value; one Lua value
cdef const char* push_wire(lua_State* L, const char* at) noexcept nogil   # one whole reply in RESP; returns what follows it
cdef void push_error_reply(lua_State* L, const char* text, size_t length, bint counted) noexcept nogil
    # "CODE message" as {err = ...}; `counted`: the statistics know of it
cdef object pop_reply(lua_State* L, int resp, object count_error)         # the value on top as a reply; resp: what redis.setresp said
cdef inline bytes bytes_at(lua_State* L, int index):
    """The string (or number) at index."""
    cdef size_t length
    cdef const char* text = lua.tolstring(L, index, &length)
    return PyBytes_FromStringAndSize(text, length)

cdef size_t number_text(double number, char* text) noexcept nogil         # how redis.call passes a number on; <= 40 bytes
