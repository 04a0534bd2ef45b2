# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memmove

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from server.structures.blob cimport Blob, blob_new, blob_release, blob_reserve
from server.structures.table cimport (STR_BLOB, STR_INT, TYPE_STRING, Entry, Table, entry_encoding, entry_key,
                                      entry_key_length, entry_set_type, entry_word_ref, table_find, table_free,
                                      table_hash, table_insert_word, table_memory, table_new, table_random,
                                      table_rehash_us, table_release_entry, table_scan, table_shrink_if_sparse,
                                      table_size, table_unlink)

cdef enum:
    FIRST_IDS = 4                      # room that a second reader makes


cdef void _release_ids(Entry* e) noexcept:
    if entry_encoding(e) == STR_BLOB:
        blob_release(<Blob*>entry_word_ref(e)[0])


cdef bint _insert(Entry* e, uint64_t id) noexcept:
    """One more id of an entry; False when it has it."""
    cdef size_t count = count_of(e)
    cdef size_t low = 0, high = count, middle
    cdef const uint64_t* ids = ids_of(e)
    cdef uint64_t* place
    cdef Blob* blob
    if ids[count - 1] < id:
        low = count
    else:
        while low < high:
            middle = (low + high) >> 1
            if ids[middle] < id:
                low = middle + 1
            else:
                high = middle
        if ids[low] == id:
            return False
    if entry_encoding(e) == STR_INT:
        blob = blob_new(<const char*>ids, sizeof(uint64_t), FIRST_IDS * sizeof(uint64_t))
        entry_set_type(e, TYPE_STRING, STR_BLOB)
    else:
        blob = <Blob*>entry_word_ref(e)[0]
        if blob.length == blob.capacity:       # both whole ids
            blob = blob_reserve(blob, (count + count // 2) * sizeof(uint64_t))
    entry_word_ref(e)[0] = <uint64_t>blob
    place = <uint64_t*>blob.data + low
    memmove(place + 1, place, (count - low) * sizeof(uint64_t))
    place[0] = id
    blob.length += sizeof(uint64_t)
    return True


cdef class TrackedKeys:
    """The table. Methods without a leading `def` are the native ones; those with one serve INFO, upkeep and tests."""

    def __cinit__(self):
        self.table = table_new()

    def __dealloc__(self):
        if self.table != NULL:
            table_free(self.table, _release_ids)

    cdef bint remember(self, const char* key, size_t length, uint64_t hash, uint64_t id) noexcept:
        cdef Entry* e = table_find(self.table, key, length, hash)
        if e != NULL:
            self.items += _insert(e, id)
            return False
        e = table_insert_word(self.table, key, length, hash, id)
        e.meta = 0
        entry_set_type(e, TYPE_STRING, STR_INT)
        self.items += 1
        return True

    cdef Entry* take(self, const char* key, size_t length, uint64_t hash) noexcept:
        cdef Entry* e = table_unlink(self.table, key, length, hash)
        if e != NULL:
            self.items -= count_of(e)
        return e

    cdef void release(self, Entry* e) noexcept:
        _release_ids(e)
        table_release_entry(self.table, e)

    cdef Entry* any(self) noexcept:
        return table_random(self.table) if table_size(self.table) else NULL

    cdef Table* hand_over(self) noexcept:
        cdef Table* whole = self.table
        self.table = table_new()
        self.items = 0
        return whole

    def tend(self, int64_t microseconds) -> None:
        """Now and then: go on with a change of size, for about so long."""
        if self.table.rehash_index < 0:
            table_shrink_if_sparse(self.table)
        if self.table.rehash_index >= 0:
            table_rehash_us(self.table, microseconds)

    # ---- for INFO and tests
    def __len__(self) -> int:
        return table_size(self.table)

    @property
    def memory(self) -> int:
        """Bytes of the table, without the ids of keys that have several. O(1)."""
        return table_memory(self.table)

    def add(self, bytes key, uint64_t id) -> bool:
        """A client with this id has read the key; True when nobody else is known to have."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        return self.remember(k, n, table_hash(k, n), id)

    def pop(self, bytes key) -> list[int]:
        """Forget a key: the ids under it, ascending."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        cdef Entry* e = self.take(k, n, table_hash(k, n))
        if e == NULL:
            return []
        found = [ids_of(e)[i] for i in range(count_of(e))]
        self.release(e)
        return found

    def clear(self) -> None:
        """Forget everything, at once."""
        table_free(self.hand_over(), _release_ids)

    def random_key(self) -> bytes | None:
        """One of the keys."""
        cdef Entry* e = self.any()
        return None if e == NULL else PyBytes_FromStringAndSize(entry_key(e), entry_key_length(e))

    def check(self) -> None:
        """Assert that ids ascend and are counted. O(n)."""
        cdef _Walk walk = _Walk.__new__(_Walk)
        cdef uint64_t cursor = 0
        self.table.pause_rehash += 1
        while True:
            cursor = table_scan(self.table, cursor, _look, <void*>walk)
            if cursor == 0:
                break
        self.table.pause_rehash -= 1
        assert walk.broken == 0, "ids do not ascend, or stand outside their blob"
        assert (walk.keys, walk.items) == (table_size(self.table), self.items), "counted wrong"


cdef class _Walk:
    cdef size_t keys, items, broken


cdef int _look(void* context, Entry* e) noexcept:
    cdef _Walk walk = <_Walk>context
    cdef size_t i, count = count_of(e)
    cdef Blob* blob
    walk.keys += 1
    walk.items += count
    for i in range(1, count):
        walk.broken += ids_of(e)[i - 1] >= ids_of(e)[i]
    if entry_encoding(e) == STR_BLOB:
        blob = <Blob*>entry_word_ref(e)[0]
        walk.broken += blob.length > blob.capacity or blob.references != 1 or count < 2
    return 0
