# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Blocks of the allocator as Python sees them: for tests, never on a request's way."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uintptr_t
from libc.string cimport memset

from server.structures.memory cimport (mem_alloc, mem_copy_out, mem_free, mem_good_size, mem_map, mem_realloc,
                                       mem_retire, mem_retire_step, mem_retired, mem_try_alloc, mem_unmap, mem_zalloc)


cdef class MemoryProbe:
    """The test face: blocks by number, filled with a pattern that every touch verifies."""

    cdef dict blocks                   # handle -> (address, size, pattern byte)
    cdef size_t next_handle

    def __cinit__(self):
        self.blocks = {}
        self.next_handle = 1

    def alloc(self, size_t size, bint zero=False) -> int:
        """A new block; returns its handle."""
        cdef size_t i
        cdef char* block = <char*>(mem_zalloc(size) if zero else mem_alloc(size))
        assert (<uintptr_t>block & 7) == 0
        if zero:
            for i in range(size):
                assert block[i] == 0
        handle = self.next_handle
        self.next_handle += 1
        self._fill(handle, <uintptr_t>block, size)
        return handle

    def realloc(self, handle, size_t size) -> bool:
        """Change a block's size; returns whether it moved."""
        cdef uintptr_t address
        cdef size_t old
        address, old, pattern = self.blocks[handle]
        self._verify(handle, old)
        moved = <uintptr_t>mem_realloc(<void*>address, old, size)
        self.blocks[handle] = (moved, min(old, size), pattern)
        self._verify(handle, min(old, size))
        self._fill(handle, moved, size)
        return moved != address

    def free(self, handle) -> None:
        """Verify a block and give it back."""
        cdef uintptr_t address
        cdef size_t size
        address, size, _ = self.blocks[handle]
        self._verify(handle, size)
        del self.blocks[handle]
        mem_free(<void*>address, size)

    def address(self, handle) -> int:
        return self.blocks[handle][0]

    def good_size(self, size_t size) -> int:
        return mem_good_size(size)

    def try_alloc_fails(self, size_t size) -> bool:
        """Whether a block of this size cannot be had."""
        cdef void* block = mem_try_alloc(size)
        if block == NULL:
            return True
        mem_free(block, size)
        return False

    def map_round_trip(self, size_t size, bint retire) -> int:
        """Map an array, verify that it is zero, write to it, give it back; returns the retire steps that took."""
        cdef size_t i, steps = 0
        cdef char* block = <char*>mem_map(size)
        for i in range(0, size, 512):
            assert block[i] == 0
            block[i] = 1
        if retire:
            mem_retire(block, size)
            while mem_retired != NULL:
                steps += 1
                mem_retire_step()
        else:
            mem_unmap(block, size)
        return steps

    cdef _fill(self, handle, uintptr_t address, size_t size):
        pattern = (handle * 37) & 255
        memset(<void*>address, pattern, size)
        self.blocks[handle] = (address, size, pattern)

    cdef _verify(self, handle, size_t size):
        cdef uintptr_t address
        cdef uint8_t pattern
        cdef size_t i
        address, _, pattern = self.blocks[handle]
        for i in range(size):
            assert (<uint8_t*>address)[i] == pattern

    def free_all(self) -> None:
        """Verify all blocks and give them back."""
        for handle in list(self.blocks):
            self.free(handle)

    def move_out(self, handle) -> bool:
        """Move a block if its page is to be emptied; returns whether it did."""
        cdef uintptr_t address
        cdef size_t size
        address, size, pattern = self.blocks[handle]
        cdef void* copy = mem_copy_out(<void*>address, size)
        if copy == NULL:
            return False
        mem_free(<void*>address, size)
        self.blocks[handle] = (<uintptr_t>copy, size, pattern)
        self._verify(handle, size)
        return True
