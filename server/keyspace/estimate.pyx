# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from server.keyspace.database cimport LOOKUP_NO_STATS, LOOKUP_NO_TOUCH, Database, entry_string_view
from server.structures.intset cimport intset_length
from server.structures.listpack cimport lp_length
from server.structures.memory cimport mem_good_size
from server.structures.quicklist cimport Quicklist
from server.structures.rax cimport RaxCursor, rax_first, rax_item, rax_memory, rax_next, rax_size
from server.structures.table cimport (ENTRY_WORD, STR_BLOB, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM, TYPE_STRING,
                                      TYPE_ZSET, Entry, Table,
                                      entry_encoding, entry_size, entry_type, entry_word_ref, table_memory, table_size)
from server.structures.table_walk cimport TableWalk, table_walk, table_walk_next
from server.types.hash cimport HASH_LISTPACK
from server.types.list cimport LIST_LISTPACK
from server.types.set cimport SET_INTSET, SET_LISTPACK
from server.types.sorted_set cimport ZSET_LISTPACK, ZSet
from server.types.stream cimport StreamValue
from server.types.stream_groups cimport groups_memory
from server.types.stream_node cimport node_memory
from server.types.value cimport TypeTraits, traits_of


cdef uint64_t entry_length(Entry* e) noexcept:
    cdef char scratch[24]
    cdef char* start
    cdef int type = entry_type(e), encoding = entry_encoding(e)
    cdef uint64_t word
    if type == TYPE_STRING:
        return entry_string_view(e, scratch, &start)
    word = entry_word_ref(e)[0]
    if type == TYPE_LIST:
        return lp_length(<unsigned char*>word) if encoding == LIST_LISTPACK else (<Quicklist*>word).count
    if type == TYPE_SET:
        if encoding == SET_INTSET:
            return intset_length(<unsigned char*>word)
        return lp_length(<unsigned char*>word) if encoding == SET_LISTPACK else table_size(<Table*>word)
    if type == TYPE_ZSET:
        return lp_length(<unsigned char*>word) // 2 if encoding == ZSET_LISTPACK else table_size((<ZSet*>word).members)
    if type == TYPE_HASH:
        return lp_length(<unsigned char*>word) // 2 if encoding == HASH_LISTPACK else table_size(<Table*>word)
    return (<StreamValue*>word).log.length if type == TYPE_STREAM else 0


cdef size_t entry_weight(Entry* e) noexcept:
    cdef size_t size = mem_good_size(entry_size(e))
    cdef int type = entry_type(e)
    cdef TypeTraits* traits
    cdef uint64_t word
    if not e.klen & ENTRY_WORD:
        return size
    traits = traits_of(type)
    word = entry_word_ref(e)[0]
    if traits.memory == NULL:
        return size
    if traits.effort != NULL and traits.effort(entry_encoding(e), word) > EXACT_MAX:
        if type == TYPE_HASH:
            return size + _hash(<Table*>word)
        if type == TYPE_LIST:
            return size + (<Quicklist*>word).memory
        if type == TYPE_STREAM:
            return size + _stream(<StreamValue*>word)
    return size + traits.memory(entry_encoding(e), word)         # sets and sorted sets know it themselves


def weight(Database db, bytes key) -> int | None:
    """entry_weight of a key; None without one. Looking does not touch or count."""
    cdef Entry* e = db.lookup(key, LOOKUP_NO_TOUCH | LOOKUP_NO_STATS)
    return None if e == NULL else entry_weight(e)


cdef size_t _hash(Table* fields) noexcept:
    """The table knows its own size; long values behind it are guessed from the first few fields."""
    cdef TableWalk walk
    cdef Entry* field
    cdef size_t seen = 0, blobs = 0
    table_walk(&walk, fields)
    while seen < SAMPLE:
        field = table_walk_next(&walk)
        if field == NULL:
            break
        seen += 1
        if field.klen & ENTRY_WORD:
            blobs += traits_of(TYPE_STRING).memory(STR_BLOB, entry_word_ref(field)[0])
    return table_memory(fields) + (blobs * table_size(fields) // seen if seen else 0)


cdef size_t _stream(StreamValue* value) noexcept:
    cdef RaxCursor cursor
    cdef void* node
    cdef size_t seen = 0, bytes = 0
    cdef bint going = rax_first(value.log.nodes, &cursor)
    while going and seen < SAMPLE:
        seen += 1
        node = rax_item(&cursor).value
        bytes += node_memory(node) if node != value.log.tail else value.log.tail_capacity
        going = rax_next(&cursor)
    bytes = bytes * rax_size(value.log.nodes) // seen if seen else 0
    return mem_good_size(sizeof(StreamValue)) + rax_memory(value.log.nodes) + bytes + groups_memory(&value.groups)
