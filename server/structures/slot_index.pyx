# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from server.structures.crc16 cimport CLUSTER_SLOTS
from server.structures.memory cimport mem_alloc, mem_free, mem_good_size, mem_map, mem_realloc, mem_unmap

cdef enum:
    HEADER = 4                         # bytes of a page before its hashes
    FEWEST = 2                         # hashes that the smallest page has room for
    SPARE = 16                         # a page grows by one in so many

cdef extern from *:
    int __builtin_clz(unsigned int bits) nogil


# ---- pages
cdef inline size_t _page_bytes(uint32_t capacity) noexcept nogil:
    return HEADER + capacity * <size_t>SLOT_HASH_BYTES


cdef inline uint32_t _roomy(uint32_t count) noexcept nogil:
    """A capacity for so many hashes and some more, such that no byte of the block is left over."""
    cdef uint32_t wanted = count + count // SPARE if count > FEWEST else FEWEST
    return <uint32_t>((mem_good_size(_page_bytes(wanted)) - HEADER) // SLOT_HASH_BYTES)


cdef SlotPage* _resized(SlotIndex* index, SlotPage* page, uint32_t capacity) noexcept nogil:
    """page: NULL for a new one. It may move."""
    cdef size_t before = 0 if page == NULL else _page_bytes(page.capacity)
    if page == NULL:
        page = <SlotPage*>mem_alloc(_page_bytes(capacity))
        page.count = 0
    else:
        page = <SlotPage*>mem_realloc(page, before, _page_bytes(capacity))
        index.bytes -= mem_good_size(before)
    page.capacity = capacity
    index.bytes += mem_good_size(_page_bytes(capacity))
    return page


cdef void _drop(SlotIndex* index, SlotPage* page) noexcept nogil:
    index.bytes -= mem_good_size(_page_bytes(page.capacity))
    mem_free(page, _page_bytes(page.capacity))


cdef inline void _put(SlotPage* page, uint32_t i, uint32_t hash) noexcept nogil:
    cdef uint8_t* at = &page.hashes[SLOT_HASH_BYTES * i]
    at[0] = <uint8_t>hash
    at[1] = <uint8_t>(hash >> 8)
    at[2] = <uint8_t>(hash >> 16)


cdef inline SlotPage* _with(SlotIndex* index, SlotPage* page, uint32_t hash) noexcept nogil:
    """The page, perhaps moved, with one hash more."""
    if page.count == page.capacity:
        page = _resized(index, page, _roomy(page.count + 1))
    _put(page, page.count, hash)
    page.count += 1
    return page


cdef inline SlotPage* _without(SlotIndex* index, SlotPage* page, uint32_t hash) noexcept nogil:
    cdef uint32_t i = 0
    while slot_page_hash(page, i) != hash:
        i += 1
    page.count -= 1
    memcpy(&page.hashes[SLOT_HASH_BYTES * i], &page.hashes[SLOT_HASH_BYTES * page.count], SLOT_HASH_BYTES)
    if page.count < page.capacity // 2 and page.capacity > _roomy(FEWEST):
        page = _resized(index, page, _roomy(page.count))
    return page


# ---- which page
cdef inline uint32_t _half(uint32_t pages) noexcept nogil:
    """The largest power of two that is less than a number of pages above 1."""
    return <uint32_t>1 << (31 - __builtin_clz(pages - 1))


cdef inline uint32_t _number(uint32_t hash, uint32_t pages) noexcept nogil:
    """Of the page that has a hash: its low bits, one fewer where that page is not split off yet."""
    cdef uint32_t half, number
    if pages <= 1:
        return 0
    half = _half(pages)
    number = hash & (2 * half - 1)
    return number if number < pages else number - half


cdef inline SlotPage** _places(SlotKeys* keys) noexcept nogil:
    """Where its pages are listed."""
    return <SlotPage**>&keys.place if keys.pages <= 1 else <SlotPage**>keys.place


cdef void _list(SlotIndex* index, SlotKeys* keys, uint32_t pages) noexcept nogil:
    """Have room for another number of pages, two at least; those that stay are kept."""
    cdef size_t before = keys.pages * sizeof(SlotPage*)
    cdef size_t after = pages * sizeof(SlotPage*)
    cdef SlotPage** places
    if keys.pages > 1:
        keys.place = mem_realloc(keys.place, before, after)
        index.bytes -= mem_good_size(before)
    else:
        places = <SlotPage**>mem_alloc(after)
        places[0] = <SlotPage*>keys.place
        keys.place = places
    index.bytes += mem_good_size(after)
    keys.pages = pages


cdef void _unlist(SlotIndex* index, SlotKeys* keys) noexcept nogil:
    """Of two pages the first alone is left."""
    cdef SlotPage* page = _places(keys)[0]
    index.bytes -= mem_good_size(2 * sizeof(SlotPage*))
    mem_free(keys.place, 2 * sizeof(SlotPage*))
    keys.place = page
    keys.pages = 1


cdef void _split(SlotIndex* index, SlotKeys* keys) noexcept nogil:
    """One page more: it takes its hashes from the one that had them."""
    cdef uint32_t added = keys.pages
    cdef uint32_t from_number = added - _half(added + 1)
    cdef uint32_t i, hash, kept = 0
    cdef SlotPage* old
    cdef SlotPage* new
    _list(index, keys, added + 1)
    old = _places(keys)[from_number]
    new = _resized(index, NULL, _roomy(old.count // 2))
    for i in range(old.count):
        hash = slot_page_hash(old, i)
        if _number(hash, added + 1) == added:
            new = _with(index, new, hash)
        else:
            _put(old, kept, hash)
            kept += 1
    old.count = kept
    _places(keys)[from_number] = _resized(index, old, _roomy(kept))
    _places(keys)[added] = new


cdef void _join(SlotIndex* index, SlotKeys* keys) noexcept nogil:
    """One page fewer: the last one's hashes go back where they came from."""
    cdef uint32_t last = keys.pages - 1
    cdef uint32_t to_number = last - _half(keys.pages)
    cdef SlotPage** places = _places(keys)
    cdef SlotPage* page = places[last]
    cdef SlotPage* to = places[to_number]
    cdef uint32_t i
    if to.capacity < to.count + page.count:
        to = _resized(index, to, _roomy(to.count + page.count))
    for i in range(page.count):
        to = _with(index, to, slot_page_hash(page, i))
    places[to_number] = to
    _drop(index, page)
    if last > 1:
        _list(index, keys, last)
    else:
        _unlist(index, keys)


# ---- life
cdef SlotIndex* slot_index_new() noexcept nogil:
    return <SlotIndex*>mem_map(sizeof(SlotIndex))


cdef bint slot_index_free_step(SlotIndex* index, size_t pages) noexcept nogil:
    """Take it apart; after the first call nothing else may be done with it. A slot without pages counts as one, too."""
    cdef SlotKeys* keys
    cdef uint32_t last
    while index.freed < CLUSTER_SLOTS:
        keys = &index.of[index.freed]
        if pages == 0:
            return 0
        pages -= 1
        if keys.pages:
            last = keys.pages - 1
            _drop(index, _places(keys)[last])
            if last > 1:
                _list(index, keys, last)
            elif last == 1:
                _unlist(index, keys)
            else:
                keys.pages = 0
        else:
            index.freed += 1
    mem_unmap(index, sizeof(SlotIndex))
    return 1


# ---- keys
cdef void slot_index_add(SlotIndex* index, uint32_t slot, uint32_t hash) noexcept nogil:
    """A key came. Complexity: O(1), now and then with a copy of a page or of the list of a slot's pages."""
    cdef SlotKeys* keys = &index.of[slot]
    cdef SlotPage** place
    hash &= SLOT_HASH_MASK
    if keys.pages == 0:
        keys.place = _resized(index, NULL, _roomy(1))
        keys.pages = 1
    place = &_places(keys)[_number(hash, keys.pages)]
    place[0] = _with(index, place[0], hash)
    keys.count += 1
    if index.hides:
        index.hidden_keys += index.hidden[slot]
    if keys.count > keys.pages * <uint64_t>SLOT_PAGE:
        _split(index, keys)


cdef void slot_index_remove(SlotIndex* index, uint32_t slot, uint32_t hash) noexcept nogil:
    """A key went. Complexity: O(1): a look through a page."""
    cdef SlotKeys* keys = &index.of[slot]
    cdef SlotPage** place
    hash &= SLOT_HASH_MASK
    place = &_places(keys)[_number(hash, keys.pages)]
    place[0] = _without(index, place[0], hash)
    keys.count -= 1
    if index.hides:
        index.hidden_keys -= index.hidden[slot]
    if keys.count == 0 and keys.pages == 1:
        _drop(index, <SlotPage*>keys.place)
        keys.place = NULL
        keys.pages = 0
    elif keys.pages > 1 and keys.count < (keys.pages - 1) * <uint64_t>(SLOT_PAGE // 2):
        _join(index, keys)


cdef void slot_index_expire(SlotIndex* index, uint32_t slot, int more) noexcept nogil:
    index.expires[slot] += more
    if index.hides and index.hidden[slot]:
        index.hidden_expires += more


# ---- hiding
cdef void slot_index_hide(SlotIndex* index, uint32_t slot, bint yes) noexcept nogil:
    """Whether a slot's keys are hidden from now on."""
    if index.hidden[slot] == yes:
        return
    index.hidden[slot] = yes
    if yes:
        index.hides += 1
        index.hidden_keys += index.of[slot].count
        index.hidden_expires += index.expires[slot]
    else:
        index.hides -= 1
        index.hidden_keys -= index.of[slot].count
        index.hidden_expires -= index.expires[slot]


cdef void slot_index_hide_as(SlotIndex* index, const SlotIndex* other) noexcept nogil:
    """Complexity: O(slots), O(1) where none is hidden."""
    cdef uint32_t slot
    if other.hides == 0 and index.hides == 0:
        return
    for slot in range(CLUSTER_SLOTS):
        slot_index_hide(index, slot, other.hidden[slot])


# ---- looking
cdef SlotPage* slot_index_page(const SlotIndex* index, uint32_t slot, uint32_t page) noexcept nogil:
    return _places(<SlotKeys*>&index.of[slot])[page]


cdef size_t slot_index_memory(const SlotIndex* index) noexcept nogil:
    return sizeof(SlotIndex) + index.bytes


cdef int slot_index_check(const SlotIndex* index) except -1:
    """Pages, counts and bytes agree."""
    cdef size_t bytes = 0, hides = 0, hidden_keys = 0, hidden_expires = 0, count
    cdef uint32_t slot, page, i
    cdef const SlotKeys* keys
    cdef const SlotPage* p
    for slot in range(CLUSTER_SLOTS):
        keys = &index.of[slot]
        count = 0
        assert (keys.pages == 0) == (keys.count == 0) == (keys.place == NULL), f"slot {slot}: an empty one has a page"
        assert keys.count <= keys.pages * <uint64_t>SLOT_PAGE, f"slot {slot}: too few pages"
        for page in range(keys.pages):
            p = slot_index_page(index, slot, page)
            assert p.count <= p.capacity
            bytes += mem_good_size(_page_bytes(p.capacity))
            count += p.count
            for i in range(p.count):
                assert _number(slot_page_hash(p, i), keys.pages) == page, f"slot {slot}: a hash in another page"
        if keys.pages > 1:
            bytes += mem_good_size(keys.pages * sizeof(SlotPage*))
        assert count == keys.count, f"slot {slot}: {count} hashes, said to be {keys.count}"
        if index.hidden[slot]:
            hides += 1
            hidden_keys += count
            hidden_expires += index.expires[slot]
        assert index.expires[slot] <= count, f"slot {slot}: more keys expire than there are"
    assert (hides, hidden_keys) == (index.hides, index.hidden_keys), f"{hides} slots with {hidden_keys} keys are hidden"
    assert hidden_expires == index.hidden_expires, f"{hidden_expires} hidden keys expire"
    assert bytes == index.bytes
    return 0
