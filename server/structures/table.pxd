# cython: language_level=3
"""The keyspace table's data sheet: one allocation per key, chained buckets, incremental rehash.

An entry is, in this order and without padding between the variable parts:

    Entry header (16 bytes) | expire: int64, only with ENTRY_EXPIRE | word: 8 bytes, only with ENTRY_WORD
                            | key bytes | only without ENTRY_WORD and with ENTRY_INLINE: length (1 byte), value bytes

`word` is an int64 (TYPE_STRING/STR_INT) or a pointer to a native value; inline bytes are a short string value.
An entry with neither ENTRY_WORD nor ENTRY_INLINE is a bare member (a set's table).
The same table serves databases (expires, LRU), hashes (field -> inline or blob value), sets and sorted sets.
Owner: the main thread. An Entry* stays valid until the entry is deleted or changes its layout
(`table_set_inline`, `table_set_word`, `table_set_expire`, `table_persist` return the entry, perhaps moved).
"""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from server.structures.slot_index cimport SlotIndex

cdef enum:
    KEY_LENGTH_MASK = 0x1FFFFFFF       # klen: low 29 bits are the length (512 MB and less)
    ENTRY_INLINE = 0x20000000
    ENTRY_WORD = 0x40000000
    ENTRY_EXPIRE = 0x80000000
    INLINE_MAX = 192                   # longest value kept inside the entry, bytes

cdef enum:                             # Entry.meta bits 24-27
    TYPE_STRING = 0
    TYPE_LIST = 1
    TYPE_SET = 2
    TYPE_ZSET = 3
    TYPE_HASH = 4
    TYPE_STREAM = 6                    # the numbers of Redis's own object types

cdef enum:                             # Entry.meta bits 28-31, for TYPE_STRING
    STR_EMBEDDED = 0                   # inline bytes, answered as "embstr"
    STR_RAW_INLINE = 1                 # inline bytes that APPEND or SETRANGE made, answered as "raw"
    STR_INT = 2                        # word is the number
    STR_BLOB = 3                       # word is a Blob* (server.structures.blob)

cdef struct Entry:
    Entry* next
    uint32_t meta                      # bits 0-23 LRU clock or LFU (16 minutes, 8 counter), 24-27 type, 28-31 encoding
    uint32_t klen                      # KEY_LENGTH_MASK and the ENTRY_ flags

cdef struct Table:
    Entry** buckets[2]                 # [1] only while rehashing
    uint64_t mask[2]
    size_t used[2]                     # entries
    int64_t rehash_index               # next bucket of [0] to move; -1 when not rehashing
    uint64_t* expire_bits[2]           # a bit per bucket: "an entry here may expire"; NULL until the first expire
    size_t expires                     # entries with ENTRY_EXPIRE
    int64_t expire_cursor              # where the active expire cycle goes on (bucket number, see table_expire_scan)
    int32_t pause_rehash               # > 0: iterators are alive, do not move entries
    int32_t no_shrink
    size_t entry_bytes                 # good sizes of all entries, without what words point to
    SlotIndex* slots                   # of a database in a cluster: which keys are in which slot (slot_keys); else NULL

ctypedef void (*value_free_t)(Entry* entry) noexcept            # frees what the word points to, not the entry
ctypedef int (*entry_visit_t)(void* context, Entry* entry) noexcept

# --- reading an entry
cdef inline uint32_t entry_key_length(const Entry* e) noexcept nogil:
    return e.klen & KEY_LENGTH_MASK

cdef inline int entry_type(const Entry* e) noexcept nogil:
    return (e.meta >> 24) & 15

cdef inline int entry_encoding(const Entry* e) noexcept nogil:
    return e.meta >> 28

cdef inline void entry_set_type(Entry* e, int type, int encoding) noexcept nogil:
    e.meta = (e.meta & 0xFFFFFF) | (<uint32_t>type << 24) | (<uint32_t>encoding << 28)

cdef inline int64_t* entry_expire_ref(Entry* e) noexcept nogil:          # only with ENTRY_EXPIRE
    return <int64_t*>(<char*>e + sizeof(Entry))

cdef inline int64_t entry_expire(const Entry* e) noexcept nogil:         # Unix ms, -1 without
    return (<int64_t*>(<char*>e + sizeof(Entry)))[0] if e.klen & ENTRY_EXPIRE else -1

cdef inline uint64_t* entry_word_ref(Entry* e) noexcept nogil:           # only with ENTRY_WORD
    return <uint64_t*>(<char*>e + sizeof(Entry) + ((e.klen & ENTRY_EXPIRE) >> 28))

cdef inline char* entry_key(Entry* e) noexcept nogil:
    return <char*>e + sizeof(Entry) + ((e.klen & ENTRY_EXPIRE) >> 28) + ((e.klen & ENTRY_WORD) >> 27)

cdef inline uint8_t* entry_inline(Entry* e) noexcept nogil:              # [0] is the length, the bytes follow
    return <uint8_t*>(entry_key(e) + (e.klen & KEY_LENGTH_MASK))

# --- hashing: seeded once per process
cdef extern from *:
    """
    #ifndef REMUS_TABLE_INLINE
    #define REMUS_TABLE_INLINE
    #include <stdint.h>
    #include <string.h>
    /* Without the empty asm gcc takes a function that only prefetches for pure, and drops every call of it. */
    static inline void remus_prefetch(const void *p) {
    #if defined(__GNUC__) || defined(__clang__)
        __builtin_prefetch(p);
        __asm__ __volatile__("");
    #else
        (void)p;
    #endif
    }
    static inline uint64_t remus_load64(const char *p) { uint64_t v; memcpy(&v, p, 8); return v; }
    static inline uint64_t remus_load32(const char *p) { uint32_t v; memcpy(&v, p, 4); return v; }
    /* Both halves of the 128-bit product, folded. */
    static inline uint64_t remus_fold(uint64_t a, uint64_t b) {
    #ifdef __SIZEOF_INT128__
        unsigned __int128 r = (unsigned __int128)a * b;
        return (uint64_t)r ^ (uint64_t)(r >> 64);
    #else
        uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
        uint64_t low = al * bl, m1 = ah * bl + (low >> 32), m2 = al * bh + (uint32_t)m1;
        return ((m2 << 32) | (uint32_t)low) ^ (ah * bh + (m1 >> 32) + (m2 >> 32));
    #endif
    }
    static inline uint64_t remus_hash(const char *p, size_t n, uint64_t s0, uint64_t s1, uint64_t s2) {
        uint64_t h = s0 ^ n, a = 0, b = 0;
        size_t i = n;
        while (i > 16) {
            h = remus_fold(remus_load64(p) ^ s1, remus_load64(p + 8) ^ h);
            p += 16;
            i -= 16;
        }
        if (i >= 8) { a = remus_load64(p); b = remus_load64(p + i - 8); }
        else if (i >= 4) { a = remus_load32(p); b = remus_load32(p + i - 4); }
        else if (i) a = (uint64_t)(uint8_t)p[0] | (uint64_t)(uint8_t)p[i >> 1] << 8 | (uint64_t)(uint8_t)p[i - 1] << 16;
        return remus_fold(s2 ^ n, remus_fold(a ^ s1, b ^ h));
    }
    /* memcmp costs a call, and most keys are short. */
    static inline int remus_equal(const char *a, const char *b, size_t n) {
        if (n >= 8) {
            if (n > 64) return memcmp(a, b, n) == 0;
            size_t i;
            for (i = 0; i + 8 < n; i += 8) if (remus_load64(a + i) != remus_load64(b + i)) return 0;
            return remus_load64(a + n - 8) == remus_load64(b + n - 8);
        }
        if (n >= 4) return ((remus_load32(a) ^ remus_load32(b)) | (remus_load32(a + n - 4) ^ remus_load32(b + n - 4))) == 0;
        while (n--) if (a[n] != b[n]) return 0;
        return 1;
    }
    #endif
    """
    void remus_prefetch(const void* address) noexcept nogil
    uint64_t remus_hash(const char* key, size_t length, uint64_t s0, uint64_t s1, uint64_t s2) noexcept nogil
    bint remus_equal(const char* a, const char* b, size_t length) noexcept nogil

cdef struct HashSeed:                  # random words, from os.urandom or from the environment's REMUS_HASH_SEED
    uint64_t a
    uint64_t b
    uint64_t c

cdef HashSeed table_seed               # written once, when this module is loaded

cdef inline uint64_t table_hash(const char* key, size_t length) noexcept nogil:
    return remus_hash(key, length, table_seed.a, table_seed.b, table_seed.c)

cdef inline void table_prefetch_bucket(const Table* t, uint64_t hash) noexcept nogil:
    remus_prefetch(&t.buckets[0][hash & t.mask[0]])
    if t.rehash_index >= 0:
        remus_prefetch(&t.buckets[1][hash & t.mask[1]])

cdef inline void table_prefetch_entry(const Table* t, uint64_t hash) noexcept nogil:   # first entry of the bucket
    cdef const Entry* e = t.buckets[0][hash & t.mask[0]]
    if e != NULL:
        remus_prefetch(e)
        remus_prefetch(<const char*>e + 40)
    if t.rehash_index >= 0:
        e = t.buckets[1][hash & t.mask[1]]
        if e != NULL:
            remus_prefetch(e)

cdef inline void table_prefetch_chain(const Table* t, uint64_t hash) noexcept nogil:   # second entry, the first being there
    cdef const Entry* e = t.buckets[0][hash & t.mask[0]]
    if e != NULL and e.next != NULL:
        remus_prefetch(e.next)
        remus_prefetch(<const char*>e.next + 40)

# --- life
cdef Table* table_new() noexcept nogil
cdef void table_free(Table* t, value_free_t free_value) noexcept         # everything at once
cdef bint table_free_step(Table* t, value_free_t free_value, size_t entries) noexcept   # frees up to so many; 1 = table gone

# --- one key. Every call moves one bucket while a rehash is under way and pause_rehash is 0.
cdef Entry* table_find_rehashing(Table* t, const char* key, size_t length, uint64_t hash) noexcept nogil

cdef inline Entry* table_find(Table* t, const char* key, size_t length, uint64_t hash) noexcept nogil:
    cdef Entry* e
    if t.rehash_index >= 0:
        return table_find_rehashing(t, key, length, hash)
    e = t.buckets[0][hash & t.mask[0]]
    while e != NULL:
        if (e.klen & KEY_LENGTH_MASK) == length and remus_equal(entry_key(e), key, length):
            return e
        e = e.next
    return NULL

cdef Entry* table_insert_inline(Table* t, const char* key, size_t length, uint64_t hash, const char* value, size_t value_length) noexcept nogil
cdef Entry* table_insert_word(Table* t, const char* key, size_t length, uint64_t hash, uint64_t word) noexcept nogil
cdef Entry* table_insert_bare(Table* t, const char* key, size_t length, uint64_t hash) noexcept nogil   # the key must be absent in all three
cdef Entry* table_set_inline(Table* t, Entry* e, uint64_t hash, const char* value, size_t value_length) noexcept nogil
cdef Entry* table_set_word(Table* t, Entry* e, uint64_t hash, uint64_t word) noexcept nogil   # both forget the old word without freeing it
cdef Entry* table_set_expire(Table* t, Entry* e, uint64_t hash, int64_t when_ms) noexcept nogil
cdef Entry* table_persist(Table* t, Entry* e, uint64_t hash) noexcept nogil
cdef bint table_delete(Table* t, const char* key, size_t length, uint64_t hash, value_free_t free_value) noexcept
cdef Entry* table_unlink(Table* t, const char* key, size_t length, uint64_t hash) noexcept nogil        # caller owns it now
cdef void table_release_entry(Table* t, Entry* e) noexcept nogil                                       # the bare entry memory
cdef size_t entry_size(const Entry* e) noexcept nogil

# --- walking
cdef void table_scan_ahead(const Table* t, uint64_t cursor, int buckets) noexcept nogil       # fetch what so many steps of table_scan will visit
cdef uint64_t table_scan(Table* t, uint64_t cursor, entry_visit_t visit, void* context) noexcept       # Redis's reverse-binary guarantee
cdef Entry* table_random(Table* t) noexcept nogil                                                      # uniform enough (bucket, then chain)
cdef Entry* table_fair_random(Table* t) noexcept nogil                                                 # over a sample, as dictGetFairRandomKey
cdef size_t table_sample(Table* t, Entry** out, size_t count) noexcept nogil                           # neighbours; for eviction pools
cdef size_t table_expire_scan(Table* t, size_t buckets, size_t entries, entry_visit_t visit, void* context) noexcept
    # visits entries that carry an expire, going on at expire_cursor, until so many buckets or entries were looked at
    # (empty runs of expire_bits cost a word each); returns entries visited. A visit that returns 1 has freed the value: the
    # scan then unlinks and frees the entry. It may instead delete the visited entry itself (table_delete) and return 0.

# --- size changes
cdef bint table_resize_hint(Table* t, size_t entries) noexcept nogil     # expand at once for a bulk load
cdef bint table_shrink_if_sparse(Table* t) noexcept nogil                # starts a rehash down below 10 % filling
cdef size_t table_rehash_steps(Table* t, size_t buckets) noexcept nogil  # 0 when done
cdef size_t table_rehash_us(Table* t, int64_t microseconds) noexcept nogil
cdef size_t table_buckets(const Table* t) noexcept nogil
cdef size_t table_memory(const Table* t) noexcept nogil                  # buckets, bits and entries; not what words point to

cdef inline size_t table_size(const Table* t) noexcept nogil:
    return t.used[0] + t.used[1]
