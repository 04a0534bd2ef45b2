# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from server.structures.blob cimport Blob
from server.structures.defrag cimport (blob_moved, block_moved, entry_moved, ordered_leaf_moved, quicklist_moved,
                                       table_frame_moved)
from server.structures.intset cimport intset_bytes
from server.structures.listpack cimport lp_bytes
from server.structures.ordered_index cimport OrderedIndex, oi_size
from server.structures.quicklist cimport Quicklist
from server.structures.table cimport (ENTRY_WORD, STR_BLOB, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM, TYPE_STRING,
                                      TYPE_ZSET, Entry, Table, entry_word_ref, table_scan)
from server.types.hash cimport HASH_LISTPACK
from server.types.list cimport LIST_LISTPACK
from server.types.set cimport SET_INTSET, SET_LISTPACK
from server.types.sorted_set cimport ZSET_LISTPACK, ZSet
from server.types.stream cimport StreamValue
from server.types.stream_defrag cimport groups_moved, stream_log_moved

cdef enum:
    BUCKETS_PER_ENTRY = 8              # of a sparse table that are gone over for the price of an entry
    LEAF = 42                          # about what a node of a tree holds

cdef struct Fields:                    # a step over the entries of a hash's or set's table
    Table* table
    size_t seen


cdef void _packed_moved(uint64_t* word, size_t size) noexcept:
    word[0] = <uint64_t>block_moved(<void*>word[0], size)


cdef int _field_moved(void* context, Entry* e) noexcept:
    """An entry_visit_t: of a hash, some have their value in a blob."""
    cdef Fields* fields = <Fields*>context
    fields.seen += 1
    e = entry_moved(fields.table, e)
    if e.klen & ENTRY_WORD:
        entry_word_ref(e)[0] = <uint64_t>blob_moved(<Blob*>entry_word_ref(e)[0])
    return 0


cdef bint _table_moved(uint64_t* word, ValuePlace* place, size_t effort) noexcept:
    cdef Fields fields
    cdef size_t buckets = 0
    if place.stage == 0:
        word[0] = <uint64_t>table_frame_moved(<Table*>word[0])
        place.stage = 1
    fields.table = <Table*>word[0]
    fields.seen = 0
    while fields.seen + buckets // BUCKETS_PER_ENTRY < effort:
        place.at = table_scan(fields.table, place.at, _field_moved, &fields)
        buckets += 1
        if place.at == 0:
            return True
    return False


cdef bint _sorted_set_moved(uint64_t* word, ValuePlace* place, size_t effort) noexcept:
    """Entries along with the leaves that name them: in a sorted set each is in both, and none is anything else."""
    cdef ZSet* z
    cdef uint64_t end = place.at + effort
    if place.stage == 0:
        _packed_moved(word, sizeof(ZSet))
        z = <ZSet*>word[0]
        z.members = table_frame_moved(z.members)
        z.index = <OrderedIndex*>block_moved(z.index, sizeof(OrderedIndex))
        place.stage = 1
    z = <ZSet*>word[0]
    while place.at < oi_size(z.index):
        if place.at >= end:
            return False
        place.at = ordered_leaf_moved(z.index, z.members, place.at)
    return True


cdef bint _stream_moved(uint64_t* word, ValuePlace* place, size_t effort) noexcept:
    cdef StreamValue* value
    cdef size_t done = 0
    if place.stage == 0:
        _packed_moved(word, sizeof(StreamValue))
        place.stage = 1
    value = <StreamValue*>word[0]
    while done < effort:
        done += LEAF
        if place.stage == 1:
            if not stream_log_moved(&value.log, &place.after):
                place.stage = 2
        elif not groups_moved(&value.groups, &place.groups):
            return True
    return False


cdef bint value_moved(int type, int encoding, uint64_t* word, ValuePlace* place, size_t effort) noexcept:
    cdef bint begin = place.stage == 0
    if type == TYPE_STRING:
        if encoding == STR_BLOB:
            word[0] = <uint64_t>blob_moved(<Blob*>word[0])
        return True
    if type == TYPE_STREAM:
        return _stream_moved(word, place, effort)
    if type == TYPE_SET and encoding == SET_INTSET:
        _packed_moved(word, intset_bytes(<unsigned char*>word[0]))
        return True
    if encoding == _listpack_of(type):
        _packed_moved(word, lp_bytes(<unsigned char*>word[0]))
        return True
    if type == TYPE_LIST:
        place.stage = 1
        return quicklist_moved(<Quicklist**>word, begin, effort)
    if type == TYPE_ZSET:
        return _sorted_set_moved(word, place, effort)
    return _table_moved(word, place, effort)


cdef inline int _listpack_of(int type) noexcept:
    """The encoding of the type's values that are one listpack."""
    if type == TYPE_LIST:
        return LIST_LISTPACK
    if type == TYPE_ZSET:
        return ZSET_LISTPACK
    return HASH_LISTPACK if type == TYPE_HASH else SET_LISTPACK
