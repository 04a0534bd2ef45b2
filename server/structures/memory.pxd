# cython: language_level=3
"""Memory of the keyspace: a slab allocator with fine size classes.

Every block is freed with the size it was asked for, so blocks carry no header: a 37-byte request costs 40 bytes.
Blocks up to SMALL_MAX live in 64 KiB pages of one size class each; larger ones go to malloc.
Owner: the main thread alone. Nothing here may be called from an I/O thread or from a background thread.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    SMALL_MAX = 65536                  # longest block that lives in a page, bytes
    MAP_MIN = 131072                   # shortest mem_map block that is a mapping of its own, bytes
    RETIRE_SLICE = 262144              # what one mem_retire_step gives back, bytes

cdef void* mem_alloc(size_t size) noexcept nogil                        # never NULL: out of memory ends the process
cdef void* mem_zalloc(size_t size) noexcept nogil                       # the same, zero-filled
cdef void* mem_try_alloc(size_t size) noexcept nogil                    # may be NULL: for sizes that come from outside
cdef void* mem_realloc(void* block, size_t old_size, size_t new_size) noexcept nogil
cdef void mem_free(void* block, size_t size) noexcept nogil
cdef void mem_adopt(size_t size) noexcept nogil                         # counts malloc's block of more than SMALL_MAX as one of ours
cdef size_t mem_good_size(size_t size) noexcept nogil                   # bytes that a block of this size really holds
cdef size_t mem_used() noexcept nogil                                   # bytes handed out (good sizes), O(1)
cdef size_t mem_purge() noexcept nogil                                  # gives idle pages back to the kernel; bytes

# --- large zeroed arrays (bucket arrays): no cost until touched, given back without a stall
cdef void* mem_map(size_t size) noexcept nogil                          # zero-filled; never NULL
cdef void mem_unmap(void* block, size_t size) noexcept nogil            # at once
cdef void mem_retire(void* block, size_t size) noexcept nogil           # counted out now, given back by mem_retire_step
cdef bint mem_retire_step() noexcept nogil                              # one slice; 0 when nothing is left
cdef void mem_forget(void* part, size_t size) noexcept nogil            # part of a mem_map block: drop its pages, reads as zero

cdef struct Retired:                   # lies in the first bytes of the array that waits
    Retired* next
    size_t size                        # bytes still mapped

cdef Retired* mem_retired              # the arrays that wait for mem_retire_step; NULL: none

# --- moving blocks out of pages that are to be emptied: what server.structures.defrag_plan and .defrag are made of
cdef enum:
    MEM_CLASSES = 205                  # size classes are 1-204
    MEM_PAGES = 64                     # a chunk's pages are 1-63
    MEM_PAGE_BYTES = 65536

cdef struct PageUse:                   # a page that is partly used
    uint32_t size_class
    uint32_t used                      # blocks handed out
    uint32_t blocks                    # that it could hold
    bint first                         # the one that is allocated from: it cannot leave
    bint leaving                       # to be emptied

cdef size_t mem_chunks() noexcept nogil
cdef uint32_t mem_page_blocks(uint32_t size_class) noexcept nogil       # that a page of the class holds
cdef bint mem_page(size_t chunk, uint32_t number, PageUse* use) noexcept nogil
cdef void mem_page_leaves(size_t chunk, uint32_t number, bint yes) noexcept nogil
cdef void* mem_copy_out(const void* block, size_t size) noexcept nogil
cdef bint mem_move_all                 # for tests: every block is copied, whatever its page
cdef uint64_t mem_copied               # calls of mem_copy_out that copied,
cdef uint64_t mem_left                 # and that left the block where it is
