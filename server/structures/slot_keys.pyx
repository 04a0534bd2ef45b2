# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from server.structures.crc16 cimport CLUSTER_SLOTS, key_hash_slot
from server.structures.slot_index cimport (SLOT_HASH_MASK, SlotKeys, SlotPage, slot_index_add, slot_index_check,
                                           slot_index_expire, slot_index_new, slot_index_page, slot_page_hash)
from server.structures.table cimport (ENTRY_EXPIRE, Entry, Table, entry_key, entry_key_length, remus_prefetch, table_hash, table_size)
from server.structures.table_walk cimport TableWalk, table_walk, table_walk_next

cdef extern from *:
    int __builtin_clz(unsigned int bits) nogil
    uint32_t __builtin_bswap32(uint32_t bits) nogil

cdef enum:
    AHEAD = 4                          # hashes whose buckets are fetched before they are looked at


cdef inline uint32_t _slot_of(Entry* e) noexcept nogil:
    return key_hash_slot(entry_key(e), entry_key_length(e))


cdef void table_index_slots(Table* t) noexcept nogil:
    cdef TableWalk walk
    cdef Entry* e
    if t.slots != NULL:
        return
    t.slots = slot_index_new()
    table_walk(&walk, t)
    while True:
        e = table_walk_next(&walk)
        if e == NULL:
            return
        slot_index_add(t.slots, _slot_of(e), <uint32_t>table_hash(entry_key(e), entry_key_length(e)))
        if e.klen & ENTRY_EXPIRE:
            slot_index_expire(t.slots, _slot_of(e), 1)


cdef size_t table_slot_count(const Table* t, uint32_t slot) noexcept nogil:
    return t.slots.of[slot].count if t.slots != NULL else 0


# ---- walking
cdef struct Wanted:                    # keys of one hash, and what is done with them
    uint32_t slot
    uint32_t hash
    slot_visit_t visit
    void* context


cdef inline bint _look(Table* t, int which, uint64_t bucket, const Wanted* wanted) noexcept:
    cdef Entry* e = t.buckets[which][bucket]
    while e != NULL:
        if (table_hash(entry_key(e), entry_key_length(e)) & SLOT_HASH_MASK == wanted.hash and _slot_of(e) == wanted.slot
                and wanted.visit(wanted.context, e)):
            return True
        e = e.next
    return False


cdef bint _look_up(Table* t, const Wanted* wanted) noexcept:
    """All entries with the slot and the hash. A table of more than 2^24 buckets has several for what 24 bits say."""
    cdef uint64_t bucket
    cdef int which
    for which in range(2 if t.rehash_index >= 0 else 1):
        bucket = wanted.hash & t.mask[which]
        while bucket <= t.mask[which]:
            if ((which == 1 or t.rehash_index < 0 or bucket >= <uint64_t>t.rehash_index)
                    and _look(t, which, bucket, wanted)):
                return True
            bucket += SLOT_HASH_MASK + 1
    return False


cdef bint _seen_before(const SlotPage* page, uint32_t at) noexcept nogil:
    """Keys of a slot that share their hash have it in the page once each: all of them are visited at the first."""
    cdef uint32_t i
    for i in range(at):
        if slot_page_hash(page, i) == slot_page_hash(page, at):
            return True
    return False


cdef bint _walk_page(Table* t, const SlotPage* page, Wanted* wanted) noexcept:
    cdef uint32_t i
    for i in range(page.count):
        if i + AHEAD < page.count:
            remus_prefetch(&t.buckets[0][slot_page_hash(page, i + AHEAD) & t.mask[0]])
        wanted.hash = slot_page_hash(page, i)
        if not _seen_before(page, i) and _look_up(t, wanted):
            return True
    return False


cdef void table_slot_walk(Table* t, uint32_t slot, slot_visit_t visit, void* context) noexcept:
    cdef Wanted wanted = Wanted(slot, 0, visit, context)
    cdef uint32_t page
    if t.slots == NULL:
        return
    for page in range(t.slots.of[slot].pages):
        if _walk_page(t, slot_index_page(t.slots, slot, page), &wanted):
            return


cdef uint32_t table_slot_walk_on(Table* t, uint32_t slot, uint32_t page, size_t effort, slot_visit_t visit,
                                 void* context) noexcept:
    cdef Wanted wanted = Wanted(slot, 0, visit, context)
    cdef const SlotPage* p
    cdef size_t spent = 0
    if t.slots == NULL:
        return 0
    while page < t.slots.of[slot].pages:
        p = slot_index_page(t.slots, slot, page)
        _walk_page(t, p, &wanted)
        spent += 1 + p.count
        page += 1
        if spent >= effort:
            return page if page < t.slots.of[slot].pages else 0
    return 0


# ---- by chance
cdef bint _keep(void* context, Entry* e) noexcept:
    (<Entry**>context)[0] = e
    return True


cdef Entry* _one_of(Table* t, uint32_t slot, uint64_t chance) noexcept:
    """An entry of a slot that has some: of a page by chance, or the next one with a hash."""
    cdef Wanted wanted
    cdef Entry* found = NULL
    cdef uint32_t pages = t.slots.of[slot].pages
    cdef uint32_t page = <uint32_t>(chance % pages)
    cdef const SlotPage* p = slot_index_page(t.slots, slot, page)
    while p.count == 0:
        page = page + 1 if page + 1 < pages else 0
        p = slot_index_page(t.slots, slot, page)
    wanted = Wanted(slot, slot_page_hash(p, <uint32_t>((chance >> 32) % p.count)), _keep, <void*>&found)
    _look_up(t, &wanted)
    return found


cdef Entry* table_shown_random(Table* t, uint64_t chance) noexcept:
    cdef size_t shown = table_shown_size(t)
    cdef size_t left
    cdef uint32_t slot
    cdef const SlotKeys* keys
    if shown == 0 or t.slots == NULL:
        return NULL
    left = chance % shown
    for slot in range(CLUSTER_SLOTS):
        keys = &t.slots.of[slot]
        if t.slots.hidden[slot]:
            continue
        if left < keys.count:
            return _one_of(t, slot, chance)
        left -= keys.count
    return NULL


# ---- scanning, a page a call
cdef inline uint32_t _reversed(uint32_t bits) noexcept nogil:
    bits = ((bits >> 1) & 0x55555555) | ((bits & 0x55555555) << 1)
    bits = ((bits >> 2) & 0x33333333) | ((bits & 0x33333333) << 2)
    bits = ((bits >> 4) & 0x0F0F0F0F) | ((bits & 0x0F0F0F0F) << 4)
    return __builtin_bswap32(bits)


cdef uint64_t table_slot_scan(Table* t, uint32_t slot, uint64_t cursor, slot_visit_t visit, void* context) noexcept:
    """The cursor is a hash with its bits in the opposite order. A page has the hashes of some low bits, so in that order it
    is a stretch without gaps, and pages that are split or joined between two calls are parts of such stretches."""
    cdef Wanted wanted = Wanted(slot, 0, visit, context)
    cdef uint32_t pages = t.slots.of[slot].pages if t.slots != NULL else 0
    cdef uint32_t half, page, bits = 0
    if pages == 0:
        return SLOT_SCAN_END
    page = _reversed(<uint32_t>cursor)
    if pages == 1:
        page = 0
    else:
        bits = 32 - __builtin_clz(pages - 1)       # of a page that was split, or split off ...
        half = <uint32_t>1 << (bits - 1)
        page &= 2 * half - 1
        if page >= pages:
            page -= half
        if page < half and page + half >= pages:
            bits -= 1                              # ... one fewer of those that wait for it
    _walk_page(t, slot_index_page(t.slots, slot, page), &wanted)
    return ((cursor >> (32 - bits)) + 1) << (32 - bits)


# ---- checking
cdef struct Counted:
    size_t keys
    size_t expires


cdef bint _count_one(void* context, Entry* e) noexcept:
    cdef Counted* counted = <Counted*>context
    counted.keys += 1
    counted.expires += e.klen & ENTRY_EXPIRE != 0
    return False


cdef int table_slots_check(Table* t) except -1:
    cdef size_t total = 0
    cdef Counted found
    cdef uint32_t slot
    if t.slots == NULL:
        return 0
    slot_index_check(t.slots)
    for slot in range(CLUSTER_SLOTS):
        found = Counted(0, 0)
        table_slot_walk(t, slot, _count_one, &found)
        assert found.keys == t.slots.of[slot].count, f"slot {slot}: {found.keys} keys found of {t.slots.of[slot].count}"
        assert found.expires == t.slots.expires[slot], f"slot {slot}: {found.expires} keys expire"
        total += found.keys
    assert total == table_size(t), f"{table_size(t)} keys, of which {total} are in slots"
    return 0
