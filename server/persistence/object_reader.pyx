# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.math cimport NAN, isnan
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from server.persistence.historic cimport ziplist_to_listpack, zipmap_to_listpack
from server.persistence.rdb_format cimport (
    RDB_FOOTER, RDB_HASH, RDB_HASH_LISTPACK, RDB_HASH_ZIPLIST, RDB_HASH_ZIPMAP, RDB_LIST, RDB_LIST_QUICKLIST,
    RDB_LIST_QUICKLIST_2, RDB_LIST_ZIPLIST, RDB_NODE_PACKED, RDB_NODE_PLAIN, RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK,
    RDB_STREAM, RDB_STREAM_2, RDB_STREAM_3, RDB_STRING, RDB_VERSION, RDB_ZSET, RDB_ZSET_2, RDB_ZSET_LISTPACK,
    RDB_ZSET_ZIPLIST)
from server.persistence.rdb_input cimport (
    RdbInput, RdbText, input_fail, input_init, take_block, take_count, take_double, take_double_text, take_length,
    take_name, take_raw, take_text, text_free)
from server.persistence.stream_reader cimport take_stream
from server.structures.crc64 cimport crc64
from server.structures.intset cimport intset_length, intset_new, intset_validate
from server.structures.listpack cimport (
    LP_INTEGER_TEXT, LpValue, lp_first, lp_free, lp_get, lp_integer_text, lp_length, lp_next, lp_skip,
    lp_validate_integrity)
from server.structures.memory cimport mem_free
from server.structures.quicklist cimport (
    Quicklist, quicklist_append_listpack, quicklist_append_plain, quicklist_new, quicklist_push_tail)
from server.structures.table cimport (
    ENTRY_WORD, KEY_LENGTH_MASK, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM, TYPE_ZSET, Entry, Table, entry_set_type,
    entry_word_ref, table_find, table_free, table_hash, table_insert_bare, table_new, table_resize_hint)
from server.types.hash cimport HASH_LISTPACK, hash_grow, hash_new_word, hash_set
from server.types.hash cimport limits as hash_limits
from server.types.list cimport LIST_QUICKLIST, list_settle
from server.types.list cimport limits as list_limits
from server.types.set cimport SET_INTSET, SET_LISTPACK, SET_TABLE, set_add, set_grow
from server.types.set cimport limits as set_limits
from server.types.sorted_set cimport (
    ZADD_NX, ZADDED, ZSET_LISTPACK, zset_add, zset_compact, zset_convert, zset_create, zset_limits, zset_parse_score)
from server.types.value cimport LooseEntry, Value, release_value

from server.types.hash import Hash
from server.types.list import List
from server.types.set import Set
from server.types.sorted_set import SortedSet
from server.types.stream import Stream


class BadPayload(ValueError):
    """The bytes are no value."""


# ---- the loose entry
cdef inline void _become(Entry* e, int type, int encoding, uint64_t word) noexcept nogil:
    entry_word_ref(e)[0] = word
    entry_set_type(e, type, encoding)


cdef bint take_value(RdbInput* input, int type, LooseEntry* value) noexcept:
    cdef Entry* e = &value.head
    memset(value, 0, sizeof(LooseEntry))
    e.klen = ENTRY_WORD
    if type == RDB_LIST or type == RDB_LIST_QUICKLIST or type == RDB_LIST_QUICKLIST_2 or type == RDB_LIST_ZIPLIST:
        _take_list(input, type, e)
    elif type == RDB_SET:
        _take_set(input, e)
    elif type == RDB_SET_INTSET or type == RDB_SET_LISTPACK:
        _take_packed_set(input, type, e)
    elif type == RDB_ZSET or type == RDB_ZSET_2:
        _take_sorted_set(input, type, e)
    elif type == RDB_ZSET_LISTPACK or type == RDB_ZSET_ZIPLIST:
        _take_packed_sorted_set(input, type, e)
    elif type == RDB_HASH:
        _take_hash(input, e)
    elif type == RDB_HASH_LISTPACK or type == RDB_HASH_ZIPLIST or type == RDB_HASH_ZIPMAP:
        _take_packed_hash(input, type, e)
    elif type == RDB_STREAM or type == RDB_STREAM_2 or type == RDB_STREAM_3:
        take_stream(input, type, e)
    else:
        input_fail(input, "Unknown RDB encoding type")
    if input.fault == NULL and not input.empty:
        return True
    if entry_word_ref(e)[0]:
        release_value(e)
        entry_word_ref(e)[0] = 0
    return False


# ---- listpacks from outside
cdef bint _distinct(unsigned char* lp, uint64_t count, int step) noexcept:
    """Whether no two elements (of every `step`-th) are equal as text. Complexity: O(N)."""
    cdef Table* table = table_new()
    cdef unsigned char* p = lp_first(lp)
    cdef LpValue value
    cdef char digits[LP_INTEGER_TEXT]
    cdef uint64_t hash
    cdef bint distinct = True
    table_resize_hint(table, count // step)
    while p != NULL and distinct:
        lp_get(p, &value)
        if value.s == NULL:
            value.length = lp_integer_text(value.number, digits)
            value.s = digits
        hash = table_hash(value.s, value.length)
        if value.length > KEY_LENGTH_MASK or table_find(table, value.s, value.length, hash) != NULL:
            distinct = False           # or too long to become a member of a table
        else:
            table_insert_bare(table, value.s, value.length, hash)
        p = lp_next(lp, p)
        if step == 2 and p != NULL:
            p = lp_next(lp, p)
    table_free(table, NULL)
    return distinct


cdef unsigned char* _take_listpack(RdbInput* input, uint64_t* count, const char* fault) noexcept:
    """A listpack blob, checked to its last byte; NULL: failed. count: its elements."""
    cdef size_t n
    cdef unsigned char* lp = take_block(input, &n)
    if lp == NULL:
        return NULL
    if not lp_validate_integrity(lp, n, True, NULL, NULL):
        mem_free(lp, n)
        input_fail(input, fault)
        return NULL
    count[0] = lp_length(lp)
    return lp


cdef unsigned char* _take_ziplist(RdbInput* input, uint64_t* count, const char* fault) noexcept:
    """A ziplist blob as a listpack."""
    cdef size_t n
    cdef unsigned char* block = take_block(input, &n)
    cdef unsigned char* lp
    if block == NULL:
        return NULL
    lp = ziplist_to_listpack(block, n)
    mem_free(block, n)
    if lp == NULL:
        input_fail(input, fault)
        return NULL
    count[0] = lp_length(lp)
    return lp


cdef unsigned char* _take_pairs(RdbInput* input, bint ziplist, uint64_t* pairs, const char* fault) noexcept:
    """A listpack of (key, value) with distinct keys; NULL: failed or empty."""
    cdef uint64_t count = 0
    cdef unsigned char* lp = _take_ziplist(input, &count, fault) if ziplist else _take_listpack(input, &count, fault)
    if lp == NULL:
        return NULL
    pairs[0] = count >> 1
    if count & 1 or (count and (ziplist or not input.trusted) and not _distinct(lp, count, 2)):
        input_fail(input, fault)
    elif count == 0:
        input.empty = True
    else:
        return lp
    lp_free(lp)
    return NULL


# ---- lists
cdef void _take_list(RdbInput* input, int type, Entry* e) noexcept:
    cdef Quicklist* q = quicklist_new(list_limits.fill, list_limits.compress)
    cdef uint64_t count = 1
    cdef RdbText text
    _become(e, TYPE_LIST, LIST_QUICKLIST, <uint64_t>q)
    if type != RDB_LIST_ZIPLIST and not take_count(input, &count):
        return
    while count and input.fault == NULL:
        count -= 1
        if type != RDB_LIST:
            _take_node(input, type, q)
        elif take_text(input, &text):
            quicklist_push_tail(q, text.s, text.n)
            text_free(&text)
    if q.count == 0:
        input.empty = input.fault == NULL
    elif input.fault == NULL and type != RDB_LIST_ZIPLIST:
        list_settle(e)


cdef void _take_node(RdbInput* input, int type, Quicklist* q) noexcept:
    cdef uint64_t container = RDB_NODE_PACKED
    cdef uint64_t count = 0
    cdef unsigned char* block
    cdef unsigned char* p
    cdef size_t n
    cdef LpValue value
    cdef char digits[LP_INTEGER_TEXT]
    if type == RDB_LIST_QUICKLIST_2 and not take_length(input, &container):
        return
    if container == RDB_NODE_PLAIN:
        block = take_block(input, &n)
        if block != NULL:
            quicklist_append_plain(q, block, n)
        return
    if container != RDB_NODE_PACKED:
        input_fail(input, "Quicklist integrity check failed.")
        return
    if type == RDB_LIST_QUICKLIST_2:
        block = _take_listpack(input, &count, "Listpack integrity check failed.")
    else:
        block = _take_ziplist(input, &count, "Ziplist integrity check failed.")
    if block == NULL:
        return
    if count and type != RDB_LIST_ZIPLIST:
        quicklist_append_listpack(q, block)
        return
    p = lp_first(block)
    while p != NULL:                   # one long ziplist: cut it into nodes
        lp_get(p, &value)
        if value.s == NULL:
            value.length = lp_integer_text(value.number, digits)
            value.s = digits
        quicklist_push_tail(q, value.s, value.length)
        p = lp_next(block, p)
    lp_free(block)


# ---- sets
cdef void _take_set(RdbInput* input, Entry* e) noexcept:
    cdef uint64_t count
    cdef RdbText text
    cdef Table* table
    if not take_count(input, &count):
        return
    if count == 0:
        input.empty = True
        return
    if count > set_limits.intset_entries:
        table = table_new()
        table_resize_hint(table, count)
        _become(e, TYPE_SET, SET_TABLE, <uint64_t>table)
    else:
        _become(e, TYPE_SET, SET_INTSET, <uint64_t>intset_new())
    while count and take_name(input, &text):
        count -= 1
        if not set_add(e, text.s, text.n):
            input_fail(input, "Duplicate set members detected")
        text_free(&text)


cdef void _take_packed_set(RdbInput* input, int type, Entry* e) noexcept:
    cdef unsigned char* block
    cdef uint64_t count = 0
    cdef size_t n
    if type == RDB_SET_INTSET:
        block = take_block(input, &n)
        if block == NULL:
            return
        if not intset_validate(block, n, True):
            mem_free(block, n)
            input_fail(input, "Intset integrity check failed.")
            return
        _become(e, TYPE_SET, SET_INTSET, <uint64_t>block)
        set_grow(e, intset_length(block))
        return
    block = _take_listpack(input, &count, "Set listpack integrity check failed.")
    if block == NULL:
        return
    _become(e, TYPE_SET, SET_LISTPACK, <uint64_t>block)
    if count == 0:
        input.empty = True
    elif not input.trusted and not _distinct(block, count, 1):
        input_fail(input, "Set listpack integrity check failed.")
    else:
        set_grow(e, count)


# ---- sorted sets
cdef void _take_sorted_set(RdbInput* input, int type, Entry* e) noexcept:
    cdef uint64_t count
    cdef RdbText text
    cdef double score, result
    cdef size_t longest = 0, total = 0
    if not take_count(input, &count):
        return
    if count == 0:
        input.empty = True
        return
    zset_create(e, count, <size_t>-1)   # a skiplist at first: a listpack on the way to one would turn -0 into 0
    while count and take_name(input, &text):
        count -= 1
        longest = max(longest, text.n)
        total += text.n
        if take_double(input, &score) if type == RDB_ZSET_2 else take_double_text(input, &score):
            if isnan(score):
                input_fail(input, "Zset with NAN score detected")
            elif zset_add(e, score, text.s, text.n, ZADD_NX, &result) != ZADDED:
                input_fail(input, "Duplicate zset fields detected")
        text_free(&text)
    if input.fault == NULL:
        zset_compact(e, longest, total)


cdef inline unsigned char* _scored_member(unsigned char* lp, unsigned char* p, LpValue* member, char* digits,
                                          double* score) noexcept:
    """Read a member as text and its score (NaN if that is no number); what follows them, NULL at the end."""
    cdef LpValue value
    lp_get(p, member)
    if member.s == NULL:
        member.length = lp_integer_text(member.number, digits)
        member.s = digits
    p = lp_skip(p)
    lp_get(p, &value)
    if value.s == NULL:
        score[0] = <double>value.number
    elif not zset_parse_score(value.s, value.length, score):
        score[0] = NAN
    return lp_next(lp, p)


cdef int _scores_valid(unsigned char* lp) noexcept:
    """1: members stand in order; 0: they do not, which only damage or a very old server can cause; -1: a score is no
    number."""
    cdef unsigned char* p = lp_first(lp)
    cdef LpValue members[2]
    cdef char digits[2][LP_INTEGER_TEXT]
    cdef double scores[2]
    cdef int now = 0
    cdef int order
    cdef int valid = 1
    members[1].s = NULL
    while p != NULL:
        p = _scored_member(lp, p, &members[now], digits[now], &scores[now])
        if isnan(scores[now]):
            return -1
        if members[1 - now].s != NULL and scores[now] <= scores[1 - now]:
            order = memcmp(members[now].s, members[1 - now].s, min(members[now].length, members[1 - now].length))
            if scores[now] < scores[1 - now] or order < 0 or (
                    order == 0 and members[now].length < members[1 - now].length):
                valid = 0
        now = 1 - now
    return valid


cdef void _sort_members(Entry* e, unsigned char* lp, uint64_t pairs) noexcept:
    """Make the sorted set anew from a listpack in disorder, which is freed."""
    cdef unsigned char* p = lp_first(lp)
    cdef LpValue member
    cdef char digits[LP_INTEGER_TEXT]
    cdef double score, result
    zset_create(e, pairs, 0)
    while p != NULL:
        p = _scored_member(lp, p, &member, digits, &score)
        zset_add(e, score, member.s, member.length, ZADD_NX, &result)
    lp_free(lp)


cdef void _take_packed_sorted_set(RdbInput* input, int type, Entry* e) noexcept:
    cdef uint64_t pairs = 0
    cdef bint ziplist = type == RDB_ZSET_ZIPLIST
    cdef unsigned char* lp = _take_pairs(input, ziplist, &pairs, "Zset ziplist integrity check failed." if ziplist
                                         else "Zset listpack integrity check failed.")
    cdef int valid
    if lp == NULL:
        return
    valid = _scores_valid(lp)
    _become(e, TYPE_ZSET, ZSET_LISTPACK, <uint64_t>lp)
    if valid < 0:
        input_fail(input, "Zset with NAN score detected")
    elif valid == 0:
        _sort_members(e, lp, pairs)
    elif pairs > zset_limits.entries:
        zset_convert(e, pairs)


# ---- hashes
cdef void _take_hash(RdbInput* input, Entry* e) noexcept:
    cdef uint64_t count
    cdef RdbText field, value
    if not take_count(input, &count):
        return
    if count == 0:
        input.empty = True
        return
    _become(e, TYPE_HASH, HASH_LISTPACK, hash_new_word())
    hash_grow(e, count, 0)
    while count and take_name(input, &field):
        count -= 1
        if take_text(input, &value):
            if not hash_set(e, field.s, field.n, value.s, value.n):
                input_fail(input, "Duplicate hash fields detected")
            text_free(&value)
        text_free(&field)


cdef void _take_packed_hash(RdbInput* input, int type, Entry* e) noexcept:
    cdef uint64_t pairs = 0
    cdef size_t longest = 0
    cdef size_t n
    cdef unsigned char* block
    cdef unsigned char* lp = NULL
    if type != RDB_HASH_ZIPMAP:
        lp = _take_pairs(input, type == RDB_HASH_ZIPLIST, &pairs, "Hash ziplist integrity check failed."
                         if type == RDB_HASH_ZIPLIST else "Hash listpack integrity check failed.")
    else:
        block = take_block(input, &n)
        if block != NULL:
            lp = zipmap_to_listpack(block, n, &longest)
            mem_free(block, n)
            if lp == NULL:
                input_fail(input, "Zipmap integrity check failed.")
    if lp == NULL:
        return
    _become(e, TYPE_HASH, HASH_LISTPACK, <uint64_t>lp)
    if type == RDB_HASH_ZIPMAP:
        pairs = lp_length(lp) >> 1
        if not _distinct(lp, 2 * pairs, 2):
            input_fail(input, "Hash zipmap with dup elements, or big length")
            return
    hash_grow(e, pairs if longest <= hash_limits.value else hash_limits.entries + 1, 0)


# ---- payloads
cdef bint footer_is_known(const void* payload, size_t n) noexcept nogil:
    cdef const unsigned char* p = <const unsigned char*>payload
    return n >= RDB_FOOTER and (p[n - 10] | (<int>p[n - 9] << 8)) <= RDB_VERSION


cdef bint footer_is_right(const void* payload, size_t n) noexcept nogil:
    cdef const unsigned char* p = <const unsigned char*>payload
    cdef uint64_t said = 0
    cdef int i
    if not footer_is_known(payload, n):
        return False
    for i in range(8):
        said |= <uint64_t>p[n - 8 + i] << (8 * i)
    return crc64(0, p, n - 8) == said


def check_footer(bytes payload, bint skip_checksum) -> bool:
    """Whether a payload ends with a version that we know and (unless skipped) the checksum of what precedes it."""
    cdef const char* p = PyBytes_AS_STRING(payload)
    return footer_is_known(p, len(payload)) if skip_checksum else footer_is_right(p, len(payload))


cdef dict _KINDS = {TYPE_LIST: List, TYPE_SET: Set, TYPE_ZSET: SortedSet, TYPE_HASH: Hash, TYPE_STREAM: Stream}


def read_payload(bytes payload):
    """The value in a payload whose footer was checked: bytes of a string, or a value in no database that Database.store
    takes. Raises BadPayload. Complexity: O(N), for sorted sets O(N log N)."""
    cdef RdbInput input
    cdef RdbText text
    cdef LooseEntry loose
    cdef const unsigned char* type
    cdef Value value
    cdef bytes result
    input_init(&input, PyBytes_AS_STRING(payload), max(0, PyBytes_GET_SIZE(payload) - RDB_FOOTER))
    type = take_raw(&input, 1)
    if type == NULL:
        raise BadPayload("nothing in it")
    if type[0] == RDB_STRING:
        if not take_text(&input, &text):
            raise BadPayload(input.fault.decode())
        result = PyBytes_FromStringAndSize(text.s, text.n)
        text_free(&text)
        return result
    if not take_value(&input, type[0], &loose):
        raise BadPayload("no elements" if input.fault == NULL else input.fault.decode())
    kind = _KINDS[(loose.head.meta >> 24) & 15]
    value = kind.__new__(kind)
    value.loose = loose
    value.entry = &value.loose.head
    return value
