# cython: language_level=3
"""Room for a command, made at the door, and who hears of the keys that went.

The door tests what keys and values use against maxmemory less what clients and scripts had at the last look
(`conditions.max_memory`): the cron's, and one of each turn of the loop in which something would have to go. Definitions go through a gate that adds all of it up (`Server.make_room`).
"""
from server.dispatch.conditions cimport state
from server.structures.memory cimport mem_used

cdef inline bint has_room() noexcept:
    """Whether writes may use memory without making room first."""
    return state.max_memory == 0 or mem_used() <= state.max_memory

cdef bint make_room() noexcept         # what follows when not: evict; 0: there is none for a write, or a gate must see to it
