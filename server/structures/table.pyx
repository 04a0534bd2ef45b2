# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The keyspace table: chained buckets that grow and shrink without a stall.

    buckets[0] (old while rehashing)      buckets[1] (new, only while rehashing)
    [moved ][moved ][ *  ][ * ][ ]        [ * ][ ][ * ][ ][ ][ ][ * ][ ]
                      ^ rehash_index

* A table holds a power of two of buckets, at least 4. It expands when an insert finds as many entries as buckets, and
  shrinks below 10 % filling when the owner asks (`table_shrink_if_sparse`). Either way a second array is mapped,
  lazily zeroed, and every operation moves one bucket over, skipping at most 10 empty ones; cron helps with
  `table_rehash_us`. Entries are moved by relinking: their addresses stay.
* The moved part of a large old array is given back to the kernel as the rehash goes along, so its end costs nothing;
  an array that is left with memory in it waits in `mem_retire` and loses a slice with each operation that writes.
* While `pause_rehash` is positive no entry changes its bucket and no resize begins.
* SCAN walks bucket numbers with the carry running from the highest bit down. A bucket of a table twice as big has the
  same low bits, so what was visited stays visited when the table grows, and merges with visited buckets when it
  shrinks. While rehashing, a step visits the bucket of the smaller array and all its expansions in the larger one.
  Every entry that is present from the first to the last call is visited at least once.
* A bit per bucket says "an entry with an expire may be here". It is set when such an entry is linked into the bucket
  and cleared only by `table_expire_scan`, when it finds none; so the active expire cycle reads 64 buckets per word.

Entries hold no hash: callers pass it in, and a rehash computes it again.
"""
import os

from libc.stdio cimport fputs, stderr
from libc.stdlib cimport abort
from libc.string cimport memcpy, memmove, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from server.structures.crc16 cimport key_hash_slot
from server.structures.memory cimport (MAP_MIN, RETIRE_SLICE, mem_alloc, mem_forget, mem_free, mem_good_size, mem_map,
                                       mem_retire, mem_retire_step, mem_retired, mem_unmap, mem_used)
from server.structures.slot_index cimport (slot_index_add, slot_index_expire, slot_index_free_step, slot_index_memory,
                                           slot_index_remove)

cdef extern from *:
    """
    static inline uint64_t remus_reverse(uint64_t v) {
        v = (v >> 1 & 0x5555555555555555ULL) | (v & 0x5555555555555555ULL) << 1;
        v = (v >> 2 & 0x3333333333333333ULL) | (v & 0x3333333333333333ULL) << 2;
        v = (v >> 4 & 0x0F0F0F0F0F0F0F0FULL) | (v & 0x0F0F0F0F0F0F0F0FULL) << 4;
        return __builtin_bswap64(v);
    }
    """
    uint64_t remus_reverse(uint64_t bits) nogil
    int __builtin_ctzll(uint64_t bits) nogil
    bint unlikely(bint condition) nogil

cdef enum:
    INITIAL_BUCKETS = 4
    MIN_FILL = 10                      # percent; below it table_shrink_if_sparse shrinks
    EMPTY_VISITS = 10                  # empty buckets that one rehash step may skip
    FORGET_BUCKETS = 32768             # RETIRE_SLICE in buckets
    FORCE_RATIO = 5                    # entries per bucket at which a table grows even if resizing is to be avoided
    FULL_RATIO = 1618                  # entries per 1,000 buckets at which it grows even beyond the memory limit
    FAIR_SAMPLE = 15                   # entries that table_fair_random chooses from
    FAIR_SMALL = 2047                  # buckets less one of a table that is in the cache anyway
    RANDOM_TRIES = 256                 # random buckets tried before walking on to the next entry
    DYING = 0x7FFFFFFF                 # pause_rehash of a table that table_free_step takes apart

cdef uint64_t random_state
cdef uint64_t _next_place, _later_place    # random numbers: where the next two picks of table_fair_random begin
cdef bint _avoid_resize = False        # a forked child shares our pages: moving entries would copy them
cdef size_t _resize_limit = 0          # bytes in use up to which a table may grow, 0 for all there are


def avoid_resize(bint yes) -> None:
    """Begin no resize and move no entry, in all tables, until taken back. A table that is far too small grows all the same."""
    global _avoid_resize
    _avoid_resize = yes


def resize_limit(size_t used_bytes) -> None:
    """Begin no resize with which the allocator would have handed out more than so many bytes, in all tables; 0 is no
    limit. Growing for one more key must not cost others theirs. A table that is well overfull grows all the same."""
    global _resize_limit
    _resize_limit = used_bytes


cdef inline uint64_t _random() noexcept nogil:
    """xorshift64*: good enough to pick keys, not for secrets."""
    global random_state
    random_state ^= random_state >> 12
    random_state ^= random_state << 25
    random_state ^= random_state >> 27
    return random_state * <uint64_t>0x2545F4914F6CDD1D


cdef inline size_t _bucket_bytes(const Table* t, int which) noexcept nogil:
    return (t.mask[which] + 1) * sizeof(Entry*)


cdef inline size_t _mapped_bytes(size_t size) noexcept nogil:
    """What an array of mem_map counts for."""
    return mem_good_size(size) if size < MAP_MIN else size


cdef inline size_t _bits_bytes(uint64_t buckets) noexcept nogil:
    return ((buckets + 63) >> 6) * sizeof(uint64_t)


cdef inline size_t _layout_size(uint32_t klen, size_t value_length) noexcept nogil:
    """Bytes of an entry with these flags and key length; value_length counts with ENTRY_INLINE only."""
    return (sizeof(Entry) + ((klen & ENTRY_EXPIRE) >> 28) + ((klen & ENTRY_WORD) >> 27) + (klen & KEY_LENGTH_MASK)
            + (1 + value_length if klen & ENTRY_INLINE else 0))


cdef size_t entry_size(const Entry* e) noexcept nogil:
    """Bytes the entry was allocated with. O(1)."""
    return _layout_size(e.klen, entry_inline(<Entry*>e)[0] if e.klen & ENTRY_INLINE else 0)


# --- expire bits

cdef void _mark_expire(Table* t, int which, uint64_t bucket) noexcept nogil:
    if t.expire_bits[which] == NULL:
        t.expire_bits[which] = <uint64_t*>mem_map(_bits_bytes(t.mask[which] + 1))
    t.expire_bits[which][bucket >> 6] |= <uint64_t>1 << (bucket & 63)


cdef inline void _retire_bits(Table* t, int which) noexcept nogil:
    if t.expire_bits[which] != NULL:
        mem_retire(t.expire_bits[which], _bits_bytes(t.mask[which] + 1))
        t.expire_bits[which] = NULL


# --- resizing

cdef uint64_t _power_of_two(size_t entries) noexcept nogil:
    cdef uint64_t buckets = INITIAL_BUCKETS
    while buckets < entries:
        buckets <<= 1
    return buckets


cdef bint _may_grow(Table* t) noexcept nogil:
    """Whether a full table may double now."""
    cdef uint64_t buckets = t.mask[0] + 1
    if _avoid_resize and t.used[0] // FORCE_RATIO <= t.mask[0]:
        return False
    if _resize_limit and mem_used() + 2 * buckets * sizeof(Entry*) > _resize_limit:
        return t.used[0] * 1000 > buckets * FULL_RATIO
    return True


cdef inline bint _can_wait(const Table* t) noexcept nogil:
    """Whether a rehash under way is put off while resizing is to be avoided: chains, or gaps, are not too long yet."""
    return t.mask[1] // FORCE_RATIO < t.mask[0] + 1 and t.mask[0] // FORCE_RATIO < t.mask[1] + 1


cdef void _start_resize(Table* t, uint64_t buckets) noexcept nogil:
    """Begin to rehash into so many buckets; an empty table simply gets its new array."""
    if t.used[0] == 0:
        mem_retire(t.buckets[0], _bucket_bytes(t, 0))
        _retire_bits(t, 0)
        t.buckets[0] = <Entry**>mem_map(buckets * sizeof(Entry*))
        t.mask[0] = buckets - 1
        return
    t.buckets[1] = <Entry**>mem_map(buckets * sizeof(Entry*))
    t.mask[1] = buckets - 1
    t.rehash_index = 0


cdef void _finish_rehash(Table* t) noexcept nogil:
    cdef size_t bytes = _bucket_bytes(t, 0)
    if bytes >= MAP_MIN and <uint64_t>t.rehash_index + 2 * FORGET_BUCKETS > t.mask[0]:
        mem_unmap(t.buckets[0], bytes)           # all but the end was forgotten on the way
    else:
        mem_retire(t.buckets[0], bytes)
    _retire_bits(t, 0)
    t.buckets[0] = t.buckets[1]
    t.mask[0] = t.mask[1]
    t.used[0] = t.used[1]
    t.expire_bits[0] = t.expire_bits[1]
    t.buckets[1] = NULL
    t.mask[1] = 0
    t.used[1] = 0
    t.expire_bits[1] = NULL
    t.rehash_index = -1


cdef inline void _advance(Table* t) noexcept nogil:
    """Go to the next bucket of the old array, giving back the slice that lies behind."""
    t.rehash_index += 1
    if unlikely((t.rehash_index & (FORGET_BUCKETS - 1)) == 0):
        mem_forget(&t.buckets[0][t.rehash_index - FORGET_BUCKETS], RETIRE_SLICE)


cdef void _move_bucket(Table* t) noexcept nogil:
    """Relink the entries of the bucket at rehash_index into the new array."""
    cdef Entry* e = t.buckets[0][t.rehash_index]
    cdef Entry* following
    cdef uint64_t bucket
    while e != NULL:
        following = e.next
        bucket = table_hash(entry_key(e), entry_key_length(e)) & t.mask[1]
        e.next = t.buckets[1][bucket]
        t.buckets[1][bucket] = e
        if e.klen & ENTRY_EXPIRE:
            _mark_expire(t, 1, bucket)
        t.used[0] -= 1
        t.used[1] += 1
        e = following
    t.buckets[0][t.rehash_index] = NULL


cdef size_t table_rehash_steps(Table* t, size_t buckets) noexcept nogil:
    """Move up to `buckets` buckets, skipping at most 10 empty ones for each. Returns 1 while there is more to do, 0 when no
    rehash is under way (any more) or it is paused or put off."""
    cdef size_t empty = buckets * EMPTY_VISITS
    if t.rehash_index < 0 or t.pause_rehash > 0 or (unlikely(_avoid_resize) and _can_wait(t)):
        return 0
    while buckets and t.used[0]:
        while t.buckets[0][t.rehash_index] == NULL:
            _advance(t)
            empty -= 1
            if empty == 0:
                return 1
        _move_bucket(t)
        _advance(t)
        buckets -= 1
    if t.used[0]:
        if <uint64_t>t.rehash_index < t.mask[0]:         # have the next call's entry in cache by then
            remus_prefetch(t.buckets[0][t.rehash_index + 1])
        return 1
    _finish_rehash(t)
    return 0


cdef size_t table_rehash_us(Table* t, int64_t microseconds) noexcept nogil:
    """Rehash for about so long, looking at the clock every 100 buckets. Returns the buckets moved; 0: nothing to do."""
    cdef timespec now
    cdef int64_t until, moved = 0
    if mem_retired != NULL:
        mem_retire_step()
    if t.rehash_index < 0 or t.pause_rehash > 0 or (_avoid_resize and _can_wait(t)):
        return 0
    clock_gettime(CLOCK_MONOTONIC, &now)
    until = <int64_t>now.tv_sec * 1000000000 + now.tv_nsec + microseconds * 1000
    while True:
        moved += 100
        if not table_rehash_steps(t, 100):
            return moved
        clock_gettime(CLOCK_MONOTONIC, &now)
        if <int64_t>now.tv_sec * 1000000000 + now.tv_nsec >= until:
            return moved


cdef bint table_resize_hint(Table* t, size_t entries) noexcept nogil:
    """Expand for `entries` entries before a bulk load. 1 if that began; 0 when it is not needed or not possible now."""
    cdef uint64_t buckets = _power_of_two(entries)
    if t.rehash_index >= 0 or t.pause_rehash > 0 or buckets <= t.mask[0] + 1 or entries < t.used[0]:
        return 0
    _start_resize(t, buckets)
    return 1


cdef bint table_shrink_if_sparse(Table* t) noexcept nogil:
    """Begin to shrink to the power of two at or above the entries if less than 10 % of the buckets' number is used."""
    if t.rehash_index >= 0 or t.pause_rehash > 0 or t.no_shrink > 0 or _avoid_resize or t.mask[0] + 1 <= INITIAL_BUCKETS:
        return 0
    if t.used[0] * 100 >= (t.mask[0] + 1) * MIN_FILL:
        return 0
    _start_resize(t, _power_of_two(t.used[0]))
    return 1


cdef size_t table_buckets(const Table* t) noexcept nogil:
    """Buckets of both arrays."""
    return t.mask[0] + 1 + (t.mask[1] + 1 if t.rehash_index >= 0 else 0)


cdef size_t table_memory(const Table* t) noexcept nogil:
    """Bytes of the table, its buckets, bits and entries, as the allocator counts them; not what words point to. O(1)."""
    cdef size_t bytes = mem_good_size(sizeof(Table)) + t.entry_bytes
    cdef int which
    if t.slots != NULL:
        bytes += slot_index_memory(t.slots)
    for which in range(2 if t.rehash_index >= 0 else 1):
        bytes += _mapped_bytes((t.mask[which] + 1) * sizeof(Entry*))
        if t.expire_bits[which] != NULL:
            bytes += _mapped_bytes(_bits_bytes(t.mask[which] + 1))
    return bytes


# --- life

cdef Table* table_new() noexcept nogil:
    """An empty table of 4 buckets."""
    cdef Table* t = <Table*>mem_alloc(sizeof(Table))
    memset(t, 0, sizeof(Table))
    t.buckets[0] = <Entry**>mem_map(INITIAL_BUCKETS * sizeof(Entry*))
    t.mask[0] = INITIAL_BUCKETS - 1
    t.rehash_index = -1
    return t


cdef void _discard(Table* t, Entry* e, value_free_t free_value) noexcept:
    """Free the value if a word points to one, and the entry, which is linked nowhere any more."""
    if free_value != NULL and e.klen & ENTRY_WORD:
        free_value(e)
    mem_free(e, entry_size(e))


cdef bint table_free_step(Table* t, value_free_t free_value, size_t entries) noexcept:
    """Take a table apart, `entries` entries (or 16 times as many empty buckets) a call. 1: the table is gone.

    After the first call nothing else may be done with the table. free_value may be NULL.
    """
    cdef size_t empty = entries * 16 + 1
    cdef uint64_t first = t.mask[0] + 1
    cdef uint64_t bucket
    cdef int which
    cdef Entry* e
    if t.pause_rehash != DYING:
        t.pause_rehash = DYING
        t.expire_cursor = 0
    while table_size(t):
        which = 0 if <uint64_t>t.expire_cursor < first else 1
        bucket = t.expire_cursor - (first if which else 0)
        e = t.buckets[which][bucket]
        if e == NULL:
            t.expire_cursor += 1
            empty -= 1
            if empty == 0:
                return 0
            continue
        if entries == 0:
            return 0
        t.buckets[which][bucket] = e.next
        t.used[which] -= 1
        entries -= 1
        _discard(t, e, free_value)
    if t.slots != NULL:
        if not slot_index_free_step(t.slots, entries + 1):
            return 0
        t.slots = NULL
    for which in range(2):
        if t.buckets[which] != NULL:
            mem_retire(t.buckets[which], _bucket_bytes(t, which))
        _retire_bits(t, which)
    mem_free(t, sizeof(Table))
    return 1


cdef void table_free(Table* t, value_free_t free_value) noexcept:
    """Free everything at once. O(entries + buckets)."""
    while not table_free_step(t, free_value, 1 << 40):
        pass
    while mem_retire_step():
        pass


# --- one key

cdef Entry* table_find_rehashing(Table* t, const char* key, size_t length, uint64_t hash) noexcept nogil:
    """table_find while a rehash is under way: one step of it, then a look into both arrays."""
    cdef Entry** slot
    table_rehash_steps(t, 1)
    slot = _slot(t, key, length, hash, NULL)
    return slot[0] if slot != NULL else NULL


cdef Entry** _slot(Table* t, const char* key, size_t length, uint64_t hash, int* which) noexcept nogil:
    """What points to the key's entry, and in which array; NULL when the key is absent."""
    cdef Entry** slot
    cdef int i
    for i in range(2):
        if i == 0 and t.rehash_index >= 0 and (hash & t.mask[0]) < <uint64_t>t.rehash_index:
            continue                                     # moved, and perhaps given back to the kernel
        slot = &t.buckets[i][hash & t.mask[i]]
        while slot[0] != NULL:
            if entry_key_length(slot[0]) == length and remus_equal(entry_key(slot[0]), key, length):
                if which != NULL:
                    which[0] = i
                return slot
            slot = &slot[0].next
        if t.rehash_index < 0:
            break
    return NULL


cdef Entry** _slot_of(Table* t, Entry* e, uint64_t hash, int* which) noexcept nogil:
    """What points to this entry, and in which array. The entry must be in the table."""
    cdef Entry** slot
    which[0] = 0
    if t.rehash_index < 0 or (hash & t.mask[0]) >= <uint64_t>t.rehash_index:
        slot = &t.buckets[0][hash & t.mask[0]]
        while slot[0] != NULL:
            if slot[0] == e:
                return slot
            slot = &slot[0].next
    which[0] = 1
    slot = &t.buckets[1][hash & t.mask[1]]
    while slot[0] != e:
        slot = &slot[0].next
    return slot


cdef Entry* _insert(Table* t, const char* key, size_t length, uint64_t hash, uint32_t flags, size_t value_length) noexcept nogil:
    """Link a new entry with its key copied in; word and value are for the caller to fill. meta is 0."""
    cdef uint32_t klen = <uint32_t>length | flags
    cdef size_t size = _layout_size(klen, value_length)
    cdef Entry* e = <Entry*>mem_alloc(size)
    cdef Entry** slot
    cdef int which
    if unlikely(length > KEY_LENGTH_MASK):
        fputs("A key, member or field is longer than 536870911 bytes\n", stderr)
        abort()                        # who takes names from outside refuses them (dispatch.long_names, rdb_input.take_name)
    if mem_retired != NULL:
        mem_retire_step()
    if t.rehash_index >= 0:
        table_rehash_steps(t, 1)
    elif unlikely(t.used[0] > t.mask[0]) and t.pause_rehash <= 0 and _may_grow(t):
        _start_resize(t, _power_of_two(t.used[0] + 1))
    which = 1 if t.rehash_index >= 0 else 0
    slot = &t.buckets[which][hash & t.mask[which]]
    e.next = slot[0]
    slot[0] = e
    e.meta = 0
    e.klen = klen
    memcpy(entry_key(e), key, length)
    t.used[which] += 1
    t.entry_bytes += mem_good_size(size)
    if unlikely(t.slots != NULL):
        slot_index_add(t.slots, key_hash_slot(key, length), <uint32_t>hash)
    return e


cdef inline void _fill_inline(Entry* e, const char* value, size_t length) noexcept nogil:
    cdef uint8_t* place = entry_inline(e)
    place[0] = <uint8_t>length
    memcpy(place + 1, value, length)


cdef Entry* table_insert_inline(Table* t, const char* key, size_t length, uint64_t hash, const char* value, size_t value_length) noexcept nogil:
    """Add a key with a value of at most 255 bytes inside the entry. The key must be absent. O(1)."""
    cdef Entry* e = _insert(t, key, length, hash, ENTRY_INLINE, value_length)
    _fill_inline(e, value, value_length)
    return e


cdef Entry* table_insert_word(Table* t, const char* key, size_t length, uint64_t hash, uint64_t word) noexcept nogil:
    """Add a key with a number or a pointer. The key must be absent. O(1)."""
    cdef Entry* e = _insert(t, key, length, hash, ENTRY_WORD, 0)
    entry_word_ref(e)[0] = word
    return e


cdef Entry* table_insert_bare(Table* t, const char* key, size_t length, uint64_t hash) noexcept nogil:
    """Add a key without a value. The key must be absent. O(1)."""
    return _insert(t, key, length, hash, 0, 0)


cdef Entry* _reshape(Table* t, Entry* e, uint64_t hash, uint32_t flags, size_t value_length, bint keep_inline) noexcept nogil:
    """Give an entry other flags or another value length; it moves when its good size changes.

    Key, expire and word are kept as far as both layouts have them, the inline value if keep_inline;
    whatever is new is for the caller to fill.
    """
    cdef uint32_t klen = entry_key_length(e) | flags
    cdef size_t old_size = entry_size(e)
    cdef size_t new_size = _layout_size(klen, value_length)
    cdef size_t tail = entry_key_length(e)               # bytes from the key on that are kept
    cdef char* old_key = entry_key(e)
    cdef int64_t when = entry_expire(e)
    cdef uint64_t word = entry_word_ref(e)[0] if e.klen & ENTRY_WORD else 0
    cdef size_t old_good = mem_good_size(old_size)
    cdef size_t new_good = mem_good_size(new_size)
    cdef Entry* old = e
    cdef int which
    if keep_inline and flags & ENTRY_INLINE:
        tail += 1 + <size_t>entry_inline(e)[0]
    if old_good == new_good:
        e.klen = klen
        if entry_key(e) != old_key:
            memmove(entry_key(e), old_key, tail)
    else:
        e = <Entry*>mem_alloc(new_size)
        e.next = old.next
        e.meta = old.meta
        e.klen = klen
        memcpy(entry_key(e), old_key, tail)
        _slot_of(t, old, hash, &which)[0] = e
        mem_free(old, old_size)
        t.entry_bytes += new_good - old_good
    if flags & ENTRY_EXPIRE:
        entry_expire_ref(e)[0] = when
    if flags & ENTRY_WORD:
        entry_word_ref(e)[0] = word
    return e


cdef Entry* table_set_inline(Table* t, Entry* e, uint64_t hash, const char* value, size_t value_length) noexcept nogil:
    """Put a value of at most 255 bytes into an entry, in place of what it had. Returns the entry, perhaps moved.

    A word is forgotten, not freed. `value` must not lie in the entry itself. meta and expire stay. O(1).
    """
    if e.klen & (ENTRY_INLINE | ENTRY_WORD) == ENTRY_INLINE and entry_inline(e)[0] == value_length:
        memcpy(entry_inline(e) + 1, value, value_length)        # as long as before: all stays where it is
        return e
    e = _reshape(t, e, hash, (e.klen & ENTRY_EXPIRE) | ENTRY_INLINE, value_length, 0)
    _fill_inline(e, value, value_length)
    return e


cdef Entry* table_set_word(Table* t, Entry* e, uint64_t hash, uint64_t word) noexcept nogil:
    """Put a number or pointer into an entry, in place of what it had. Returns the entry, perhaps moved. O(1)."""
    if not e.klen & ENTRY_WORD:
        e = _reshape(t, e, hash, (e.klen & ENTRY_EXPIRE) | ENTRY_WORD, 0, 0)
    entry_word_ref(e)[0] = word
    return e


cdef inline void _count_expire(Table* t, Entry* e, int more) noexcept nogil:
    t.expires += more
    if unlikely(t.slots != NULL):
        slot_index_expire(t.slots, key_hash_slot(entry_key(e), entry_key_length(e)), more)


cdef Entry* table_set_expire(Table* t, Entry* e, uint64_t hash, int64_t when_ms) noexcept nogil:
    """Let the entry expire at `when_ms` (Unix milliseconds). Returns the entry, perhaps moved. O(1)."""
    cdef int which
    if not e.klen & ENTRY_EXPIRE:
        e = _reshape(t, e, hash, (e.klen & ENTRY_WORD) | (e.klen & ENTRY_INLINE) | ENTRY_EXPIRE,
                     entry_inline(e)[0] if e.klen & ENTRY_INLINE else 0, 1)
        _count_expire(t, e, 1)
        _slot_of(t, e, hash, &which)
        _mark_expire(t, which, hash & t.mask[which])
    entry_expire_ref(e)[0] = when_ms
    return e


cdef Entry* table_persist(Table* t, Entry* e, uint64_t hash) noexcept nogil:
    """Take the expire away. Returns the entry, perhaps moved. O(1)."""
    if e.klen & ENTRY_EXPIRE:
        _count_expire(t, e, -1)
        e = _reshape(t, e, hash, (e.klen & ENTRY_WORD) | (e.klen & ENTRY_INLINE),
                     entry_inline(e)[0] if e.klen & ENTRY_INLINE else 0, 1)
    return e


cdef void _unlink_of_cluster(Table* t, Entry* e, uint32_t hash) noexcept nogil:
    cdef uint32_t of = key_hash_slot(entry_key(e), entry_key_length(e))
    if e.klen & ENTRY_EXPIRE:
        slot_index_expire(t.slots, of, -1)
    slot_index_remove(t.slots, of, hash)


cdef Entry* _unlink_slot(Table* t, Entry** slot, int which, uint64_t hash) noexcept nogil:
    cdef Entry* e = slot[0]
    slot[0] = e.next
    t.used[which] -= 1
    t.entry_bytes -= mem_good_size(entry_size(e))
    if e.klen & ENTRY_EXPIRE:
        t.expires -= 1
    if unlikely(t.slots != NULL):
        _unlink_of_cluster(t, e, <uint32_t>hash)
    return e


cdef Entry* table_unlink(Table* t, const char* key, size_t length, uint64_t hash) noexcept nogil:
    """Take a key's entry out of the table: the caller reads it and gives it to table_release_entry. NULL: absent. O(1)."""
    cdef int which = 0
    cdef Entry** slot
    if mem_retired != NULL:
        mem_retire_step()
    if t.rehash_index >= 0:
        table_rehash_steps(t, 1)
    slot = _slot(t, key, length, hash, &which)
    if slot == NULL:
        return NULL
    return _unlink_slot(t, slot, which, hash)


cdef void table_release_entry(Table* t, Entry* e) noexcept nogil:
    """Free an entry that table_unlink returned; not its value."""
    mem_free(e, entry_size(e))


cdef bint table_delete(Table* t, const char* key, size_t length, uint64_t hash, value_free_t free_value) noexcept:
    """Delete a key with its value. 1: it was there. free_value (may be NULL) is called if the entry has a word. O(1)."""
    cdef Entry* e = table_unlink(t, key, length, hash)
    if e == NULL:
        return 0
    _discard(t, e, free_value)
    return 1


# --- walking

cdef void _visit_chain(Entry* e, entry_visit_t visit, void* context) noexcept:
    cdef Entry* following
    while e != NULL:
        following = e.next
        visit(context, e)
        e = following


cdef inline uint64_t _next_cursor(uint64_t cursor, uint64_t mask) noexcept nogil:
    """Add one to the cursor's bits under the mask, carrying from the highest of them downwards."""
    return remus_reverse(remus_reverse(cursor | ~mask) + 1)


cdef void table_scan_ahead(const Table* t, uint64_t cursor, int buckets) noexcept nogil:
    cdef uint64_t mask = t.mask[0]
    cdef uint64_t at = cursor
    cdef int i
    if t.rehash_index >= 0 or t.buckets[0] == NULL:
        return
    for i in range(buckets):
        remus_prefetch(&t.buckets[0][at & mask])
        at = _next_cursor(at, mask)
    for i in range(buckets):
        remus_prefetch(t.buckets[0][cursor & mask])
        cursor = _next_cursor(cursor, mask)


cdef uint64_t table_scan(Table* t, uint64_t cursor, entry_visit_t visit, void* context) noexcept:
    """Visit the entries of one bucket (while rehashing: of the same bucket in both arrays). Returns the next cursor.

    Begin with 0; the walk is complete when 0 comes back. The visit may delete the entry it is given, no other; what it
    returns is ignored. An entry may be visited more than once when the table changed its size. O(1) on average.
    """
    cdef int small = 0, large = 1
    if table_size(t) == 0:
        return 0
    t.pause_rehash += 1
    if t.rehash_index < 0:
        _visit_chain(t.buckets[0][cursor & t.mask[0]], visit, context)
        cursor = _next_cursor(cursor, t.mask[0])
    else:
        if t.mask[0] > t.mask[1]:
            small = 1
            large = 0
        _visit_chain(t.buckets[small][cursor & t.mask[small]], visit, context)
        while True:
            _visit_chain(t.buckets[large][cursor & t.mask[large]], visit, context)
            cursor = _next_cursor(cursor, t.mask[large])
            if not cursor & (t.mask[small] ^ t.mask[large]):
                break
    t.pause_rehash -= 1
    return cursor


cdef inline Entry** _bucket_at(Table* t, uint64_t i) noexcept nogil:
    """Bucket i of both arrays laid end to end."""
    return &t.buckets[0][i] if i <= t.mask[0] else &t.buckets[1][i - t.mask[0] - 1]


cdef Entry* table_random(Table* t) noexcept nogil:
    """A random entry, NULL if there is none: a random bucket with entries, then one of its chain.

    O(1) on average in a table that is not sparse.
    """
    cdef uint64_t low, span, i = 0, tries = 0
    cdef Entry* e = NULL
    cdef Entry* chosen
    cdef uint64_t length = 1
    if t.rehash_index >= 0:
        table_rehash_steps(t, 1)
    if table_size(t) == 0:
        return NULL
    low = t.rehash_index if t.rehash_index >= 0 else 0
    span = table_buckets(t) - low
    while e == NULL and tries < RANDOM_TRIES:
        i = low + _random() % span
        e = _bucket_at(t, i)[0]
        tries += 1
    while e == NULL:
        i += 1
        if i >= low + span:
            i = low
        e = _bucket_at(t, i)[0]
    chosen = e
    while e.next != NULL:
        e = e.next
        length += 1
        if _random() % length == 0:
            chosen = e
    return chosen


cdef size_t table_sample(Table* t, Entry** out, size_t count) noexcept nogil:
    return _sample_from(t, _random(), out, count)


cdef size_t _sample_from(Table* t, uint64_t place, Entry** out, size_t count) noexcept nogil:
    """Up to `count` entries from neighbouring buckets at a random place: cheap, not independent.

    Looks at no more than 10 buckets for each; so it may return fewer, or none, where the table is sparse, and the same
    entry twice where it is small.
    """
    cdef size_t stored = 0, empty = 0, steps, keep
    cdef uint64_t widest, i
    cdef Entry* e
    cdef int which, arrays
    if count > table_size(t):
        count = table_size(t)
    if t.rehash_index >= 0:
        table_rehash_steps(t, count)
    arrays = 2 if t.rehash_index >= 0 else 1
    widest = t.mask[0] | t.mask[1]
    i = place & widest
    steps = count * 10
    while stored < count and steps:
        steps -= 1
        for which in range(arrays):
            if i > t.mask[which]:
                continue
            if which == 0 and arrays == 2 and i < <uint64_t>t.rehash_index:
                if i > t.mask[1]:                        # shrinking: neither array has anything up to rehash_index
                    i = t.rehash_index
                else:
                    continue
            e = t.buckets[which][i]
            if e == NULL:
                empty += 1
                if empty >= 5 and empty > count:         # a hole: try elsewhere
                    i = _random() & widest
                    empty = 0
                    break
                continue
            empty = 0
            while e != NULL:                             # past `count` go on as a reservoir: long chains get their share
                keep = stored if stored < count else _random() % (stored + 1)
                if keep < count:
                    out[keep] = e
                stored += 1
                e = e.next
            if stored >= count:
                return count
        i = (i + 1) & widest
    return stored


cdef Entry* table_fair_random(Table* t) noexcept nogil:
    """A random entry chosen from a sample: less in favour of entries alone in their bucket than table_random.

    Where the next two samples begin is drawn before, so that what they will look at in a large table comes from memory
    meanwhile: the buckets of the one after next, the entries of the next.
    """
    global _next_place, _later_place
    cdef Entry* sample[FAIR_SAMPLE]
    cdef size_t count = _sample_from(t, _next_place, sample, FAIR_SAMPLE)
    _next_place = _later_place
    _later_place = _random()
    if t.mask[0] > FAIR_SMALL:
        _prefetch_entries(t.buckets[0], t.mask[0], _next_place)
        remus_prefetch(&t.buckets[0][_later_place & t.mask[0]])
        remus_prefetch(&t.buckets[0][(_later_place + 8) & t.mask[0]])
    if t.rehash_index >= 0 and t.mask[1] > FAIR_SMALL:
        _prefetch_entries(t.buckets[1], t.mask[1], _next_place)
        remus_prefetch(&t.buckets[1][_later_place & t.mask[1]])
        remus_prefetch(&t.buckets[1][(_later_place + 8) & t.mask[1]])
    if count == 0:
        return table_random(t)
    return sample[_random() % count]


cdef inline void _prefetch_entries(Entry** buckets, uint64_t mask, uint64_t place) noexcept nogil:
    """The first entries of as many buckets as a sample mostly needs."""
    cdef int i
    for i in range(FAIR_SAMPLE):
        if buckets[(place + i) & mask] != NULL:
            remus_prefetch(buckets[(place + i) & mask])


cdef void _unlink_from_bucket(Table* t, Entry* e, int which, uint64_t bucket) noexcept nogil:
    cdef Entry** slot = &t.buckets[which][bucket]
    while slot[0] != e:
        slot = &slot[0].next
    _unlink_slot(t, slot, which, table_hash(entry_key(e), entry_key_length(e)))


cdef size_t _expire_bucket(Table* t, int which, uint64_t bucket, entry_visit_t visit, void* context) noexcept:
    """Visit the expiring entries of one bucket; clear its bit if none is left. Returns the entries visited."""
    cdef Entry* e = t.buckets[which][bucket]
    cdef Entry* following
    cdef size_t visited = 0
    while e != NULL:
        following = e.next
        if e.klen & ENTRY_EXPIRE:
            visited += 1
            if visit(context, e):
                _unlink_from_bucket(t, e, which, bucket)
                mem_free(e, entry_size(e))
        e = following
    e = t.buckets[which][bucket]
    while e != NULL and not e.klen & ENTRY_EXPIRE:
        e = e.next
    if e == NULL:
        t.expire_bits[which][bucket >> 6] &= ~(<uint64_t>1 << (bucket & 63))
    return visited


cdef size_t table_expire_scan(Table* t, size_t buckets, size_t entries, entry_visit_t visit, void* context) noexcept:
    """Visit entries that carry an expire, from expire_cursor on, at most once round the table.

    buckets, entries: stop when so many were looked at (64 buckets without expires count as one).
    visit: returns 1 after freeing the value, and the entry is removed here; or deletes just this entry itself, or leaves
    it, and returns 0. expire_cursor counts the buckets of both arrays laid end to end and is 0 at the end of a round.
    """
    cdef uint64_t first = t.mask[0] + 1
    cdef uint64_t total = table_buckets(t)
    cdef uint64_t cursor = t.expire_cursor
    cdef uint64_t walked = 0, bucket, left, run, bits
    cdef size_t looked = 0, visited = 0
    cdef int which
    if cursor >= total:
        cursor = 0
    t.pause_rehash += 1
    while looked < buckets and visited < entries and walked < total and t.expires:
        which = 0 if cursor < first else 1
        bucket = cursor - (first if which else 0)
        left = t.mask[which] + 1 - bucket
        if t.expire_bits[which] == NULL:
            run = left
        elif which == 0 and t.rehash_index > <int64_t>bucket:
            run = t.rehash_index - bucket                # moved already
        else:
            bits = t.expire_bits[which][bucket >> 6] >> (bucket & 63)
            if bits == 0:
                run = min(64 - (bucket & 63), left)
                looked += 1
            elif not bits & 1:
                run = __builtin_ctzll(bits)
            else:
                visited += _expire_bucket(t, which, bucket, visit, context)
                run = 1
                looked += 1
        cursor += run
        walked += run
        if cursor >= total:
            cursor = 0
    t.pause_rehash -= 1
    t.expire_cursor = cursor
    return visited


cdef void _seed() noexcept:
    """Take the hash seed and the random state from the system, or from REMUS_HASH_SEED (an integer) for repeatable runs."""
    global random_state, _next_place, _later_place
    cdef uint64_t words[4]
    cdef uint64_t z
    cdef int i
    wanted = os.environ.get("REMUS_HASH_SEED")
    for i in range(4):
        if wanted:
            z = (int(wanted) + (i + 1) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
            z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
            z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
            words[i] = z ^ (z >> 31)
        else:
            words[i] = int.from_bytes(os.urandom(8), "little")
    table_seed.a = words[0]
    table_seed.b = words[1] | 1
    table_seed.c = words[2] | 1
    random_state = words[3] | 1
    _next_place, _later_place = _random(), _random()


# --- the test face

cdef int _collect(void* context, Entry* e) noexcept:
    (<list>context).append(_key_of(e))
    return 0


cdef int _collect_and_delete(void* context, Entry* e) noexcept:
    cdef list keys = (<tuple>context)[0]
    cdef TableProbe probe = (<tuple>context)[1]
    cdef bytes key = _key_of(e)
    keys.append(key)
    table_delete(probe.t, key, len(key), table_hash(key, len(key)), NULL)
    return 0


cdef int _collect_expired(void* context, Entry* e) noexcept:
    """Every second expired entry is deleted by the visit itself, the others by the scan."""
    cdef list keys = (<tuple>context)[0]
    cdef TableProbe probe = (<tuple>context)[1]
    cdef int64_t now = (<tuple>context)[2]
    cdef bytes key = _key_of(e)
    if entry_expire(e) > now:
        return 0
    keys.append(key)
    if len(keys) & 1:
        return 1
    table_delete(probe.t, key, len(key), table_hash(key, len(key)), NULL)
    return 0


cdef bytes _key_of(Entry* e):
    return entry_key(e)[:entry_key_length(e)]


cdef object _value_of(Entry* e):
    if e.klen & ENTRY_WORD:
        return <int64_t>entry_word_ref(e)[0]
    if e.klen & ENTRY_INLINE:
        return (<char*>entry_inline(e) + 1)[:entry_inline(e)[0]]
    return True


cdef size_t words_freed


cdef void _count_word(Entry* e) noexcept:
    global words_freed
    words_freed += 1


cdef class TableProbe:
    """The test face of a Table: keys are bytes; values bytes (inline), int (a word) or True (a bare member)."""

    cdef Table* t

    def __cinit__(self):
        self.t = table_new()

    def __dealloc__(self):
        if self.t != NULL:
            table_free(self.t, NULL)

    def __len__(self) -> int:
        return table_size(self.t)

    cdef Entry* _find(self, bytes key) except? NULL:
        return table_find(self.t, key, len(key), table_hash(key, len(key)))

    @staticmethod
    def hash(bytes key) -> int:
        return table_hash(key, len(key))

    def set(self, bytes key, bytes value) -> bool:
        """Store up to 255 bytes inline; True for a new key."""
        cdef uint64_t hash = table_hash(key, len(key))
        cdef Entry* e = table_find(self.t, key, len(key), hash)
        assert len(value) <= 255
        if e == NULL:
            table_insert_inline(self.t, key, len(key), hash, value, len(value))
            return True
        table_set_inline(self.t, e, hash, value, len(value))
        return False

    def set_word(self, bytes key, int64_t word) -> bool:
        """Store a number; True for a new key."""
        cdef uint64_t hash = table_hash(key, len(key))
        cdef Entry* e = table_find(self.t, key, len(key), hash)
        if e == NULL:
            table_insert_word(self.t, key, len(key), hash, <uint64_t>word)
            return True
        table_set_word(self.t, e, hash, <uint64_t>word)
        return False

    def add(self, bytes key) -> bool:
        """Add a bare member; True if it is new."""
        cdef uint64_t hash = table_hash(key, len(key))
        if table_find(self.t, key, len(key), hash) != NULL:
            return False
        table_insert_bare(self.t, key, len(key), hash)
        return True

    def get(self, bytes key) -> object:
        """The value; None for an absent key."""
        cdef Entry* e = self._find(key)
        return None if e == NULL else _value_of(e)

    def set_meta(self, bytes key, int type, int encoding) -> None:
        entry_set_type(self._find(key), type, encoding)

    def meta(self, bytes key) -> tuple:
        cdef Entry* e = self._find(key)
        return entry_type(e), entry_encoding(e)

    def delete(self, bytes key) -> bool:
        return table_delete(self.t, key, len(key), table_hash(key, len(key)), NULL)

    def pop(self, bytes key) -> object:
        """Unlink, read, release; None for an absent key."""
        cdef Entry* e = table_unlink(self.t, key, len(key), table_hash(key, len(key)))
        if e == NULL:
            return None
        value = _value_of(e)
        table_release_entry(self.t, e)
        return value

    def set_expire(self, bytes key, int64_t when_ms) -> bool:
        cdef Entry* e = self._find(key)
        if e == NULL:
            return False
        table_set_expire(self.t, e, table_hash(key, len(key)), when_ms)
        return True

    def expire(self, bytes key) -> int | None:
        """Unix milliseconds, -1 without an expire, None for an absent key."""
        cdef Entry* e = self._find(key)
        return None if e == NULL else entry_expire(e)

    def persist(self, bytes key) -> bool:
        cdef Entry* e = self._find(key)
        if e == NULL or not e.klen & ENTRY_EXPIRE:
            return False
        table_persist(self.t, e, table_hash(key, len(key)))
        return True

    def scan(self, uint64_t cursor, bint delete=False) -> tuple:
        """One step: (next cursor, keys); with `delete` each visit deletes its entry."""
        cdef list keys = []
        cdef tuple context = (keys, self)
        if delete:
            cursor = table_scan(self.t, cursor, _collect_and_delete, <void*>context)
        else:
            cursor = table_scan(self.t, cursor, _collect, <void*>keys)
        return cursor, keys

    def expire_scan(self, int64_t now_ms, size_t buckets, size_t entries) -> tuple:
        """Delete what has expired, going on at expire_cursor: (entries visited, keys deleted)."""
        cdef list keys = []
        cdef tuple context = (keys, self, now_ms)
        visited = table_expire_scan(self.t, buckets, entries, _collect_expired, <void*>context)
        return visited, keys

    def random(self, bint fair=False) -> bytes | None:
        cdef Entry* e = table_fair_random(self.t) if fair else table_random(self.t)
        return None if e == NULL else _key_of(e)

    def sample(self, size_t count) -> list:
        cdef Entry** out = <Entry**>mem_alloc(count * sizeof(Entry*))
        stored = table_sample(self.t, out, count)
        keys = [_key_of(out[i]) for i in range(stored)]
        mem_free(out, count * sizeof(Entry*))
        return keys

    def rehash(self, size_t buckets) -> bool:
        """Move so many buckets; True while there is more to do."""
        return table_rehash_steps(self.t, buckets) != 0

    def rehash_us(self, int64_t microseconds) -> int:
        return table_rehash_us(self.t, microseconds)

    def resize_hint(self, size_t entries) -> bool:
        return table_resize_hint(self.t, entries)

    def shrink_if_sparse(self) -> bool:
        return table_shrink_if_sparse(self.t)

    def pause(self, int by) -> None:
        """Add to pause_rehash."""
        self.t.pause_rehash += by

    def clear_in_steps(self, size_t entries) -> tuple:
        """Free the table in steps, go on with a new one: (steps, words that free_value was called for)."""
        global words_freed
        words_freed = 0
        steps = 1
        while not table_free_step(self.t, _count_word, entries):
            steps += 1
        self.t = table_new()
        return steps, words_freed

    @property
    def state(self) -> dict:
        """Sizes and counts, under their names in the data sheet."""
        return {
            "buckets": (self.t.mask[0] + 1, self.t.mask[1] + 1 if self.t.rehash_index >= 0 else 0),
            "used": (self.t.used[0], self.t.used[1]),
            "rehash_index": self.t.rehash_index,
            "expires": self.t.expires,
            "expire_cursor": self.t.expire_cursor,
            "entry_bytes": self.t.entry_bytes,
            "memory": table_memory(self.t),
        }

    def check(self) -> None:
        """Assert all that must hold: placement, counts, bits, bytes. O(buckets + entries)."""
        cdef Table* t = self.t
        cdef Entry* e
        cdef uint64_t bucket
        cdef size_t entries, expires = 0, size = 0
        cdef int which
        assert t.mask[0] + 1 >= INITIAL_BUCKETS and t.mask[0] & (t.mask[0] + 1) == 0
        assert (t.rehash_index >= 0) == (t.buckets[1] != NULL)
        if t.rehash_index >= 0:
            assert t.mask[1] & (t.mask[1] + 1) == 0 and <uint64_t>t.rehash_index <= t.mask[0]
        else:
            assert t.mask[1] == 0 and t.used[1] == 0 and t.expire_bits[1] == NULL
        for which in range(2 if t.rehash_index >= 0 else 1):
            entries = 0
            for bucket in range(t.mask[which] + 1):
                e = t.buckets[which][bucket]
                assert e == NULL or which == 1 or <int64_t>bucket >= t.rehash_index, "left behind by the rehash"
                while e != NULL:
                    assert table_hash(entry_key(e), entry_key_length(e)) & t.mask[which] == bucket, "in the wrong bucket"
                    assert not (e.klen & ENTRY_WORD and e.klen & ENTRY_INLINE)
                    entries += 1
                    size += mem_good_size(entry_size(e))
                    if e.klen & ENTRY_EXPIRE:
                        expires += 1
                        assert t.expire_bits[which] != NULL
                        assert t.expire_bits[which][bucket >> 6] >> (bucket & 63) & 1, "expire bit missing"
                    e = e.next
            assert entries == t.used[which]
        assert expires == t.expires
        assert size == t.entry_bytes


_seed()
