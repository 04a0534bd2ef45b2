# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t

from cpython.bytes cimport PyBytes_FromStringAndSize

from server.keyspace.database cimport LOOKUP_NO_STATS, LOOKUP_NO_TOUCH, Database
from server.persistence.rdb_format cimport (
    RDB_HASH, RDB_HASH_LISTPACK, RDB_LIST, RDB_LIST_QUICKLIST_2, RDB_NODE_PACKED, RDB_NODE_PLAIN, RDB_SET,
    RDB_SET_INTSET, RDB_SET_LISTPACK, RDB_STREAM, RDB_STREAM_2, RDB_STREAM_3, RDB_STRING, RDB_ZSET_2, RDB_ZSET_LISTPACK)
from server.persistence.rdb_sink cimport (
    RdbSink, dismiss, put_byte, put_double, put_footer, put_integer, put_length, put_lzf, put_milliseconds, put_raw,
    put_string, sink_free, sink_init)
from server.structures.intset cimport intset_bytes
from server.structures.listpack cimport LpValue, lp_bytes, lp_first, lp_get, lp_next
from server.structures.quicklist cimport (
    QL_HEAD, Quicklist, QuicklistEntry, QuicklistIter, QuicklistNode, quicklist_iter, quicklist_iter_done,
    quicklist_next, quicklist_node_data, quicklist_node_is_compressed, quicklist_node_is_lzf, quicklist_node_is_plain,
    quicklist_node_open, quicklist_node_size)
from server.structures.rax cimport Rax, RaxCursor, StreamId, rax_first, rax_item, rax_next, rax_size
from server.structures.table cimport (
    ENTRY_WORD, STR_INT, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STRING, TYPE_ZSET, Entry, entry_encoding, entry_key,
    entry_key_length, entry_type, entry_word_ref, table_size)
from server.structures.table_walk cimport TableWalk, table_walk, table_walk_next
from server.types.hash cimport HASH_LISTPACK, hash_table
from server.types.list cimport LIST_LISTPACK, list_length
from server.types.set cimport SET_INTSET, SET_LISTPACK, SetWalk, set_length, set_walk, set_walk_next
from server.types.sorted_set cimport ZSET_LISTPACK, ZCursor, ZElement, zset_next, zset_size, zset_walk
from server.types.stream cimport StreamValue, stream_value
from server.types.stream_groups cimport Pending, StreamConsumer, StreamGroup
from server.types.stream_log cimport StreamLog
from server.types.stream_node cimport PackedNode, node_is_packed, node_open, packed_node


# ---- elements
cdef void _put_element(RdbSink* sink, const LpValue* value) noexcept nogil:
    if value.s == NULL:
        put_integer(sink, value.number)
    else:
        put_string(sink, value.s, value.length)


cdef inline void _put_listpack(RdbSink* sink, Entry* e) noexcept nogil:
    cdef unsigned char* lp = <unsigned char*>entry_word_ref(e)[0]
    cdef size_t n = lp_bytes(lp)
    put_string(sink, <char*>lp, n)
    dismiss(lp, n)


cdef void _put_listpack_elements(RdbSink* sink, const unsigned char* lp) noexcept nogil:
    cdef unsigned char* p = lp_first(lp)
    cdef LpValue value
    while p != NULL:
        lp_get(p, &value)
        _put_element(sink, &value)
        p = lp_next(lp, p)


# ---- types
cdef int value_type(Entry* e, int version) noexcept:
    cdef int type = entry_type(e)
    cdef int encoding = entry_encoding(e)
    if type == TYPE_STRING:
        return RDB_STRING
    if type == TYPE_LIST:
        return RDB_LIST_QUICKLIST_2 if version >= 10 else RDB_LIST
    if type == TYPE_SET:
        if encoding == SET_INTSET:
            return RDB_SET_INTSET
        return RDB_SET_LISTPACK if encoding == SET_LISTPACK and version >= 11 else RDB_SET
    if type == TYPE_ZSET:
        return RDB_ZSET_LISTPACK if encoding == ZSET_LISTPACK and version >= 10 else RDB_ZSET_2
    if type == TYPE_HASH:
        return RDB_HASH_LISTPACK if encoding == HASH_LISTPACK and version >= 10 else RDB_HASH
    return RDB_STREAM_3 if version >= 11 else RDB_STREAM_2 if version == 10 else RDB_STREAM


cdef void put_value(RdbSink* sink, Entry* e) noexcept:
    cdef int type = value_type(e, sink.version)
    if type == RDB_STRING:
        _put_string_value(sink, e)
    elif type == RDB_LIST or type == RDB_LIST_QUICKLIST_2:
        _put_list(sink, e, type)
    elif type == RDB_SET_INTSET:
        put_string(sink, <char*>entry_word_ref(e)[0], intset_bytes(<unsigned char*>entry_word_ref(e)[0]))
    elif type == RDB_SET:
        _put_set(sink, e)
    elif type == RDB_ZSET_2:
        _put_sorted_set(sink, e)
    elif type == RDB_HASH:
        _put_hash(sink, e)
    elif type == RDB_SET_LISTPACK or type == RDB_ZSET_LISTPACK or type == RDB_HASH_LISTPACK:
        _put_listpack(sink, e)
    else:
        _put_stream(sink, stream_value(e))


cdef void _put_text_of(RdbSink* sink, Entry* e) noexcept nogil:
    cdef size_t n
    cdef const char* text = entry_text(e, &n)
    put_string(sink, text, n)
    dismiss(text, n)


cdef void _put_string_value(RdbSink* sink, Entry* e) noexcept nogil:
    if e.klen & ENTRY_WORD and entry_encoding(e) == STR_INT:
        put_integer(sink, <int64_t>entry_word_ref(e)[0])
    else:
        _put_text_of(sink, e)


cdef void _put_list(RdbSink* sink, Entry* e, int type) noexcept:
    if type == RDB_LIST:
        put_length(sink, list_length(e))
        if entry_encoding(e) == LIST_LISTPACK:
            _put_listpack_elements(sink, <unsigned char*>entry_word_ref(e)[0])
        else:
            _put_quicklist_elements(sink, <Quicklist*>entry_word_ref(e)[0])
    elif entry_encoding(e) == LIST_LISTPACK:
        put_length(sink, 1)
        put_length(sink, RDB_NODE_PACKED)
        _put_listpack(sink, e)
    else:
        _put_nodes(sink, <Quicklist*>entry_word_ref(e)[0])


cdef void _put_quicklist_elements(RdbSink* sink, Quicklist* q) noexcept:
    cdef QuicklistIter it
    cdef QuicklistEntry entry
    quicklist_iter(q, &it, QL_HEAD)
    while quicklist_next(&it, &entry):
        _put_element(sink, &entry.value)
    quicklist_iter_done(&it)


cdef void _put_nodes(RdbSink* sink, Quicklist* q) noexcept nogil:
    cdef QuicklistNode* node = q.head
    put_length(sink, q.length)
    while node != NULL:
        put_length(sink, RDB_NODE_PLAIN if quicklist_node_is_plain(node) else RDB_NODE_PACKED)
        if quicklist_node_is_lzf(node) and (q.compress or sink.compress):
            put_lzf(sink, quicklist_node_data(node), node.capacity, quicklist_node_size(node))
        else:
            put_string(sink, <char*>quicklist_node_open(node), quicklist_node_size(node))
        if not quicklist_node_is_compressed(node):
            dismiss(quicklist_node_data(node), quicklist_node_size(node))
        node = node.next


cdef void _put_set(RdbSink* sink, Entry* e) noexcept:
    cdef SetWalk walk
    cdef LpValue member
    put_length(sink, set_length(e))
    set_walk(&walk, e)
    while set_walk_next(&walk, &member):
        _put_element(sink, &member)


cdef void _put_sorted_set(RdbSink* sink, Entry* e) noexcept:
    """From the highest score down, as Redis does it: a skiplist is then built at its head."""
    cdef ZCursor cursor
    cdef ZElement element
    cdef size_t size = zset_size(e)
    put_length(sink, size)
    zset_walk(e, 0, size, True, &cursor)
    while zset_next(&cursor, &element):
        put_string(sink, element.member, element.length)
        put_double(sink, element.score)


cdef void _put_hash(RdbSink* sink, Entry* e) noexcept:
    cdef unsigned char* lp
    cdef unsigned char* p
    cdef uint64_t fields = 0
    cdef TableWalk walk
    cdef Entry* field
    if entry_encoding(e) == HASH_LISTPACK:
        lp = <unsigned char*>entry_word_ref(e)[0]
        p = lp_first(lp)
        while p != NULL:
            fields += 1
            p = lp_next(lp, p)
        put_length(sink, fields >> 1)
        _put_listpack_elements(sink, lp)
        return
    put_length(sink, table_size(hash_table(e)))
    table_walk(&walk, hash_table(e))
    while True:
        field = table_walk_next(&walk)
        if field == NULL:
            return
        put_string(sink, entry_key(field), entry_key_length(field))
        _put_text_of(sink, field)


# ---- streams
cdef void _raw_id(unsigned char* at, const StreamId* id) noexcept nogil:
    """16 bytes, big endian."""
    cdef int i
    for i in range(8):
        at[i] = (id.ms >> (56 - 8 * i)) & 0xFF
        at[8 + i] = (id.seq >> (56 - 8 * i)) & 0xFF


cdef void _put_id(RdbSink* sink, const StreamId* id) noexcept nogil:
    put_length(sink, id.ms)
    put_length(sink, id.seq)


cdef void _put_node(RdbSink* sink, void* node) noexcept:
    """A squeezed node goes out as it is."""
    cdef unsigned char* lp
    cdef PackedNode* packed
    if sink.compress and node_is_packed(node):
        packed = packed_node(node)
        put_lzf(sink, packed.data, packed.packed, packed.raw)
        return
    lp = node_open(node)
    put_string(sink, <char*>lp, lp_bytes(lp))


cdef void _put_stream(RdbSink* sink, StreamValue* stream) noexcept:
    cdef StreamLog* log = &stream.log
    cdef RaxCursor cursor
    cdef unsigned char raw[16]
    cdef uint64_t i
    cdef bint more = rax_first(log.nodes, &cursor)
    put_length(sink, rax_size(log.nodes))
    while more:
        _raw_id(raw, &cursor.id)
        put_string(sink, <char*>raw, 16)
        _put_node(sink, rax_item(&cursor).value)
        more = rax_next(&cursor)
    put_length(sink, log.length)
    _put_id(sink, &log.last)
    if sink.version >= 10:
        _put_id(sink, &log.first)
        _put_id(sink, &log.max_deleted)
        put_length(sink, log.added)
    put_length(sink, stream.groups.count)
    for i in range(stream.groups.count):
        _put_group(sink, stream.groups.items[i])


cdef void _put_group(RdbSink* sink, StreamGroup* group) noexcept:
    cdef uint64_t i
    cdef StreamConsumer* consumer
    put_string(sink, group.name.text, group.name.length)
    _put_id(sink, &group.last)
    if sink.version >= 10:
        put_length(sink, <uint64_t>group.entries_read)
    _put_pending(sink, group.pending, True)
    put_length(sink, group.consumer_count)
    for i in range(group.consumer_count):
        consumer = group.consumers[i]
        put_string(sink, consumer.name.text, consumer.name.length)
        put_milliseconds(sink, consumer.seen_ms)
        if sink.version >= 11:
            put_milliseconds(sink, consumer.active_ms)
        _put_pending(sink, consumer.pending, False)


cdef void _put_pending(RdbSink* sink, const Rax* entries, bint details) noexcept:
    """IDs; of a group's entries also when and how often they were delivered."""
    cdef RaxCursor cursor
    cdef unsigned char raw[16]
    cdef Pending* pending
    cdef bint more = rax_first(entries, &cursor)
    put_length(sink, rax_size(entries))
    while more:
        _raw_id(raw, &cursor.id)
        put_raw(sink, raw, 16)
        if details:
            pending = <Pending*>rax_item(&cursor).value
            put_milliseconds(sink, pending.delivered_ms)
            put_length(sink, pending.deliveries)
        more = rax_next(&cursor)


# ---- payloads
cdef void put_payload(RdbSink* sink, Entry* e) noexcept:
    cdef size_t start = sink.length
    put_byte(sink, value_type(e, sink.version))
    put_value(sink, e)
    put_footer(sink, start)


payload_form = PayloadForm(11, True)


def set_form(config) -> None:
    """Follow rdb-version and rdbcompression."""
    global payload_form
    payload_form = PayloadForm(config.rdb_version, config.rdbcompression)


def payload(Database db, bytes key, int version, bint compress) -> bytes | None:
    """What DUMP replies: type, value, RDB version and CRC64; None when the key is absent. A read. Complexity: O(N)."""
    cdef Entry* e = db.lookup(key, 0)
    cdef RdbSink sink
    cdef bytes result
    if e == NULL:
        return None
    sink_init(&sink, version, compress)
    put_payload(&sink, e)
    result = PyBytes_FromStringAndSize(<char*>sink.data, sink.length)
    sink_free(&sink)
    return result


def value_size(Database db, bytes key, int version, bint compress) -> int:
    """Bytes of the value alone, as DEBUG OBJECT's serializedlength; 0 when absent. Counts as no read."""
    cdef Entry* e = db.lookup(key, LOOKUP_NO_STATS | LOOKUP_NO_TOUCH)
    cdef RdbSink sink
    cdef size_t size
    if e == NULL:
        return 0
    sink_init(&sink, version, compress)
    put_value(&sink, e)
    size = sink.length
    sink_free(&sink)
    return size
