# cython: language_level=3
"""Moving the blocks of every structure out of pages that are to be emptied (`defrag_plan` says which those are).

Each function looks at the blocks of its structure and moves those that have to go, keeping all that points to them
right; nothing that can be read of a structure changes but addresses. What walks over many blocks does so in pieces, with
a place to go on from that survives any change of the structure in between: a cursor of SCAN, a rank, an ID, and for a
quicklist, whose nodes have no names, a mark that is kept with the list (`quicklist_mark`).

Element pointers, entries and nodes that somebody holds die with a call. Owner: the main thread, between commands.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from server.structures.blob cimport Blob
from server.structures.ordered_index cimport OrderedIndex
from server.structures.quicklist cimport Quicklist
from server.structures.rax cimport Rax, StreamId
from server.structures.table cimport Entry, Table

ctypedef void* (*rax_move_t)(void* context, const StreamId* id, void* value) noexcept
    # moves what a value points to; the value as it is now

cdef void* block_moved(void* block, size_t size) noexcept nogil          # the block, perhaps moved
cdef Blob* blob_moved(Blob* blob) noexcept nogil                         # the same; one that replies in flight share stays
cdef Entry* entry_moved(Table* t, Entry* e) noexcept nogil               # the entry alone, not what its word points to
cdef Table* table_frame_moved(Table* t) noexcept nogil                   # the table itself and what it has besides entries
cdef size_t ordered_leaf_moved(OrderedIndex* oi, Table* members, size_t rank) noexcept nogil
    # the leaf with this rank, the nodes above it and its entries; the first rank beyond it
cdef bint rax_leaf_moved(Rax* rax, StreamId* after, rax_move_t move, void* context) noexcept
    # the next leaf with keys above `after`, which becomes its last; 0: there is none. move (may be NULL) for their values
cdef bint quicklist_moved(Quicklist** q, bint begin, size_t nodes) noexcept nogil
    # the list and its first so many nodes, or, without `begin`, so many from the mark on. 1: that was all
