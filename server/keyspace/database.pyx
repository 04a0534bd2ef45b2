# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.decimal cimport parse_int64
from iothreads.resp_writer cimport format_signed
from server.registry.clock cimport clock_state, monotonic_us
from server.structures.blob cimport Blob, blob_new, blob_reserve, blob_release
from server.structures.memory cimport mem_good_size, mem_used
from server.structures.slot_index cimport slot_index_hide_as
from server.structures.slot_keys cimport (table_hides, table_index_slots, table_shown_expires, table_shown_random,
                                         table_shown_size)
from server.structures.table cimport (ENTRY_EXPIRE, ENTRY_WORD, INLINE_MAX, STR_BLOB, STR_EMBEDDED, STR_INT,
                                      STR_RAW_INLINE, TYPE_STRING, Entry, Table, entry_encoding, entry_expire,
                                      entry_inline, entry_key, entry_key_length, entry_set_type, entry_size,
                                      entry_type, entry_word_ref, table_fair_random, table_expire_scan, table_find,
                                      table_free, table_hash, table_insert_inline, table_insert_word, table_memory,
                                      table_new, table_persist, table_rehash_us, table_release_entry,
                                      table_resize_hint, table_scan, table_set_expire, table_set_inline,
                                      table_set_word, table_shrink_if_sparse, table_size, table_unlink)
from server.structures.table_stats cimport table_stats
from server.keyspace.visits cimport ExpireSample, Visited, collect_key, collect_live_key, look_at_expire
from server.types.value cimport TypeTraits, Value, class_of, release_value, release_word, traits_of

from _random import Random             # without what `random` brings besides: a server starts in less

from server.structures import memory

from server.keyspace.lazyfree cimport LazyFree
from server.registry.errors import wrong_type

TYPE_NAMES = {0: "string", 1: "list", 2: "set", 3: "zset", 4: "hash", 6: "stream"}
cdef object _wrong_type = wrong_type
cdef object _random = Random().random
cdef object _bits = Random().getrandbits
cdef object _expire_took = None        # (latency event, milliseconds): told when deleting an expired key took long


def when_expire_takes_long(hook) -> None:
    """Have `hook("expire-del", milliseconds)` called when deleting an expired key took a millisecond or more."""
    global _expire_took
    _expire_took = hook


cdef bytes entry_key_bytes(Entry* e):
    return PyBytes_FromStringAndSize(entry_key(e), entry_key_length(e))


cdef size_t entry_string_view(Entry* e, char* scratch, char** start) noexcept:
    cdef Blob* blob
    cdef uint8_t* short_value
    if not e.klen & ENTRY_WORD:
        short_value = entry_inline(e)
        start[0] = <char*>short_value + 1
        return short_value[0]
    if entry_encoding(e) == STR_INT:
        start[0] = scratch
        return format_signed(scratch, <int64_t>entry_word_ref(e)[0]) - scratch
    blob = <Blob*>entry_word_ref(e)[0]
    start[0] = blob.data
    return blob.length


cdef bytes entry_string(Entry* e):
    cdef char scratch[24]
    cdef char* start
    cdef size_t length = entry_string_view(e, scratch, &start)
    return PyBytes_FromStringAndSize(start, length)


cdef class StringView:
    """The bytes of a string value, for len(), memoryview() and native code; it keeps them alive."""

    cdef Blob* blob                    # NULL: short_value has the bytes
    cdef bytes short_value

    def __dealloc__(self):
        if self.blob != NULL:
            blob_release(self.blob)

    def __len__(self) -> int:
        return self.blob.length if self.blob != NULL else PyBytes_GET_SIZE(self.short_value)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        if self.blob != NULL:
            PyBuffer_FillInfo(buffer, self, self.blob.data, self.blob.length, 1, flags)
        else:
            PyBuffer_FillInfo(buffer, self, PyBytes_AS_STRING(self.short_value), PyBytes_GET_SIZE(self.short_value), 1,
                              flags)


KEEPERS = ("loading", "pause", "replica")          # who may have expired keys kept: each for itself


cdef class Keyspace:
    """What the databases share. `count` databases, as `databases` says. by_slot: they know which keys are in which slot
    of a cluster."""

    def __cinit__(self, int count=16, bint by_slot=False):
        self.by_slot = by_slot
        self.clock = clock_state()
        self.lfu_log_factor = 10
        self.lfu_decay_time = 1
        self.lazyfree = LazyFree()
        self.databases = [Database(self, i) for i in range(count)]

    cdef Table* new_table(self) noexcept:
        cdef Table* table = table_new()
        if self.by_slot:
            table_index_slots(table)
        return table

    cdef void _touch_lfu(self, Entry* e) noexcept:
        """One step of the counter: decay by minutes, then a chance to grow."""
        if not self.no_touch:
            e.meta = (e.meta & 0xFF000000U) | (self.clock.minutes << 8) | self._lfu_grown(self.lfu_decayed(e.meta))

    cdef uint32_t lfu_decayed(self, uint32_t meta) noexcept:
        cdef uint32_t counter = meta & 0xFF
        cdef uint32_t passed = (self.clock.minutes - ((meta >> 8) & 0xFFFF)) & 0xFFFF
        if self.lfu_decay_time == 0:
            return counter
        passed //= self.lfu_decay_time
        return counter - passed if counter > passed else 0

    cdef uint32_t _lfu_grown(self, uint32_t counter) noexcept:
        cdef double base
        if counter == 255:
            return 255
        base = counter - 5.0 if counter > 5 else 0.0
        if <double>_random() < 1.0 / (base * self.lfu_log_factor + 1):
            counter += 1
        return counter

    cdef uint32_t first_access(self) noexcept:
        """The access bits of a new key: LFU starts at 5 so that it is not evicted at once."""
        return (self.clock.minutes << 8) | 5 if self.lfu else self.clock.lru

    def keep_expired_for(self, owner: str, on: bool) -> None:
        """From now on `owner`, one of KEEPERS, wants expired keys hidden rather than deleted, or no more. They are
        deleted again when nobody wants them."""
        bit = 1 << KEEPERS.index(owner)
        self.keep_expired = self.keep_expired | bit if on else self.keep_expired & ~bit

    def reset_stats(self) -> None:
        """CONFIG RESETSTAT."""
        self.hits = self.misses = self.expired_keys = 0
        self.lazyfree.freed = 0

    def memory_used(self) -> int:
        """Bytes that the keyspace's allocator has handed out. O(1)."""
        return mem_used()

    def allocator(self) -> dict:
        """The allocator's own account: allocated, active, resident bytes."""
        return memory.info()

    def keys_total(self) -> int:
        """Keys in all databases."""
        cdef Database db
        cdef size_t total = 0
        for db in self.databases:
            total += table_shown_size(db.table)
        return total

    def expires_total(self) -> int:
        """Keys that expire, in all databases."""
        cdef Database db
        cdef size_t total = 0
        for db in self.databases:
            total += table_shown_expires(db.table)
        return total

    @property
    def blocking_total(self) -> int:
        """Keys that clients wait for, in all databases."""
        cdef Database db
        cdef size_t total = 0
        for db in self.databases:
            total += len(db.blocking)
        return total

    def rehash(self, int64_t microseconds) -> bool:
        """activerehashing: give a resize in progress so much time; True when there was one."""
        cdef Database db
        for db in self.databases:
            if db.table.rehash_index < 0:
                table_shrink_if_sparse(db.table)
            if db.table.rehash_index >= 0 and table_rehash_us(db.table, microseconds) > 0:
                return True
        return False

    def flush(self, lazy: bool) -> int:
        """FLUSHALL: empty every database; the number of keys removed."""
        cdef Database db
        cdef size_t total = 0
        for db in self.databases:
            if table_size(db.table):
                total += db.flush(lazy)
        return total

    def swap(self, int first, int second) -> None:
        """SWAPDB: exchange the keys of two databases. Clients keep their database number; watchers and blocked clients
        stay with the number too."""
        cdef Database a = self.databases[first]
        cdef Database b = self.databases[second]
        a.table, b.table = b.table, a.table
        a.average_ttl, b.average_ttl = b.average_ttl, a.average_ttl

    def beside(self) -> Keyspace:
        """Another keyspace of as many databases, all empty, that keeps what is told of accesses as this one does: to load
        into before `take_over`."""
        cdef Keyspace other = Keyspace(len(self.databases), self.by_slot)
        other.lfu = self.lfu
        return other

    def take_over(self, Keyspace other) -> None:
        """Have the keys of `other`, which gets ours. Watchers and blocked clients stay with the database.
        Complexity: O(databases)."""
        cdef Database a, b
        for a, b in zip(self.databases, other.databases):
            a.table, b.table = b.table, a.table
            a.average_ttl, b.average_ttl = b.average_ttl, a.average_ttl

    def discard(self, Keyspace other) -> None:
        """Let the keys of another keyspace go, in steps of our lazyfree, and its databases: they and it know each other,
        and would never be freed. Complexity: O(databases)."""
        cdef Database db
        for db in other.databases:
            if table_size(db.table):
                (<LazyFree>self.lazyfree).release_table(db.table)
                db.table = self.new_table()
        other.databases = []


cdef class Detached:
    """A value on its way from one key to another (RENAME, MOVE, COPY)."""

    def __dealloc__(self):
        if self.short_value is None and self.word:
            release_word(self.type, self.encoding, self.word)


cdef class Database:
    """One numbered database. Keys and values are bytes; times are Unix milliseconds."""

    def __cinit__(self, Keyspace keyspace, int index):
        self.keyspace = keyspace
        self.index = index
        self.table = keyspace.new_table()
        self.watched = {}
        self.blocking = {}

    def __dealloc__(self):
        if self.table != NULL:
            table_free(self.table, release_value)

    def __len__(self) -> int:
        return table_shown_size(self.table)

    @property
    def expires(self) -> int:
        """How many keys carry an expire, those of hidden slots not counted."""
        return table_shown_expires(self.table)

    # ---- lookup
    cdef Entry* find(self, const char* key, size_t length, uint64_t hash) noexcept:
        cdef Entry* e = table_find(self.table, key, length, hash)
        if (e != NULL and e.klen & ENTRY_EXPIRE and entry_expire(e) < self.keyspace.clock.unix_ms
                and not self.keyspace.show_expired):
            return NULL
        return e

    cdef Entry* _live(self, const char* key, size_t length, uint64_t hash) except? NULL:
        """The entry; an expired one is deleted on the way (or only hidden, where deleting is not ours)."""
        cdef Entry* e = table_find(self.table, key, length, hash)
        if e == NULL or not e.klen & ENTRY_EXPIRE or entry_expire(e) >= self.keyspace.clock.unix_ms:
            return e
        if self.keyspace.show_expired:
            return e
        if not self.keyspace.keep_expired:
            self.drop_expired(PyBytes_FromStringAndSize(key, length))
        return NULL

    cpdef drop_expired(self, bytes key):
        """Remove a key whose time has come, count it, and tell the hook (which propagates and notifies)."""
        cdef int64_t started = monotonic_us()
        self._remove(key, self.keyspace.lazy_expire)
        started = (monotonic_us() - started) // 1000
        if started and _expire_took is not None:
            _expire_took("expire-del", started)
        self.keyspace.expired_keys += 1
        if self.keyspace.on_expired is not None:
            self.keyspace.on_expired(self, key)

    cdef Entry* lookup(self, bytes key, int flags) except? NULL:
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        cdef Entry* e = self._live(k, n, table_hash(k, n))
        cdef Keyspace shared = self.keyspace
        if e == NULL and flags & LOOKUP_WRITE and shared.writes_drop_expired:
            if table_find(self.table, k, n, table_hash(k, n)) != NULL:
                self.drop_expired(key)
        if e != NULL:
            if not flags & LOOKUP_NO_TOUCH:
                shared.touch(e)
            if not flags & (LOOKUP_NO_STATS | LOOKUP_WRITE):
                shared.hits += 1
            return e
        if not flags & (LOOKUP_NO_STATS | LOOKUP_WRITE):
            shared.misses += 1
            if shared.on_miss is not None and not flags & LOOKUP_NO_NOTIFY:
                shared.on_miss(self, key)
        return NULL

    def exists(self, bytes key) -> bool:
        """Whether the key is there; counts neither hit nor miss and does not touch it."""
        return self.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS) != NULL

    def exists_for_write(self, bytes key) -> bool:
        """The same on behalf of a write, which is an access."""
        return self.lookup(key, LOOKUP_WRITE) != NULL

    def touch(self, bytes key) -> bool:
        """Whether the key is there, as a read: hit or miss counted, LRU/LFU touched."""
        return self.lookup(key, 0) != NULL

    def type_of(self, bytes key, *, bint touch=False, bint notify=True) -> str | None:
        """"string", "list"... or None, as a read: hit or miss counted; `notify` False is silent about a miss."""
        cdef Entry* e = self.lookup(key, (0 if touch else LOOKUP_NO_TOUCH) | (0 if notify else LOOKUP_NO_NOTIFY))
        return None if e == NULL else TYPE_NAMES[entry_type(e)]

    def view(self, bytes key):
        """A view of the value whatever its type is, None for a string or no key; looking does not touch or count."""
        cdef Entry* e = self.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS)
        kind = None if e == NULL else class_of(entry_type(e))
        return None if kind is None else self._view(e, kind)

    def lookup_read(self, bytes key, kind):
        """A view of the value for reading, None when the key is absent. `kind` is a class of server.types.
        Errors: WRONGTYPE."""
        cdef Entry* e = self.lookup(key, 0)
        return None if e == NULL else self._view(e, kind)

    def lookup_write(self, bytes key, kind, bint create=False):
        """The same on behalf of a write; with `create` an absent key gets an empty value (the caller must fill it)."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        cdef Entry* e = self.lookup(key, LOOKUP_WRITE)
        cdef Value value
        if e != NULL:
            return self._view(e, kind)
        if not create:
            return None
        e = self._insert_word(k, n, table_hash(k, n), 0)
        entry_set_type(e, kind.TYPE, 0)
        value = kind.__new__(kind)
        value.table = self.table
        value.entry = e
        value.create()
        self._added(key)
        return value

    cdef object _view(self, Entry* e, kind):
        cdef Value value
        if entry_type(e) != <int>kind.TYPE:
            raise _wrong_type()
        value = kind.__new__(kind)
        value.table = self.table
        value.entry = e
        return value

    cdef Entry* _insert_word(self, const char* key, size_t length, uint64_t hash, uint64_t word) noexcept:
        cdef Entry* e = table_insert_word(self.table, key, length, hash, word)
        e.meta = self.keyspace.first_access()
        return e

    cdef int _added(self, bytes key) except -1:
        if self.keyspace.on_new is not None:
            self.keyspace.on_new(self, key)
        return 0

    # ---- strings
    cdef void discard_value(self, Entry* e) noexcept:
        """Let go of what the word points to: at once when small, in steps when large."""
        cdef int type = entry_type(e)
        cdef int encoding = entry_encoding(e)
        cdef uint64_t word
        if not e.klen & ENTRY_WORD:
            return
        word = entry_word_ref(e)[0]
        if type == TYPE_STRING:
            if encoding == STR_BLOB:
                blob_release(<Blob*>word)
        else:
            (<LazyFree>self.keyspace.lazyfree).release(type, encoding, word)

    cdef Entry* store_string(self, const char* key, size_t key_length, uint64_t hash, const char* value, size_t length,
                             bint keep_ttl) except NULL:
        """Set a string value, whatever was there. Complexity: O(1) and the copy."""
        return self.store_at(table_find(self.table, key, key_length, hash), key, key_length, hash, value, length, keep_ttl)

    cdef Entry* store_at(self, Entry* e, const char* key, size_t key_length, uint64_t hash, const char* value, size_t length,
                         bint keep_ttl) except NULL:
        """The same for who has looked up the key: e; NULL: it is not there."""
        cdef Table* t = self.table
        if length > INLINE_MAX:
            return self.store_blob_at(e, key, key_length, hash, blob_new(value, length, length), keep_ttl)
        if e == NULL:
            e = table_insert_inline(t, key, key_length, hash, value, length)
            e.meta = self.keyspace.first_access()
            entry_set_type(e, TYPE_STRING, STR_EMBEDDED)
            if self.keyspace.on_new is not None:
                self._added(PyBytes_FromStringAndSize(key, key_length))
            return e
        if not keep_ttl and e.klen & ENTRY_EXPIRE:
            e = table_persist(t, e, hash)
        self.discard_value(e)
        e = table_set_inline(t, e, hash, value, length)
        entry_set_type(e, TYPE_STRING, STR_EMBEDDED)
        self.keyspace.touch(e)
        return e

    cdef Entry* store_blob_at(self, Entry* e, const char* key, size_t key_length, uint64_t hash, Blob* blob,
                              bint keep_ttl) except NULL:
        """The same with the bytes of a blob, whose reference is the key's from now on."""
        if e == NULL:
            e = self._insert_word(key, key_length, hash, <uint64_t>blob)
            entry_set_type(e, TYPE_STRING, STR_BLOB)
            if self.keyspace.on_new is not None:
                self._added(PyBytes_FromStringAndSize(key, key_length))
            return e
        if not keep_ttl and e.klen & ENTRY_EXPIRE:
            e = table_persist(self.table, e, hash)
        self.discard_value(e)
        e = table_set_word(self.table, e, hash, <uint64_t>blob)
        entry_set_type(e, TYPE_STRING, STR_BLOB)
        self.keyspace.touch(e)
        return e

    def get(self, bytes key) -> bytes | None:
        """A string value as a read. Errors: WRONGTYPE."""
        return self._string(self.lookup(key, 0))

    def get_for_write(self, bytes key) -> bytes | None:
        """A string value on behalf of a write (no hit or miss). Errors: WRONGTYPE."""
        return self._string(self.lookup(key, LOOKUP_WRITE))

    def get_if_string(self, bytes key) -> bytes | None:
        """As `get`, but None for another type (MGET)."""
        cdef Entry* e = self.lookup(key, 0)
        return None if e == NULL or entry_type(e) != TYPE_STRING else entry_string(e)

    cdef bytes _string(self, Entry* e):
        if e == NULL:
            return None
        if entry_type(e) != TYPE_STRING:
            raise _wrong_type()
        return entry_string(e)

    def peek(self, bytes key) -> bytes | None:
        """A string value without touching the key or counting a read; None without a string."""
        cdef Entry* e = self.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS)
        return None if e == NULL or entry_type(e) != TYPE_STRING else entry_string(e)

    def string_view(self, bytes key) -> StringView | None:
        """The bytes of a string value as a buffer, without a copy if they are many; as a read. Errors: WRONGTYPE.
        Let go of it before the value is written to, or the write has to copy."""
        cdef Entry* e = self.lookup(key, 0)
        cdef StringView view
        if e == NULL:
            return None
        if entry_type(e) != TYPE_STRING:
            raise _wrong_type()
        view = StringView.__new__(StringView)
        if e.klen & ENTRY_WORD and entry_encoding(e) == STR_BLOB:
            view.blob = <Blob*>entry_word_ref(e)[0]
            view.blob.references += 1
        else:
            view.short_value = entry_string(e)
        return view

    def part(self, bytes key, size_t start, size_t size) -> bytes:
        """Up to `size` bytes of a string from `start` on, on behalf of a write (it counts as no read); the caller has
        checked the type."""
        cdef Entry* e = self.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_WRITE)
        cdef char scratch[24]
        cdef char* at
        cdef size_t length
        if e == NULL:
            return b""
        length = entry_string_view(e, scratch, &at)
        return PyBytes_FromStringAndSize(at + start, min(size, length - start)) if start < length else b""

    def check_string(self, bytes key) -> bool:
        """Whether the key holds a string, as a write looks; the access is still to come. Errors: WRONGTYPE."""
        cdef Entry* e = self.lookup(key, LOOKUP_WRITE | LOOKUP_NO_TOUCH)
        if e != NULL and entry_type(e) != TYPE_STRING:
            raise _wrong_type()
        return e != NULL

    def string_length(self, bytes key, bint write=False) -> int:
        """Bytes of a string value, 0 when absent. Errors: WRONGTYPE."""
        cdef Entry* e = self.lookup(key, LOOKUP_WRITE if write else 0)
        cdef char scratch[24]
        cdef char* start
        if e == NULL:
            return 0
        if entry_type(e) != TYPE_STRING:
            raise _wrong_type()
        return entry_string_view(e, scratch, &start)

    def get_range(self, bytes key, Py_ssize_t start, Py_ssize_t end) -> bytes:
        """Bytes start..end (both included, negative from the end) of a string; empty when absent."""
        cdef Entry* e = self.lookup(key, 0)
        cdef char scratch[24]
        cdef char* at
        cdef Py_ssize_t length
        if e == NULL:
            return b""
        if entry_type(e) != TYPE_STRING:
            raise _wrong_type()
        length = entry_string_view(e, scratch, &at)
        if start < 0 and end < 0 and start > end:
            return b""
        start = max(start + length, 0) if start < 0 else start
        end = max(end + length, 0) if end < 0 else min(end, length - 1)
        if end >= length:
            end = length - 1
        if length == 0 or start > end:
            return b""
        return PyBytes_FromStringAndSize(at + start, end - start + 1)

    def set(self, bytes key, bytes value, bint keep_ttl=False) -> None:
        """Set a string, replacing any value; drops the expire unless keep_ttl."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        self.store_string(k, n, table_hash(k, n), PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), keep_ttl)

    def set_integer(self, bytes key, int64_t value) -> None:
        """Set a string that is a number (INCR), keeping the expire."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        cdef uint64_t hash = table_hash(k, n)
        cdef Entry* e = table_find(self.table, k, n, hash)
        if e == NULL:
            e = self._insert_word(k, n, hash, <uint64_t>value)
            entry_set_type(e, TYPE_STRING, STR_INT)
            self._added(key)
            return
        self.discard_value(e)
        e = table_set_word(self.table, e, hash, <uint64_t>value)
        entry_set_type(e, TYPE_STRING, STR_INT)

    def set_range(self, bytes key, Py_ssize_t offset, bytes data) -> int:
        """Overwrite part of a string from `offset`, padding with zero bytes; returns the new length. Keeps the expire.
        With offset = the length this is APPEND. The caller has checked type and size limits. Complexity: O(len(data))
        amortized."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        cdef uint64_t hash = table_hash(k, n)
        cdef Entry* e = table_find(self.table, k, n, hash)
        cdef size_t size = PyBytes_GET_SIZE(data)
        cdef size_t needed = offset + size
        cdef char short_value[INLINE_MAX]
        cdef Blob* blob
        if e == NULL:
            if needed <= INLINE_MAX:
                memset(short_value, 0, needed)
                memcpy(short_value + offset, PyBytes_AS_STRING(data), size)
                e = table_insert_inline(self.table, k, n, hash, short_value, needed)
                e.meta = self.keyspace.first_access()
                entry_set_type(e, TYPE_STRING, STR_RAW_INLINE)
            else:
                blob = blob_new(NULL, needed, needed)
                memset(blob.data, 0, needed)
                memcpy(blob.data + offset, PyBytes_AS_STRING(data), size)
                e = self._insert_word(k, n, hash, <uint64_t>blob)
                entry_set_type(e, TYPE_STRING, STR_BLOB)
            self._added(key)
            return needed
        return self._overwrite(e, hash, offset, data)

    cdef size_t _overwrite(self, Entry* e, uint64_t hash, size_t offset, bytes data) except? 0:
        cdef char scratch[24]
        cdef char short_value[256]
        cdef char* start
        cdef size_t size = PyBytes_GET_SIZE(data)
        cdef size_t length = entry_string_view(e, scratch, &start)
        cdef size_t result = max(length, offset + size)
        cdef Blob* blob
        if result <= INLINE_MAX and not (e.klen & ENTRY_WORD and entry_encoding(e) == STR_BLOB):
            memset(short_value, 0, result)
            memcpy(short_value, start, length)
            memcpy(short_value + offset, PyBytes_AS_STRING(data), size)
            e = table_set_inline(self.table, e, hash, short_value, result)
            entry_set_type(e, TYPE_STRING, STR_RAW_INLINE)
            return result
        if not (e.klen & ENTRY_WORD and entry_encoding(e) == STR_BLOB):
            memcpy(short_value, start, length)
            blob = blob_new(short_value, length, result)
            e = table_set_word(self.table, e, hash, <uint64_t>blob)
            entry_set_type(e, TYPE_STRING, STR_BLOB)
        else:
            blob = self._writable_blob(e, result)
        if result > length:
            memset(blob.data + length, 0, result - length)
        blob.length = result
        memcpy(blob.data + offset, PyBytes_AS_STRING(data), size)
        return result

    cdef Blob* _writable_blob(self, Entry* e, size_t capacity) noexcept:
        """The entry's blob, unshared (replies in flight keep the old bytes) and with room: twice as much, at most 1 MiB
        more."""
        cdef Blob* blob = <Blob*>entry_word_ref(e)[0]
        cdef Blob* own
        if capacity > blob.capacity:
            capacity += min(capacity, <size_t>1048576)
        if blob.references > 1:
            own = blob_new(blob.data, blob.length, max(capacity, blob.length))
            blob_release(blob)
            blob = own
        elif capacity > blob.capacity:
            blob = blob_reserve(blob, capacity)
        entry_word_ref(e)[0] = <uint64_t>blob
        return blob

    def encoding(self, bytes key) -> str | None:
        """What OBJECT ENCODING says of a string key ("int", "embstr", "raw"); for other types ask their view."""
        cdef Entry* e = self.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS)
        cdef int64_t number
        cdef uint8_t* value
        if e == NULL or entry_type(e) != TYPE_STRING:
            return None
        if e.klen & ENTRY_WORD:
            return "int" if entry_encoding(e) == STR_INT else "raw"
        value = entry_inline(e)
        if entry_encoding(e) == STR_RAW_INLINE or value[0] > 44:
            return "raw"
        return "int" if parse_int64(<char*>value + 1, value[0], &number) else "embstr"

    # ---- removing
    def delete(self, bytes key) -> bool:
        """Remove a key (also an expired one, which counts as absent); True when it was there."""
        if self.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS) == NULL:
            return False
        return self._remove(key, False)

    def unlink(self, bytes key) -> bool:
        """The same, freeing a large value in steps."""
        if self.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS) == NULL:
            return False
        return self._remove(key, True)

    cdef bint _remove(self, bytes key, bint lazy) except -1:
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        cdef Entry* e = table_unlink(self.table, k, n, table_hash(k, n))
        if e == NULL:
            return False
        if lazy:
            self.discard_value(e)
        else:
            release_value(e)
        table_release_entry(self.table, e)
        return True

    def flush(self, bint lazy) -> int:
        """Empty the database; the number of keys removed. With `lazy` memory comes back in steps."""
        cdef size_t count = table_size(self.table)
        cdef Table* old = self.table
        if count == 0:
            return 0
        self.table = self.keyspace.new_table()
        if old.slots != NULL:
            slot_index_hide_as(self.table.slots, old.slots)
        if lazy:
            (<LazyFree>self.keyspace.lazyfree).release_table(old)
        else:
            table_free(old, release_value)
        self.average_ttl = 0
        return count

    # ---- expiry
    def has_entry(self, bytes key) -> bool:
        """Whether there is an entry for the key, expired or not. Changes nothing."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        return table_find(self.table, k, n, table_hash(k, n)) != NULL

    def is_expired(self, bytes key) -> bool:
        """Whether the key is past its time and nobody has deleted it yet. Changes nothing."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        cdef Entry* e = table_find(self.table, k, n, table_hash(k, n))
        return e != NULL and (e.klen & ENTRY_EXPIRE) != 0 and entry_expire(e) < self.keyspace.clock.unix_ms

    def expire_at(self, bytes key) -> int:
        """Unix ms at which the key expires, -1 without an expire, -2 when absent. Does not touch the key."""
        cdef Entry* e = self.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS)
        return -2 if e == NULL else entry_expire(e)

    def set_expire(self, bytes key, int64_t when_ms) -> bool:
        """Give an existing key an expire; False when absent."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        cdef uint64_t hash = table_hash(k, n)
        cdef Entry* e = table_find(self.table, k, n, hash)
        if e == NULL:
            return False
        table_set_expire(self.table, e, hash, when_ms)
        if self.keyspace.on_expire_set is not None and not self.keyspace.show_expired:
            self.keyspace.on_expire_set(self, key)
        return True

    def persist(self, bytes key) -> bool:
        """Remove the expire; False when there is no key or no expire."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        cdef uint64_t hash = table_hash(k, n)
        cdef Entry* e = self._live(k, n, hash)
        if e == NULL or not e.klen & ENTRY_EXPIRE:
            return False
        table_persist(self.table, e, hash)
        return True

    # ---- moving values between keys
    def take(self, bytes key) -> Detached | None:
        """Remove a key and hand over its value."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        cdef Entry* e = self.lookup(key, LOOKUP_WRITE)
        cdef Detached value
        if e == NULL:
            return None
        e = table_unlink(self.table, k, n, table_hash(k, n))
        value = self._detach(e)
        table_release_entry(self.table, e)
        return value

    cdef Detached _detach(self, Entry* e):
        cdef Detached value = Detached.__new__(Detached)
        value.type = entry_type(e)
        value.encoding = entry_encoding(e)
        value.expire = entry_expire(e)
        value.access = self.keyspace.first_access()        # a new name is a new key to LRU and LFU, as in Redis
        if e.klen & ENTRY_WORD:
            value.word = entry_word_ref(e)[0]
        else:
            value.short_value = entry_string(e)
        return value

    def duplicate(self, bytes key) -> Detached | None:
        """A deep copy of a key's value (COPY); whoever asks has looked the key up, so it counts no more."""
        cdef Entry* e = self.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS)
        cdef Detached value
        cdef TypeTraits* traits
        if e == NULL:
            return None
        value = self._detach(e)
        if value.short_value is None:
            traits = traits_of(value.type)
            value.word = traits.copy(value.encoding, value.word)
        return value

    def put(self, bytes key, Detached value, bint keep_expire=True) -> None:
        """Give a key (which must be absent) a detached value and its expire. The Detached is empty afterwards."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        cdef uint64_t hash = table_hash(k, n)
        cdef Entry* e
        if value.short_value is not None:
            e = table_insert_inline(self.table, k, n, hash, PyBytes_AS_STRING(value.short_value),
                                    PyBytes_GET_SIZE(value.short_value))
        else:
            e = table_insert_word(self.table, k, n, hash, value.word)
        e.meta = value.access
        entry_set_type(e, value.type, value.encoding)
        value.word = 0
        value.short_value = b""
        if keep_expire and value.expire >= 0:
            table_set_expire(self.table, e, hash, value.expire)
        self._added(key)

    def store(self, bytes key, Value value) -> None:
        """Give a key a value that was made loose (types.value), replacing whatever it held and its expire; what had expired
        goes first, with its own event. Moves the value: the view is good for nothing afterwards."""
        cdef const char* k = PyBytes_AS_STRING(key)
        cdef size_t n = PyBytes_GET_SIZE(key)
        cdef uint64_t hash = table_hash(k, n)
        cdef Entry* e = self.lookup(key, LOOKUP_WRITE | LOOKUP_NO_TOUCH)
        if e == NULL:
            e = table_find(self.table, k, n, hash)         # an expired one that is kept
        if e != NULL:
            self.replace(e, hash, value.entry)
            return
        e = self._insert_word(k, n, hash, entry_word_ref(value.entry)[0])
        self._added(key)
        entry_set_type(e, entry_type(value.entry), entry_encoding(value.entry))
        entry_word_ref(value.entry)[0] = 0

    cdef void replace(self, Entry* e, uint64_t hash, Entry* loose) noexcept:
        self.discard_value(e)
        e = table_set_word(self.table, table_persist(self.table, e, hash), hash, entry_word_ref(loose)[0])
        entry_set_type(e, entry_type(loose), entry_encoding(loose))
        entry_word_ref(loose)[0] = 0
        self.keyspace.touch(e)         # as Redis does: it looks the key up before it overwrites

    # ---- walking
    def random_key(self) -> bytes | None:
        """A random key that has not expired (deleting expired ones met on the way, within reason), None when empty."""
        cdef Entry* e
        cdef int tries = 100
        cdef bytes key
        while table_shown_size(self.table):
            e = self._any_entry()
            if e == NULL:
                return None
            key = entry_key_bytes(e)
            if not e.klen & ENTRY_EXPIRE or entry_expire(e) >= self.keyspace.clock.unix_ms:
                return key
            if self.keyspace.keep_expired:
                tries -= 1
                if tries == 0:
                    return key
                continue
            self.drop_expired(key)
        return None

    cdef Entry* _any_entry(self) except? NULL:
        """By chance, of those that are not hidden; NULL without any."""
        if table_hides(self.table):
            return table_shown_random(self.table, _bits(64))
        return table_fair_random(self.table)

    def scan(self, uint64_t cursor, Py_ssize_t count, int type=-1) -> tuple[int, list[bytes]]:
        """Some buckets' keys from `cursor` on: (next cursor, keys), expired ones included. At most 10 * count buckets
        or until `count` keys came up. type: a TYPE_ number to pick, -1 for all."""
        cdef Visited found = Visited.__new__(Visited)
        cdef Py_ssize_t steps = count * 10
        found.table = self.table
        found.keys = []
        found.type = type
        while True:
            cursor = table_scan(self.table, cursor, collect_key, <void*>found)
            steps -= 1
            if cursor == 0 or steps <= 0 or len(found.keys) >= count:
                return cursor, found.keys

    def all_keys(self) -> list[bytes]:
        """Every key that has not expired (KEYS). Complexity: O(N)."""
        cdef Visited found = Visited.__new__(Visited)
        cdef uint64_t cursor = 0
        found.table = self.table
        found.keys = []
        found.now_ms = self.keyspace.clock.unix_ms
        self.table.pause_rehash += 1
        while True:
            cursor = table_scan(self.table, cursor, collect_live_key, <void*>found)
            if cursor == 0:
                break
        self.table.pause_rehash -= 1
        return found.keys

    def expired_sample(self, size_t buckets, size_t entries) -> tuple[int, list[bytes], int]:
        """Look at entries that may expire, going on where the last call stopped: (looked at, expired keys, sum of the
        others' remaining ms). The caller deletes what expired (keyspace.expire)."""
        cdef ExpireSample sample = ExpireSample.__new__(ExpireSample)
        cdef size_t looked
        sample.table = self.table
        sample.expired = []
        sample.now_ms = self.keyspace.clock.unix_ms
        looked = table_expire_scan(self.table, buckets, entries, look_at_expire, <void*>sample)
        return looked, sample.expired, sample.ttl_sum

    # ---- access bits, sizes
    def idle_seconds(self, bytes key) -> int | None:
        """OBJECT IDLETIME under LRU."""
        cdef Entry* e = self.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS)
        return None if e == NULL else (self.keyspace.clock.lru - e.meta) & 0xFFFFFF

    def frequency(self, bytes key) -> int | None:
        """OBJECT FREQ under LFU: the decayed counter."""
        cdef Entry* e = self.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS)
        return None if e == NULL else self.keyspace.lfu_decayed(e.meta)

    def set_access(self, bytes key, *, idle_seconds: int = -1, frequency: int = -1) -> None:
        """RESTORE's IDLETIME or FREQ, and COPY."""
        cdef Entry* e = self.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS)
        cdef uint32_t bits
        if e == NULL:
            return
        if frequency >= 0:
            bits = (self.keyspace.clock.minutes << 8) | <uint32_t>frequency
        else:
            bits = (self.keyspace.clock.lru - <uint32_t>idle_seconds) & 0xFFFFFF
        e.meta = (e.meta & 0xFF000000U) | bits

    def memory_usage(self, bytes key) -> int | None:
        """Bytes that the allocator gave for a key and its value (not for its share of the buckets). O(1), large values O(N)."""
        cdef Entry* e = self.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS)
        cdef size_t size
        if e == NULL:
            return None
        size = mem_good_size(entry_size(e))
        if e.klen & ENTRY_WORD and traits_of(entry_type(e)).memory != NULL:
            size += traits_of(entry_type(e)).memory(entry_encoding(e), entry_word_ref(e)[0])
        return size

    def memory(self) -> int:
        """Bytes of the table itself: buckets and entries, without what values point to. O(1)."""
        return table_memory(self.table)

    def expand(self, size_t keys) -> bool:
        """Make room for so many keys at once."""
        return table_resize_hint(self.table, keys)

    def hash_stats(self, bint full=False) -> dict:
        """What DEBUG HTSTATS shows (structures.table_stats)."""
        return table_stats(self.table, full)
