# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Memory of the keyspace: how the slab allocator works.

    chunk (4 MiB, aligned to 4 MiB, mmap)
    +-------------------------------------+---------+---------+-- --+----------+
    | Chunk, 63 Page headers; then unused | page 1  | page 2  | ... | page 63  |     a page: 64 KiB of blocks of one class
    +-------------------------------------+---------+---------+-- --+----------+

* A block's chunk and page number are bits of its address, so `mem_free` finds the page header with a mask and a shift.
  The headers lie side by side at the chunk's start, not in the pages: headers at equal offsets of aligned pages would
  all fall into the same few cache sets. They fill one page of the kernel; what is left of the first 64 KiB is never
  touched and so costs address space alone.
* Classes go every 8 bytes up to 256, then four to a doubling (320, 384, 448, 512, 640 ...) up to FINE_MAX, then 32 to a
  doubling up to SMALL_MAX: listpacks of some kilobytes are most of the memory of lists, and lose 1.5 % by the rounding.
  What a page has left when no further block fits (up to a half with the longest ones) is address space too.
* Each class has a list of pages that may have room; the first is allocated from. Blocks that were freed form a
  linked list through their own first word. Blocks never used yet are added to that list 4 KiB at a time, so a page
  costs resident memory only as far as it is used.
* A page whose last block is freed leaves its class (up to FINE_MAX the one that is allocated from stays). Such pages are
  kept at hand; the cron gives all but a few of them back with madvise, a few at a time, and what would be more than
  KEPT_MAX goes at once. A chunk without used pages is unmapped, except one.
* A page that is to be emptied (`defrag_plan` says which) stands in another list: nothing is allocated from it as long
  as others of its class have room, and `mem_copy_out` makes copies of its blocks elsewhere.
* Blocks above SMALL_MAX are malloc's. Their good size is what glibc's malloc would round to, so a block that is
  reallocated within it need not move. malloc serves few of them on purpose: it gives the top of its heap back in one
  system call, which takes 70 ms for a gigabyte, where pages go back one by one while a large value is freed in steps.

Costs: mem_alloc and mem_free O(1), a few nanoseconds; at most one madvise of 64 KiB or munmap of an idle chunk.
No locks: the main thread is the only user. After fork() the child has its own copy and may go on.

Built with AddressSanitizer every block is malloc's, so that the sanitizer sees each one; define REMUS_SLABS=1 to keep
the pages.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from server.observe.memory_account cimport Slab, above
from server.structures.system_memory cimport (munmap, remus_drop, remus_libc_memory, remus_malloc_trim, remus_mmap,
                                              remus_out_of_memory)

cdef extern from *:
    """
    #if !defined(__SANITIZE_ADDRESS__) && defined(__has_feature)
    #if __has_feature(address_sanitizer)
    #define __SANITIZE_ADDRESS__ 1
    #endif
    #endif
    #ifndef REMUS_SLABS
    #ifdef __SANITIZE_ADDRESS__
    #define REMUS_SLABS 0
    #else
    #define REMUS_SLABS 1
    #endif
    #endif
    """
    const int REMUS_SLABS
    void* malloc(size_t size) nogil
    void* calloc(size_t count, size_t size) nogil
    void* realloc(void* block, size_t size) nogil
    void free(void* block) nogil
    int __builtin_ctzll(uint64_t bits) nogil
    int __builtin_clzll(uint64_t bits) nogil
    int __builtin_popcountll(uint64_t bits) nogil
    bint unlikely(bint condition) nogil

cdef enum:
    PAGE_SHIFT = 16
    PAGE_BYTES = 65536
    PAGES = 63                         # per chunk, numbered from 1; the mask of a number, too
    CHUNK_BYTES = 4194304
    HEADER_BYTES = 4096                # Chunk and the Page headers
    FINE_MAX = 2048                    # up to here the classes are 1-44
    KEPT_MAX = 256                     # idle pages kept at hand: 16 MiB
    KEPT_LONG = 32                     # of them, pages that `give_back` leaves
    GIVEN_BACK = 16                    # pages that it gives back at once: some 50 us
    EXTEND_BYTES = 4096                # of never used blocks that are put on the free list at once, one at least
    CLASSES = 205                      # 1-32 are multiples of 8, 33-44 four to a doubling, 45-204 32 to one; 0 is not used
    LONGEST = 0x3FFFFFFFFFFFFFFF       # no block is longer: sums with it cannot overflow
    LISTED = 1                         # Page.listed: among the pages of its class that are allocated from,
    LEAVING = 2                        # or among those that are to be emptied

cdef struct Page:                      # 64 bytes: one cache line
    void* free                         # blocks ready to be handed out, linked through their first word
    uint32_t used                      # blocks handed out
    uint32_t block_size                # bytes
    uint32_t fresh                     # offset in the page of the first block never used
    uint16_t size_class
    uint16_t listed                    # LISTED, LEAVING, or 0: in no list
    Page* next                         # of the class's list, or of the kept pages
    Page* previous
    char* start                        # the page's first byte
    uint32_t touched                   # offset up to which the page holds memory: where `fresh` has ever been
    char unused[12]

cdef struct Chunk:                     # 64 bytes, at the chunk's start; the Page headers follow
    uint64_t free                      # bit n: page n belongs to no class and holds no memory; bit 0 is never set
    Chunk* next                        # chunks with free pages
    Chunk* previous
    size_t index                       # in `chunks`
    char unused[32]

cdef Page empty_page                   # what a class without pages points to: always full
cdef Page* current[CLASSES]            # first of the class's list
cdef Page* leaving[CLASSES]            # first of the pages of the class that are to be emptied; NULL: none
cdef uint32_t class_size[CLASSES]      # bytes of a block
cdef uint8_t class_of_64[33]           # class of a size above 256, by the size in units of 64, rounded up
cdef size_t allocated                  # good sizes of everything handed out
cdef size_t big_bytes                  # of them, in malloc and mappings
cdef size_t used_pages                 # pages that belong to a class
cdef size_t active_bytes               # of them, blocks that have ever been used since: sum of `fresh`
cdef size_t touched_bytes              # of all pages, kept ones too: sum of `touched`
cdef size_t peak                       # most that was ever allocated, as seen where pages and big blocks are taken
cdef uint64_t all_free = ~<uint64_t>1  # Chunk.free of a chunk without used pages
cdef Chunk** chunks                    # all of them, in no order
cdef size_t chunks_capacity
cdef size_t chunk_count
cdef size_t idle_chunks                # all of whose pages are free
cdef Chunk* chunks_with_room
cdef Page* kept                        # idle pages that still hold memory
cdef size_t kept_count


cdef void _prepare() noexcept nogil:
    """Fill in the class tables, when the module is loaded."""
    cdef uint32_t i, size = 256, number = 33, unit
    for i in range(CLASSES):
        current[i] = &empty_page
    for i in range(33):
        class_size[i] = 8 * i
    for i in range(33, 45):
        size += 64 << ((i - 33) >> 2)
        class_size[i] = size
    for i in range(45, CLASSES):
        size += 64 << ((i - 45) >> 5)
        class_size[i] = size
    for unit in range(5, 33):
        if unit * 64 > class_size[number]:
            number += 1
        class_of_64[unit] = number


cdef inline uint32_t _class_of(size_t size) noexcept nogil:
    cdef uint32_t doubling
    if size <= 256:
        return (size + 7) >> 3 if size else 1
    if size <= FINE_MAX:
        return class_of_64[(size + 63) >> 6]
    doubling = 52 - __builtin_clzll(size - 1)          # 0 above 2048, 4 above 32768
    return 13 + (doubling << 5) + <uint32_t>((size - 1) >> (doubling + 6))


cdef inline Chunk* _chunk_of(void* address) noexcept nogil:
    return <Chunk*>(<uintptr_t>address & ~<uintptr_t>(CHUNK_BYTES - 1))


cdef inline Page* _page_of(void* block) noexcept nogil:
    return <Page*>_chunk_of(block) + ((<uintptr_t>block >> PAGE_SHIFT) & PAGES)


cdef inline uint32_t _number_of(Page* page) noexcept nogil:
    return <uint32_t>(page - <Page*>_chunk_of(page))


# --- chunks and pages

cdef void _chunk_link(Chunk* chunk) noexcept nogil:
    global chunks_with_room
    chunk.previous = NULL
    chunk.next = chunks_with_room
    if chunks_with_room != NULL:
        chunks_with_room.previous = chunk
    chunks_with_room = chunk


cdef void _chunk_unlink(Chunk* chunk) noexcept nogil:
    global chunks_with_room
    if chunk.previous != NULL:
        chunk.previous.next = chunk.next
    else:
        chunks_with_room = chunk.next
    if chunk.next != NULL:
        chunk.next.previous = chunk.previous


cdef Chunk* _chunk_new() noexcept nogil:
    """Map a chunk at an address that is a multiple of its size. NULL when the kernel has no memory."""
    global chunk_count, idle_chunks, chunks, chunks_capacity
    cdef char* mapped
    cdef char* start
    cdef Chunk* chunk
    if chunk_count == chunks_capacity:
        mapped = <char*>realloc(chunks, (chunks_capacity * 2 + 64) * sizeof(Chunk*))
        if mapped == NULL:
            return NULL
        chunks = <Chunk**>mapped
        chunks_capacity = chunks_capacity * 2 + 64
    mapped = <char*>remus_mmap(2 * CHUNK_BYTES)
    if mapped == NULL:
        return NULL
    start = <char*>((<uintptr_t>mapped + CHUNK_BYTES - 1) & ~<uintptr_t>(CHUNK_BYTES - 1))
    if start > mapped:
        munmap(mapped, start - mapped)
    munmap(start + CHUNK_BYTES, mapped + CHUNK_BYTES - start)
    chunk = <Chunk*>start
    chunk.free = all_free
    chunk.index = chunk_count
    chunks[chunk_count] = chunk
    chunk_count += 1
    idle_chunks += 1
    _chunk_link(chunk)
    return chunk


cdef Page* _page_take() noexcept nogil:
    """An idle page: a kept one, or one of a chunk, or one of a new chunk. NULL when there is no memory."""
    global kept, kept_count, idle_chunks
    cdef Page* page = kept
    cdef Chunk* chunk
    cdef int number
    if page != NULL:
        kept = page.next
        kept_count -= 1
        return page
    chunk = chunks_with_room
    if chunk == NULL:
        chunk = _chunk_new()
        if chunk == NULL:
            return NULL
    if chunk.free == all_free:
        idle_chunks -= 1
    number = __builtin_ctzll(chunk.free)
    chunk.free &= chunk.free - 1
    if chunk.free == 0:
        _chunk_unlink(chunk)
    page = <Page*>chunk + number
    page.start = <char*>chunk + (<size_t>number << PAGE_SHIFT)
    return page


cdef void _page_give_back(Page* page) noexcept nogil:
    """Drop an idle page's memory; unmap its chunk if that is idle too and another idle one exists."""
    global idle_chunks, chunk_count, touched_bytes
    cdef Chunk* chunk = _chunk_of(page)
    cdef uint32_t number = _number_of(page)
    remus_drop(page.start, PAGE_BYTES)
    touched_bytes -= page.touched
    page.touched = 0
    if chunk.free == 0:
        _chunk_link(chunk)
    chunk.free |= <uint64_t>1 << number
    if chunk.free == all_free:
        if idle_chunks >= 1:
            _chunk_unlink(chunk)
            chunk_count -= 1
            chunks[chunk.index] = chunks[chunk_count]
            chunks[chunk.index].index = chunk.index
            munmap(chunk, CHUNK_BYTES)
        else:
            idle_chunks += 1


cdef void _page_link(Page* page, uint32_t number) noexcept nogil:
    """Put a page into its class's list: behind the first, which stays the one that is allocated from."""
    cdef Page* first = current[number]
    page.listed = LISTED
    if first == &empty_page:
        page.next = page.previous = NULL
        current[number] = page
        return
    page.previous = first
    page.next = first.next
    if first.next != NULL:
        first.next.previous = page
    first.next = page


cdef void _page_unlink(Page* page, uint32_t number) noexcept nogil:
    if page.next != NULL:
        page.next.previous = page.previous
    if page.previous != NULL:
        page.previous.next = page.next
    elif page.listed == LEAVING:
        leaving[number] = page.next
    else:
        current[number] = page.next if page.next != NULL else &empty_page
    page.listed = 0


cdef void _page_retire(Page* page) noexcept nogil:
    """A page without used blocks leaves its class."""
    global kept, kept_count, used_pages, active_bytes
    _page_unlink(page, page.size_class)
    used_pages -= 1
    active_bytes -= page.fresh
    if kept_count < KEPT_MAX:
        page.next = kept
        kept = page
        kept_count += 1
    else:
        _page_give_back(page)


cdef inline void _note_touched(Page* page) noexcept nogil:
    global touched_bytes
    if page.fresh > page.touched:
        touched_bytes += page.fresh - page.touched
        page.touched = page.fresh


cdef inline void _note_peak() noexcept nogil:
    """Called where memory is taken from pages or from malloc, not for each block: the peak is right to some 4 KiB a class."""
    global peak
    if allocated > peak:
        peak = allocated


cdef void _page_extend(Page* page) noexcept nogil:
    """Put the next never used blocks (4 KiB of them, at least one) on the page's empty free list."""
    cdef uint32_t size = page.block_size
    cdef uint32_t room = (PAGE_BYTES - page.fresh) / size
    cdef uint32_t count = EXTEND_BYTES / size
    cdef char* block = page.start + page.fresh
    cdef uint32_t i
    global active_bytes
    if count > room:
        count = room
    if count == 0:
        count = 1
    active_bytes += count * size
    page.fresh += count * size
    _note_touched(page)
    _note_peak()
    page.free = block
    for i in range(count - 1):
        (<void**>block)[0] = block + size
        block += size
    (<void**>block)[0] = NULL


cdef bint _make_room(uint32_t number) noexcept nogil:
    """Let the first page of the class have a free block. 0 when there is no memory."""
    global used_pages
    cdef Page* page
    while True:
        page = current[number]
        if page == &empty_page and leaving[number] != NULL:      # better than one more page
            page = leaving[number]
            _page_unlink(page, number)
            _page_link(page, number)
        if page == &empty_page:
            page = _page_take()
            if page == NULL:
                return 0
            used_pages += 1
            page.free = NULL
            page.used = 0
            page.size_class = number
            page.block_size = class_size[number]
            page.fresh = 0
            _page_link(page, number)
        if page.free != NULL:
            return 1
        if page.fresh + page.block_size <= PAGE_BYTES:
            _page_extend(page)
            return 1
        _page_unlink(page, number)


# --- blocks

cdef size_t _big_good_size(size_t size) noexcept nogil:
    """What malloc makes of it: 16-byte steps with 8 bytes of its own; whole kernel pages where it would map."""
    if size <= MAP_MIN - 24:
        return ((size + 23) & ~<size_t>15) - 8
    return ((size + 16 + 4095) & ~<size_t>4095) - 16


cdef void mem_adopt(size_t size) noexcept nogil:
    """O(1). mem_free with this size frees it."""
    global allocated, big_bytes
    cdef size_t good = _big_good_size(size)
    allocated += good
    big_bytes += good
    _note_peak()


cdef void* _big_alloc(size_t size) noexcept nogil:
    cdef void* block = malloc(_big_good_size(size)) if size <= LONGEST else NULL
    if block != NULL:
        mem_adopt(size)
    return block


cdef void* mem_try_alloc(size_t size) noexcept nogil:
    """A block of at least `size` bytes, not initialised; NULL when there is no memory. O(1)."""
    global allocated
    cdef uint32_t number
    cdef Page* page
    cdef void* block
    if unlikely(size > SMALL_MAX):
        return _big_alloc(size)
    number = _class_of(size)
    if not REMUS_SLABS:
        block = malloc(class_size[number])
        if block != NULL:
            allocated += class_size[number]
        return block
    page = current[number]
    if unlikely(page.free == NULL):
        if not _make_room(number):
            return NULL
        page = current[number]
    block = page.free
    page.free = (<void**>block)[0]
    page.used += 1
    allocated += page.block_size
    return block


cdef void* mem_alloc(size_t size) noexcept nogil:
    """A block of at least `size` bytes, not initialised. Without memory the process says so and aborts. O(1)."""
    cdef void* block = mem_try_alloc(size)
    if unlikely(block == NULL):
        remus_out_of_memory(size)
    return block


cdef void* mem_zalloc(size_t size) noexcept nogil:
    """A block of `size` zero bytes. O(size); large ones are best asked of mem_map."""
    cdef void* block = mem_alloc(size)
    memset(block, 0, size)
    return block


cdef void mem_free(void* block, size_t size) noexcept nogil:
    """Give a block back; `size` is what it was asked for (or anything with the same good size). NULL is allowed. O(1)."""
    global allocated, big_bytes
    cdef Page* page
    cdef size_t good
    if unlikely(block == NULL):
        return
    if unlikely(size > SMALL_MAX):
        good = _big_good_size(size)
        allocated -= good
        big_bytes -= good
        free(block)
        return
    if not REMUS_SLABS:
        allocated -= class_size[_class_of(size)]
        free(block)
        return
    page = _page_of(block)
    (<void**>block)[0] = page.free
    page.free = block
    page.used -= 1
    allocated -= page.block_size
    if unlikely(not page.listed):
        _page_link(page, page.size_class)
    if unlikely(page.used == 0) and (current[page.size_class] != page or page.block_size > FINE_MAX):
        _page_retire(page)


cdef void* mem_realloc(void* block, size_t old_size, size_t new_size) noexcept nogil:
    """Change a block's size, keeping its bytes up to the shorter size. It stays where it is if the good size is the same.

    block: may be NULL (then old_size is ignored). O(1), or O(size) when the block moves.
    """
    global allocated, big_bytes
    cdef size_t old_good, new_good
    cdef void* moved
    if block == NULL:
        return mem_alloc(new_size)
    old_good = mem_good_size(old_size)
    new_good = mem_good_size(new_size)
    if old_good == new_good:
        return block
    if old_size > SMALL_MAX and new_size > SMALL_MAX:
        moved = realloc(block, new_good) if new_size <= LONGEST else NULL
        if moved == NULL:
            remus_out_of_memory(new_size)
        allocated += new_good - old_good
        big_bytes += new_good - old_good
        _note_peak()
        return moved
    moved = mem_alloc(new_size)
    memcpy(moved, block, old_size if old_size < new_size else new_size)
    mem_free(block, old_size)
    return moved


cdef size_t mem_good_size(size_t size) noexcept nogil:
    """Bytes that a block asked for with `size` really holds, all of them usable. O(1)."""
    if size > SMALL_MAX:
        return _big_good_size(size)
    return class_size[_class_of(size)]


cdef size_t mem_used() noexcept nogil:
    """Bytes handed out now, counted in good sizes. O(1)."""
    return allocated


cdef void _kept_give_back() noexcept nogil:
    global kept, kept_count
    cdef Page* page = kept
    kept = page.next
    kept_count -= 1
    _page_give_back(page)


cdef size_t mem_purge() noexcept nogil:
    """Give idle memory back to the kernel: kept pages, each class's last empty page, retired arrays, malloc's own.

    Returns the bytes of pages and arrays given back. Takes milliseconds when there is much: for MEMORY PURGE.
    """
    cdef uint32_t number
    cdef size_t bytes = 0
    cdef Page* page
    for number in range(1, CLASSES):
        page = current[number]
        if page != &empty_page and page.used == 0:
            _page_retire(page)
    while kept != NULL:
        _kept_give_back()
        bytes += PAGE_BYTES
    while mem_retired != NULL:
        bytes += RETIRE_SLICE
        mem_retire_step()
    remus_malloc_trim()
    return bytes


# --- blocks on their way out of pages that are to be emptied

cdef size_t mem_chunks() noexcept nogil:
    return chunk_count


cdef uint32_t mem_page_blocks(uint32_t size_class) noexcept nogil:
    return PAGE_BYTES // class_size[size_class]


cdef bint mem_page(size_t chunk, uint32_t number, PageUse* use) noexcept nogil:
    """What is in page 1-63 of a chunk; 0: it belongs to no class, or is full, or there is no such chunk. O(1)."""
    cdef Page* page
    if chunk >= chunk_count or chunks[chunk].free >> number & 1:
        return False
    page = <Page*>chunks[chunk] + number
    if page.used == 0 or page.used == PAGE_BYTES // page.block_size:
        return False
    use.size_class = page.size_class
    use.used = page.used
    use.blocks = PAGE_BYTES // page.block_size
    use.first = page == current[page.size_class]
    use.leaving = page.listed == LEAVING
    return True


cdef void mem_page_leaves(size_t chunk, uint32_t number, bint yes) noexcept nogil:
    """Let nothing be allocated from a page that mem_page has told of and that is not the first, or let it. O(1)."""
    cdef Page* first
    cdef Page* page = <Page*>chunks[chunk] + number
    _page_unlink(page, page.size_class)
    if not yes:
        _page_link(page, page.size_class)
        return
    page.listed = LEAVING
    first = leaving[page.size_class]
    page.previous = first if first != NULL and first.used > page.used else NULL     # the fullest is taken back first
    page.next = first if page.previous == NULL else first.next
    if page.previous != NULL:
        first.next = page
    else:
        leaving[page.size_class] = page
    if page.next != NULL:
        page.next.previous = page


cdef void* mem_copy_out(const void* block, size_t size) noexcept nogil:
    """A copy of a block whose page is to be emptied: the caller lets it take the block's place, and frees that.
    NULL: the block is well where it is, or there is no memory. O(size) for a copy."""
    global mem_copied, mem_left
    cdef void* copy = NULL
    if mem_move_all or REMUS_SLABS and size <= SMALL_MAX and _page_of(<void*>block).listed == LEAVING:
        copy = mem_try_alloc(size)
    if copy == NULL:
        mem_left += 1
        return NULL
    mem_copied += 1
    memcpy(copy, block, size)
    return copy


# --- large zeroed arrays

cdef inline size_t _whole_pages(size_t size) noexcept nogil:
    return (size + PAGE_BYTES - 1) & ~<size_t>(PAGE_BYTES - 1)


cdef void* mem_map(size_t size) noexcept nogil:
    """An array of zero bytes; from MAP_MIN on it costs memory and time only where it is touched."""
    global allocated, big_bytes
    cdef void* block
    if size < MAP_MIN:
        return mem_zalloc(size)
    block = remus_mmap(_whole_pages(size)) if size <= LONGEST else NULL
    if block == NULL:
        remus_out_of_memory(size)
    allocated += size
    big_bytes += size
    _note_peak()
    return block


cdef void mem_unmap(void* block, size_t size) noexcept nogil:
    """Give an array of mem_map back at once: O(size) if it was touched, about 0.05 ms a megabyte."""
    global allocated, big_bytes
    if block == NULL:
        return
    if size < MAP_MIN:
        mem_free(block, size)
        return
    allocated -= size
    big_bytes -= size
    munmap(block, _whole_pages(size))


cdef void mem_retire(void* block, size_t size) noexcept nogil:
    """Give an array of mem_map back; one of more than a slice waits for mem_retire_step. O(1)."""
    global allocated, big_bytes, mem_retired
    cdef Retired* waiting
    if block == NULL or size <= RETIRE_SLICE:
        mem_unmap(block, size)
        return
    allocated -= size
    big_bytes -= size
    waiting = <Retired*>block
    waiting.next = mem_retired
    waiting.size = _whole_pages(size)
    mem_retired = waiting


cdef bint mem_retire_step() noexcept nogil:
    """Unmap one slice of what mem_retire left waiting, some ten microseconds. 0 when nothing is left."""
    global mem_retired
    cdef Retired* waiting = mem_retired
    if waiting == NULL:
        return 0
    if waiting.size <= RETIRE_SLICE:
        mem_retired = waiting.next
        munmap(waiting, waiting.size)
    else:
        waiting.size -= RETIRE_SLICE
        munmap(<char*>waiting + waiting.size, RETIRE_SLICE)
    return mem_retired != NULL


cdef void mem_forget(void* part, size_t size) noexcept nogil:
    """Drop the memory of a part of a mapped array (aligned to RETIRE_SLICE within it): it reads as zero afterwards."""
    remus_drop(part, size)


# --- faces for Python

def used() -> int:
    """Bytes handed out to the keyspace now, counted in good sizes. O(1)."""
    return allocated


def purge() -> int:
    """Give idle pages back to the kernel (MEMORY PURGE). Returns the bytes."""
    return mem_purge()


def give_back() -> None:
    """A few of the idle pages that are kept, as long as they are many: from the cron."""
    cdef int i
    for i in range(min(GIVEN_BACK, <int>kept_count - KEPT_LONG)):
        _kept_give_back()


cdef size_t _retired() noexcept:
    cdef size_t retired = 0
    cdef Retired* waiting = mem_retired
    while waiting != NULL:
        retired += waiting.size
        waiting = waiting.next
    return retired


cdef int64_t _used() noexcept:
    return <int64_t>mem_used()


cdef void _tell(Slab* slab) noexcept:
    """For the account of memory."""
    _note_peak()
    slab.allocated, slab.peak = allocated, peak
    slab.active = active_bytes + big_bytes if REMUS_SLABS else allocated
    slab.resident = (touched_bytes + chunk_count * HEADER_BYTES + big_bytes + _retired() if REMUS_SLABS
                     else slab.active)


above.used, above.slab = _used, _tell


def info() -> dict:
    """Figures for INFO, in bytes: allocated (good sizes), active (what pages of a class have ever handed out, and what
    lies outside of pages), resident (all that holds memory: idle pages still kept, too), mapped (address space), retired
    (arrays waiting to be unmapped), peak (of allocated). Complexity: O(1), but for arrays that wait."""
    cdef Slab slab
    cdef size_t retired = _retired()
    _tell(&slab)
    return {
        "allocated": slab.allocated,
        "active": slab.active,
        "resident": slab.resident,
        "mapped": chunk_count * CHUNK_BYTES + big_bytes + retired,
        "retired": retired,
        "peak": slab.peak,
    }


def libc() -> dict[str, int]:
    """What the C library's malloc has handed out to everybody (large values, clients' buffers, Lua, the interpreter), and
    what it keeps for later, bytes; zeros where it does not tell. Complexity: O(its free blocks)."""
    cdef size_t in_use = 0, idle = 0
    remus_libc_memory(&in_use, &idle)
    return {"libc_used": in_use, "libc_idle": idle}


def classes() -> list[tuple[int, int, int, int]]:
    """Per size class with pages that have room: block size, such pages, blocks handed out and blocks of room in them.
    For MEMORY MALLOC-STATS. Complexity: O(pages)."""
    cdef uint32_t number
    cdef size_t pages, blocks, room
    cdef Page* page
    found = []
    for number in range(1, CLASSES):
        pages = blocks = room = 0
        page = _first_page(number)
        while page != NULL:
            pages += 1
            blocks += page.used
            room += PAGE_BYTES // page.block_size - page.used
            page = _next_page(page)
        if pages:
            found.append((class_size[number], pages, blocks, room))
    return found


cdef inline Page* _first_page(uint32_t number) noexcept nogil:
    """Of those of a class that have room, or may have."""
    return current[number] if current[number] != &empty_page else leaving[number]


cdef inline Page* _next_page(Page* page) noexcept nogil:
    return page.next if page.next != NULL or page.listed == LEAVING else leaving[page.size_class]


def check() -> None:
    """Assert what must hold of the lists and counts. Walks all pages that have room; for tests."""
    cdef uint32_t number
    cdef size_t pages = 0, steps
    cdef Page* page
    cdef Chunk* chunk
    cdef void* block
    for number in range(1, CLASSES):
        page = _first_page(number)
        while page != NULL:
            pages += 1
            assert page.listed and page.size_class == number and page.block_size == class_size[number]
            assert page.fresh <= page.touched <= PAGE_BYTES
            steps = 0
            block = page.free
            while block != NULL:
                assert _page_of(block) == page
                steps += 1
                block = (<void**>block)[0]
            assert steps + page.used == page.fresh / page.block_size
            assert page.next == NULL or page.next.previous == page and page.next.listed == page.listed
            page = _next_page(page)
    assert pages <= used_pages
    steps = 0
    page = kept
    while page != NULL:
        steps += 1
        page = page.next
    assert steps == kept_count <= KEPT_MAX
    steps = 0
    idle = 0
    chunk = chunks_with_room
    while chunk != NULL:
        assert chunk.free != 0 and chunk.free & 1 == 0
        steps += __builtin_popcountll(chunk.free)
        idle += chunk.free == all_free
        chunk = chunk.next
    assert idle == idle_chunks <= 1
    for index in range(chunk_count):
        assert chunks[index].index == index
    assert steps + used_pages + kept_count == chunk_count * PAGES
    assert empty_page.free == NULL and empty_page.used == 0


def class_sizes() -> list:
    """Bytes of each size class, ascending."""
    return [class_size[i] for i in range(1, CLASSES)]


_prepare()
