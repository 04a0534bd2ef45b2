# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Which pages of the allocator are to be emptied: the emptiest of each class, as many as the others have room for.

A page goes back to the kernel when its last block is freed, and not before. After nine of ten keys were deleted hardly
any page is empty: each still holds a tenth. If the room in the pages of a class adds up to N pages, N pages need not
be; the N with the fewest blocks are the cheapest to empty. The plan is made in two walks over all page headers, which
lie side by side (a chunk of 4 MiB is a kernel page of them), in steps of some microseconds:

    count   how many pages of each class are filled to 0-1, 1-2 ... 15-16 sixteenths, and the room in all of them
    mark    those up to the sixteenth with which N are reached leave; those marked by an older plan may be let stay

What the keyspace does between two steps makes the counts a little wrong, which costs nothing: a page that leaves is
allocated from again as soon as its class has no other room. So a plan never takes memory, and need not be undone.
Pages filled above 15/16 stay, and so does the page of each class that is allocated from.

Complexity: O(pages). Owner: the main thread, and one plan at a time.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from server.structures cimport memory
from server.structures.memory cimport (MEM_CLASSES, MEM_PAGE_BYTES, MEM_PAGES, PageUse, mem_chunks, mem_page,
                                       mem_page_leaves)

cdef enum:
    DEGREES = 16                       # of filling
    STAYS = DEGREES - 1                # filled so far a page is not worth emptying

cdef struct ClassPlan:
    uint64_t pages[DEGREES]            # partly used ones, by how far they are filled; without the first
    uint64_t room                      # blocks that all of them could still hold, the first too
    uint32_t below                     # pages filled less than so many sixteenths leave,
    uint64_t quota                     # and so many of those filled so far


cdef class PagePlan:
    """The plan. `pages` is how many are to be emptied, `bytes` what they hold, once step() has said that it is made."""

    cdef readonly size_t pages
    cdef ClassPlan classes[MEM_CLASSES]
    cdef size_t chunk                  # that is looked at next, plus one: from the last to the first
    cdef bint marking

    def __cinit__(self):
        self.begin()

    def begin(self) -> None:
        """Forget what was counted; the next step is the first of a new plan."""
        memset(self.classes, 0, sizeof(self.classes))
        self.pages = 0
        self.marking = False
        self.chunk = mem_chunks()

    def step(self, size_t chunks) -> bool:
        """Look at so many chunks; True when the plan is made. About a microsecond for each."""
        cdef uint32_t number
        while chunks and self.chunk:
            self.chunk -= 1
            chunks -= 1
            for number in range(1, MEM_PAGES):
                if self.marking:
                    self._mark(number)
                else:
                    self._count(number)
        if self.chunk:
            return False
        if self.marking:
            return True
        self._decide()
        self.marking = True
        self.chunk = mem_chunks()
        return self.chunk == 0

    @property
    def bytes(self) -> int:
        return self.pages * MEM_PAGE_BYTES

    cdef void _count(self, uint32_t number) noexcept:
        cdef PageUse use
        if mem_page(self.chunk, number, &use):
            self.classes[use.size_class].room += use.blocks - use.used
            if not use.first:
                self.classes[use.size_class].pages[use.used * DEGREES // use.blocks] += 1

    cdef void _decide(self) noexcept:
        cdef ClassPlan* plan
        cdef uint32_t number
        for number in range(1, MEM_CLASSES):
            plan = &self.classes[number]
            plan.quota = plan.room // memory.mem_page_blocks(number)
            plan.below = 0
            while plan.below < STAYS and plan.pages[plan.below] <= plan.quota:
                plan.quota -= plan.pages[plan.below]
                plan.below += 1
            if plan.below == STAYS:
                plan.quota = 0

    cdef void _mark(self, uint32_t number) noexcept:
        cdef PageUse use
        cdef ClassPlan* plan
        cdef uint32_t degree
        cdef bint leaves
        if not mem_page(self.chunk, number, &use) or use.first:
            return
        plan = &self.classes[use.size_class]
        degree = use.used * DEGREES // use.blocks
        leaves = degree < plan.below
        if degree == plan.below and plan.quota:
            plan.quota -= 1
            leaves = True
        self.pages += leaves
        if leaves != use.leaving:
            mem_page_leaves(self.chunk, number, leaves)


def move_all(bint yes) -> None:
    """For tests: let every block be moved that can be, whatever its page, or those of pages that are to be emptied."""
    memory.mem_move_all = yes


def moved() -> tuple[int, int]:
    """Blocks that were moved, and blocks that were looked at and left where they are, since the start. O(1)."""
    return memory.mem_copied, memory.mem_left
