# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Loops over the keyspace table and the compact structures, as commands call them: no Python object inside a loop.

Each class holds one filled structure; each method takes how many loops to do, does OPERATIONS operations in a loop
(where its docstring says nothing else) and returns seconds. Keys and members are `key:000000000042`, visited in an
order that no prefetcher guesses. What a loop adds it takes away again, so every loop meets the same structure.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from perf.micro.clock cimport seconds
from server.structures.crc16 cimport key_hash_slot
from server.structures.crc64 cimport crc64
from server.structures.hyperloglog cimport (
    HLL_DENSE_SIZE, HLL_EMPTY_SIZE, hll_add, hll_count, hll_new, hll_to_dense,
)
from server.structures.intset cimport intset_add, intset_find, intset_free, intset_new, intset_remove
from server.structures.listpack cimport LpValue, lp_append, lp_find, lp_first, lp_free, lp_get, lp_new, lp_next
from server.structures.lzf cimport lzf_compress, lzf_decompress
from server.structures.ordered_index cimport (
    OiCursor, OrderedIndex, oi_delete, oi_free, oi_insert, oi_item, oi_new, oi_next, oi_rank, oi_seek,
)
from server.structures.quicklist cimport (
    QL_HEAD, QL_TAIL, Quicklist, QuicklistEntry, QuicklistIter, quicklist_drop, quicklist_free, quicklist_index,
    quicklist_iter_at, quicklist_iter_done, quicklist_new, quicklist_next, quicklist_push_tail,
)
from server.structures.rax cimport (
    RAX_GE, Rax, RaxCursor, StreamId, rax_find, rax_free, rax_insert, rax_item, rax_new, rax_next, rax_remove, rax_seek,
)
from server.structures.table cimport (
    Entry, Table, table_delete, table_find, table_free, table_hash, table_insert_inline, table_new, table_rehash_steps,
    table_scan, table_set_inline,
)

cdef enum:
    KEY_BYTES = 16
    STRIDE = 7919                      # prime: steps of it come to every place of a structure
    ID_GAP = 100                       # between the IDs in a rax, as between the nodes of a stream

OPERATIONS = 1000
cdef enum:
    IN_A_LOOP = 1000                   # the same for C

cdef uint64_t sink                     # what loops find goes here, so that no compiler drops them


cdef class Keys:
    """`count` keys that structures hold, and as many behind them that they do not."""
    cdef char* text
    cdef size_t count

    def __cinit__(self, size_t count):
        cdef size_t i
        self.count = count
        self.text = <char*>malloc(2 * count * KEY_BYTES)
        for i in range(2 * count):
            key = b"key:%012d" % i
            memcpy(self.text + i * KEY_BYTES, <const char*>key, KEY_BYTES)

    def __dealloc__(self):
        free(self.text)

    cdef inline const char* at(self, size_t i) noexcept nogil:
        return self.text + i * KEY_BYTES


cdef inline size_t next_place(size_t place, size_t count) noexcept nogil:
    return (place + STRIDE) % count


cdef class TableLoops:
    """The keyspace table with `count` short strings: 1,000 fit a processor's cache, 1,000,000 do not."""
    cdef Table* table
    cdef Keys keys

    def __cinit__(self, size_t count):
        cdef size_t i
        self.keys = Keys(count)
        self.table = table_new()
        for i in range(count):
            self.insert(i)
        while table_rehash_steps(self.table, 1000):
            pass

    def __dealloc__(self):
        table_free(self.table, NULL)

    cdef inline Entry* insert(self, size_t i) noexcept nogil:
        cdef const char* key = self.keys.at(i)
        return table_insert_inline(self.table, key, KEY_BYTES, table_hash(key, KEY_BYTES), "value:0123456789", 16)

    def find(self, long loops) -> float:
        """Look keys up; hashing them is part of it."""
        global sink
        cdef size_t place = 0, count = self.keys.count, found = 0
        cdef const char* key
        cdef long n
        cdef double began = seconds()
        for n in range(loops * IN_A_LOOP):
            place = next_place(place, count)
            key = self.keys.at(place)
            found += table_find(self.table, key, KEY_BYTES, table_hash(key, KEY_BYTES)) != NULL
        sink += found
        return seconds() - began

    def overwrite(self, long loops) -> float:
        """Look keys up and set a value of the same length, as SET on a key that is there."""
        cdef size_t place = 0, count = self.keys.count
        cdef const char* key
        cdef uint64_t hash
        cdef long n
        cdef double began = seconds()
        for n in range(loops * IN_A_LOOP):
            place = next_place(place, count)
            key = self.keys.at(place)
            hash = table_hash(key, KEY_BYTES)
            table_set_inline(self.table, table_find(self.table, key, KEY_BYTES, hash), hash, "9876543210:value", 16)
        return seconds() - began

    def insert_and_delete(self, long loops) -> float:
        """Add a key that is not there, and delete it again: one operation."""
        cdef size_t place = 0, count = self.keys.count
        cdef const char* key
        cdef long n
        cdef double began = seconds()
        for n in range(loops * IN_A_LOOP):
            place = next_place(place, count)
            self.insert(count + place)
            key = self.keys.at(count + place)
            table_delete(self.table, key, KEY_BYTES, table_hash(key, KEY_BYTES), NULL)
        return seconds() - began

    def scan(self, long loops) -> float:
        """Walk the whole table by SCAN's cursor; a loop is one walk."""
        global sink
        cdef uint64_t cursor
        cdef size_t seen = 0
        cdef long n
        cdef double began = seconds()
        for n in range(loops):
            cursor = table_scan(self.table, 0, see, &seen)
            while cursor != 0:
                cursor = table_scan(self.table, cursor, see, &seen)
        sink += seen
        return seconds() - began


cdef int see(void* context, Entry* entry) noexcept:
    (<size_t*>context)[0] += 1
    return 0


cdef class IntsetLoops:
    """An intset of the even numbers below 2 x count, each twice as wide as a small one (4 bytes)."""
    cdef unsigned char* numbers
    cdef size_t count

    def __cinit__(self, size_t count):
        cdef size_t i
        self.count = count
        self.numbers = intset_new()
        for i in range(count):
            intset_add(&self.numbers, 100000 + 2 * i)

    def __dealloc__(self):
        intset_free(self.numbers)

    def find(self, long loops) -> float:
        """Look up numbers, half of which are there."""
        global sink
        cdef size_t place = 0, found = 0
        cdef long n
        cdef double began = seconds()
        for n in range(loops * IN_A_LOOP):
            place = next_place(place, 2 * self.count)
            found += intset_find(self.numbers, 100000 + place)
        sink += found
        return seconds() - began

    def add_and_remove(self, long loops) -> float:
        """Add an odd number and remove it: one operation."""
        cdef size_t place = 0
        cdef long n
        cdef double began = seconds()
        for n in range(loops * IN_A_LOOP):
            place = next_place(place, self.count)
            intset_add(&self.numbers, 100001 + 2 * place)
            intset_remove(&self.numbers, 100001 + 2 * place)
        return seconds() - began


cdef class ListpackLoops:
    """A listpack of `count` members, 16 bytes each: the largest small hash of Redis's defaults has 256."""
    cdef unsigned char* members
    cdef Keys keys

    def __cinit__(self, size_t count):
        cdef size_t i
        self.keys = Keys(count)
        self.members = lp_new()
        for i in range(count):
            lp_append(&self.members, self.keys.at(i), KEY_BYTES)

    def __dealloc__(self):
        lp_free(self.members)

    def find(self, long loops) -> float:
        """Look members up by walking from the first one on."""
        global sink
        cdef size_t place = 0, found = 0
        cdef long n
        cdef double began = seconds()
        for n in range(loops * IN_A_LOOP):
            place = next_place(place, self.keys.count)
            found += lp_find(self.members, lp_first(self.members), self.keys.at(place), KEY_BYTES, 0) != NULL
        sink += found
        return seconds() - began

    def walk(self, long loops) -> float:
        """Read every element; a loop is one walk."""
        global sink
        cdef unsigned char* p
        cdef LpValue value
        cdef size_t seen = 0
        cdef long n
        cdef double began = seconds()
        for n in range(loops):
            p = lp_first(self.members)
            while p != NULL:
                lp_get(p, &value)
                seen += value.length
                p = lp_next(self.members, p)
        sink += seen
        return seconds() - began

    def fill(self, long loops) -> float:
        """Make a listpack of as many members, one by one; a loop is one listpack."""
        cdef unsigned char* other
        cdef size_t i
        cdef long n
        cdef double began = seconds()
        for n in range(loops):
            other = lp_new()
            for i in range(self.keys.count):
                lp_append(&other, self.keys.at(i), KEY_BYTES)
            lp_free(other)
        return seconds() - began


cdef class QuicklistLoops:
    """A list of `count` elements, 16 bytes each, in nodes of 8 KB."""
    cdef Quicklist* list
    cdef Keys keys

    def __cinit__(self, size_t count):
        cdef size_t i
        self.keys = Keys(count)
        self.list = quicklist_new(-2, 0)
        for i in range(count):
            quicklist_push_tail(self.list, self.keys.at(i), KEY_BYTES)

    def __dealloc__(self):
        quicklist_free(self.list)

    def push_and_pop(self, long loops) -> float:
        """RPUSH and LPOP: one operation."""
        cdef long n
        cdef double began = seconds()
        for n in range(loops * IN_A_LOOP):
            quicklist_push_tail(self.list, self.keys.at(0), KEY_BYTES)
            quicklist_drop(self.list, QL_HEAD)
        return seconds() - began

    def walk(self, long loops, int64_t elements) -> float:
        """Read the first elements, as LRANGE does; a loop is one walk."""
        global sink
        cdef QuicklistIter it
        cdef QuicklistEntry entry
        cdef size_t seen = 0
        cdef int64_t left
        cdef long n
        cdef double began = seconds()
        for n in range(loops):
            left = elements
            quicklist_iter_at(self.list, &it, 0, QL_HEAD)
            while left > 0 and quicklist_next(&it, &entry):
                seen += entry.value.length
                left -= 1
            quicklist_iter_done(&it)
        sink += seen
        return seconds() - began

    def index(self, long loops) -> float:
        """LINDEX anywhere."""
        global sink
        cdef QuicklistIter it
        cdef QuicklistEntry entry
        cdef size_t place = 0, found = 0
        cdef long n
        cdef double began = seconds()
        for n in range(loops * IN_A_LOOP):
            place = next_place(place, self.keys.count)
            if quicklist_index(self.list, &it, place, &entry):
                found += 1
                quicklist_iter_done(&it)
        sink += found
        return seconds() - began


cdef class OrderedIndexLoops:
    """An ordered index of `count` members with different scores; the entries are a table's, as in a sorted set."""
    cdef TableLoops table
    cdef OrderedIndex* index
    cdef Entry** entries

    def __cinit__(self, size_t count):
        cdef size_t i
        cdef const char* key
        self.table = TableLoops(count)
        self.index = oi_new()
        self.entries = <Entry**>malloc(count * sizeof(Entry*))
        for i in range(count):
            key = self.table.keys.at(i)
            self.entries[i] = table_find(self.table.table, key, KEY_BYTES, table_hash(key, KEY_BYTES))
            oi_insert(self.index, <double>i, self.entries[i])

    def __dealloc__(self):
        oi_free(self.index)
        free(self.entries)

    def insert_and_delete(self, long loops) -> float:
        """Remove an element and insert it again: one operation."""
        cdef size_t place = 0, count = self.table.keys.count
        cdef long n
        cdef double began = seconds()
        for n in range(loops * IN_A_LOOP):
            place = next_place(place, count)
            oi_delete(self.index, <double>place, self.entries[place])
            oi_insert(self.index, <double>place, self.entries[place])
        return seconds() - began

    def rank(self, long loops) -> float:
        """ZRANK."""
        global sink
        cdef size_t place = 0, count = self.table.keys.count, sum = 0
        cdef long n
        cdef double began = seconds()
        for n in range(loops * IN_A_LOOP):
            place = next_place(place, count)
            sum += oi_rank(self.index, <double>place, self.entries[place])
        sink += sum
        return seconds() - began

    def walk(self, long loops, size_t elements) -> float:
        """Read so many elements from some rank on, as ZRANGE does; a loop is one walk."""
        global sink
        cdef OiCursor cursor
        cdef size_t place = 0, count = self.table.keys.count, i
        cdef double sum = 0
        cdef long n
        cdef double began = seconds()
        for n in range(loops):
            place = next_place(place, count - elements)
            oi_seek(self.index, place, &cursor)
            for i in range(elements):
                sum += oi_item(&cursor).score
                oi_next(&cursor)
        sink += <uint64_t>sum
        return seconds() - began


cdef class RaxLoops:
    """A map of `count` stream IDs, ID_GAP ms apart."""
    cdef Rax* rax
    cdef size_t count

    def __cinit__(self, size_t count):
        cdef size_t i
        self.count = count
        self.rax = rax_new()
        for i in range(count):
            rax_insert(self.rax, id_of(i), <void*>self.rax, NULL)

    def __dealloc__(self):
        rax_free(self.rax, NULL)

    def append_and_remove(self, long loops) -> float:
        """Add an ID behind the last one, and remove it: one operation."""
        cdef long n
        cdef double began = seconds()
        for n in range(loops * IN_A_LOOP):
            rax_insert(self.rax, id_of(self.count), <void*>self.rax, NULL)
            rax_remove(self.rax, id_of(self.count), NULL)
        return seconds() - began

    def find(self, long loops) -> float:
        global sink
        cdef size_t place = 0, found = 0
        cdef long n
        cdef double began = seconds()
        for n in range(loops * IN_A_LOOP):
            place = next_place(place, self.count)
            found += rax_find(self.rax, id_of(place)) != NULL
        sink += found
        return seconds() - began

    def walk(self, long loops, int elements) -> float:
        """Read so many IDs from some place on, as XRANGE does; a loop is one walk."""
        global sink
        cdef RaxCursor cursor
        cdef size_t place = 0, sum = 0
        cdef int i
        cdef long n
        cdef double began = seconds()
        for n in range(loops):
            place = next_place(place, self.count - elements)
            rax_seek(self.rax, id_of(place), RAX_GE, &cursor)
            for i in range(elements):
                sum += rax_item(&cursor).id.ms
                rax_next(&cursor)
        sink += sum
        return seconds() - began


cdef inline StreamId id_of(size_t i) noexcept nogil:
    cdef StreamId id
    id.ms = <uint64_t>1700000000000 + i * ID_GAP
    id.seq = 0
    return id


cdef class HyperLogLogLoops:
    """A dense HyperLogLog that has seen `count` elements."""
    cdef uint8_t[HLL_DENSE_SIZE] data
    cdef size_t length
    cdef Keys keys

    def __cinit__(self, size_t count):
        cdef uint8_t[HLL_EMPTY_SIZE] sparse
        self.keys = Keys(count)
        self.length = HLL_DENSE_SIZE
        hll_new(sparse)
        hll_to_dense(sparse, HLL_EMPTY_SIZE, self.data)
        self.add(count // IN_A_LOOP + 1)

    def add(self, long loops) -> float:
        """PFADD of elements that were seen before."""
        cdef size_t place = 0
        cdef long n
        cdef double began = seconds()
        for n in range(loops * IN_A_LOOP):
            place = next_place(place, self.keys.count)
            hll_add(self.data, &self.length, HLL_DENSE_SIZE, self.keys.at(place), KEY_BYTES, 3000, NULL)
        return seconds() - began

    def count(self, long loops) -> float:
        """PFCOUNT without the cached number; a loop is one count."""
        global sink
        cdef uint64_t cardinality = 0
        cdef long n
        cdef double began = seconds()
        for n in range(loops):
            hll_count(self.data, self.length, &cardinality)
            sink += cardinality
        return seconds() - began


def compress(long loops, bytes data) -> float:
    """LZF; a loop compresses the data once."""
    global sink
    cdef size_t length = len(data), room = length + length // 8 + 16
    cdef char* out = <char*>malloc(room)
    cdef const char* text = data
    cdef long n
    cdef double began = seconds()
    for n in range(loops):
        sink += lzf_compress(text, length, out, room)
    began = seconds() - began
    free(out)
    return began


def decompress(long loops, bytes data) -> float:
    """LZF; a loop unpacks once what was packed before the clock started."""
    global sink
    cdef size_t length = len(data), room = length + length // 8 + 16, packed
    cdef char* out = <char*>malloc(room)
    cdef char* back = <char*>malloc(length)
    cdef const char* text = data
    cdef long n
    packed = lzf_compress(text, length, out, room)
    cdef double began = seconds()
    for n in range(loops):
        sink += lzf_decompress(out, packed, back, length)
    began = seconds() - began
    free(out)
    free(back)
    return began


def checksum(long loops, bytes data) -> float:
    """CRC64; a loop reads the data once."""
    global sink
    cdef const char* text = data
    cdef size_t length = len(data)
    cdef uint64_t crc = 0
    cdef long n
    cdef double began = seconds()
    for n in range(loops):
        crc = crc64(crc, text, length)
    sink += crc
    return seconds() - began


def hash_slot(long loops) -> float:
    """The cluster's slot of keys without braces."""
    global sink
    cdef Keys keys = Keys(IN_A_LOOP)
    cdef size_t sum = 0, i
    cdef long n
    cdef double began = seconds()
    for n in range(loops):
        for i in range(IN_A_LOOP):
            sum += key_hash_slot(keys.at(i), KEY_BYTES)
    sink += sum
    return seconds() - began
