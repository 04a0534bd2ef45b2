# cython: language_level=3
"""A node of a stream in memory: a listpack, or the same squeezed by LZF when no entries will be added to it any more.

The same few bytes return with every entry (flags, sizes, IDs that differ by little), so most nodes shrink to a half or a
third, which costs 10 us once for a hundred entries. Who reads a squeezed node opens it, into one buffer for the process
that keeps what it holds: reading on in the same node costs nothing. Who changes one thaws it for good.

A node is a `void*`: the address of a listpack, or, with the lowest bit set, that of a `PackedNode`. Owner: the main
thread.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t

cdef enum:
    PACK_MIN = 160                     # bytes of the shortest listpack that is squeezed
    PACK_MAX = 65536                   # and of the longest, so that opening one never takes long

cdef struct PackedNode:
    uint32_t raw                       # bytes of the listpack
    uint32_t packed                    # bytes at `data`
    uint32_t live                      # entries that are not deleted
    char data[4]

cdef inline bint node_is_packed(const void* node) noexcept nogil:
    return <size_t>node & 1

cdef inline PackedNode* packed_node(const void* node) noexcept nogil:
    return <PackedNode*>(<size_t>node & ~<size_t>1)

cdef void* node_pack(unsigned char* lp, uint32_t live) noexcept nogil    # a node in place of an exact listpack; the same if it would not gain
cdef unsigned char* node_open(void* node) noexcept nogil                 # its listpack to read: good until another node is opened or this one changes
cdef unsigned char* node_thaw(void* node) noexcept nogil                 # its listpack, exact; the node is gone
cdef void* node_dup(void* node) noexcept nogil
cdef void node_free(void* node) noexcept nogil                           # a listpack must be exact
cdef size_t node_memory(const void* node) noexcept nogil
cdef void* node_moved(void* node) noexcept nogil                         # the node, perhaps moved by structures.defrag; a listpack must be exact
