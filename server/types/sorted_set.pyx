# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
import os

from libc.errno cimport ERANGE, errno
from libc.math cimport isinf, isnan
from libc.stdio cimport snprintf
from libc.stdlib cimport free, malloc, strtod
from libc.string cimport memcmp, memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.resp_writer cimport format_double, format_shortest, write_double, write_header
from server.registry.reply_writer cimport WrittenReply
from server.structures.listpack cimport (
    LP_AFTER, LP_BEFORE, LpValue, lp_append, lp_append_integer, lp_bytes, lp_delete_range,
    lp_delete_range_at, lp_dup, lp_find, lp_first, lp_free, lp_get, lp_insert, lp_insert_integer, lp_integer_text,
    lp_length, lp_new, lp_next, lp_prev, lp_random_below, lp_safe_to_add, lp_seek)
from server.structures.memory cimport mem_alloc, mem_free, mem_good_size
from server.structures.ordered_index cimport (
    LEX_EXCLUSIVE, LEX_HIGHEST, LEX_INCLUSIVE, LEX_LOWEST, OiItem, oi_check, oi_delete, oi_delete_range, oi_free,
    oi_free_step, oi_insert, oi_item, oi_lex_range, oi_memory, oi_near_end, oi_new, oi_next, oi_pop_max, oi_pop_min,
    oi_prefetch, oi_prev, oi_rank, oi_score_range, oi_seek, oi_size, oi_update_score)
from server.structures.table cimport (
    ENTRY_WORD, TYPE_ZSET, entry_encoding, entry_key, entry_key_length, entry_set_type, entry_word_ref,
    remus_prefetch, table_find, table_free, table_free_step, table_hash, table_insert_word, table_memory, table_new,
    table_prefetch_bucket, table_release_entry, table_resize_hint, table_scan, table_shrink_if_sparse, table_size,
    table_unlink)
from server.types.bulk cimport write_short
from server.types.value cimport release_word, traits_of, value_class

ZADD_FLAGS = {"INCR": ZADD_INCR, "NX": ZADD_NX, "XX": ZADD_XX, "GT": ZADD_GT, "LT": ZADD_LT}
ADDED, UPDATED, NOTHING, NAN = ZADDED, ZUPDATED, ZNOTHING, ZNAN

cdef enum:
    POPS_AHEAD = 4                     # pops between asking for an entry, for its bucket, and using them
    SMALL_TABLE = 2047                 # buckets less one: what is in the cache anyway
    LISTED = 48                        # elements up to which a reply is a Python list
    PLAIN_DIGITS = 15                  # an integer of so many digits is exact in a double

cdef uint64_t _random_state = int.from_bytes(os.urandom(8), "little")

zset_limits.entries = 128
zset_limits.value = 64


def set_limits(config) -> None:
    """zset-max-listpack-entries and zset-max-listpack-value."""
    zset_limits.entries = config.zset_max_listpack_entries
    zset_limits.value = config.zset_max_listpack_value


# ---- words of the table and of the key
cdef inline double _score_of(Entry* member) noexcept nogil:
    return (<double*>entry_word_ref(member))[0]


cdef inline uint64_t _bits(double score) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, &score, 8)
    return word


cdef inline unsigned char** _listpack(Entry* e) noexcept nogil:
    return <unsigned char**>entry_word_ref(e)


cdef inline ZSet* _zset(Entry* e) noexcept nogil:
    return <ZSet*>entry_word_ref(e)[0]


cdef inline bint _is_listpack(Entry* e) noexcept nogil:
    return entry_encoding(e) == ZSET_LISTPACK


cdef inline Entry* _member(ZSet* z, const char* member, size_t length) noexcept nogil:
    return table_find(z.members, member, length, table_hash(member, length))


cdef inline int _compare(const char* a, size_t a_length, const char* b, size_t b_length) noexcept nogil:
    cdef int order = memcmp(a, b, min(a_length, b_length))
    return order if order else (a_length > b_length) - (a_length < b_length)


# ---- text
cdef double _strtod(const char* text, size_t length, size_t* used) noexcept:
    """strtod of bytes that need not end in a zero byte; sets errno. *used: bytes that belong to the number."""
    cdef char scratch[128]
    cdef char* copy = scratch
    cdef char* end
    cdef double value
    global errno
    if length >= sizeof(scratch):
        copy = <char*>mem_alloc(length + 1)
    memcpy(copy, text, length)
    copy[length] = 0
    errno = 0
    value = strtod(copy, &end)
    used[0] = end - copy
    if copy != scratch:
        mem_free(copy, length + 1)
    return value


cdef bint _plain_number(const char* text, size_t length, double* value) noexcept nogil:
    """Up to 15 digits with an optional minus: most scores."""
    cdef int64_t number = 0
    cdef size_t i = 0
    cdef bint negative = length > 1 and text[0] == c'-'
    if negative:
        i = 1
    if length == 0 or length - i > PLAIN_DIGITS:
        return False
    while i < length:
        if not c'0' <= text[i] <= c'9':
            return False
        number = number * 10 + (text[i] - c'0')
        i += 1
    value[0] = -<double>number if negative else <double>number
    return True


cdef bint zset_parse_score(const char* text, size_t length, double* score) noexcept:
    cdef size_t used
    if _plain_number(text, length, score):
        return True
    if length == 0 or c'\t' <= text[0] <= c'\r' or text[0] == c' ':
        return False
    score[0] = _strtod(text, length, &used)
    if used != length or isnan(score[0]):
        return False
    return not (errno == ERANGE and (isinf(score[0]) or score[0] == 0))


cdef bint zset_parse_bound(const char* text, size_t length, double* score, bint* exclusive) noexcept:
    cdef size_t used
    exclusive[0] = length > 0 and text[0] == c'('
    if exclusive[0]:
        text += 1
        length -= 1
    if _plain_number(text, length, score):
        return True
    score[0] = _strtod(text, length, &used)
    return (used == length or text[used] == 0) and not isnan(score[0])


# ---- the listpack
cdef inline size_t _lp_size(unsigned char* lp) noexcept nogil:
    return lp_length(lp) // 2


cdef double _lp_score(const unsigned char* p) noexcept:
    cdef LpValue value
    cdef size_t used
    lp_get(p, &value)
    if value.s == NULL:
        return <double>value.number
    return _strtod(value.s, value.length, &used)


cdef inline void _lp_member(const unsigned char* p, ZElement* element) noexcept:
    cdef LpValue value
    lp_get(p, &value)
    if value.s != NULL:
        element.member = value.s
        element.length = value.length
    else:
        element.length = lp_integer_text(value.number, element.text)
        element.member = element.text


cdef inline unsigned char* _lp_find(unsigned char* lp, const char* member, size_t length) noexcept:
    cdef unsigned char* first = lp_first(lp)
    return lp_find(lp, first, member, length, 1) if first != NULL else NULL


cdef inline bint _is_whole(double score) noexcept nogil:
    """Whether a listpack keeps the score as an integer."""
    return -4611686018427387904.0 <= score <= 4611686018427387904.0 and <double><int64_t>score == score


cdef void _lp_append(unsigned char** lp, double score, const char* member, size_t length) noexcept:
    cdef char text[64]
    lp_append(lp, member, length)
    if _is_whole(score):
        lp_append_integer(lp, <int64_t>score)
    else:
        lp_append(lp, text, format_double(text, score))


cdef void _lp_insert(unsigned char** lp, double score, const char* member, size_t length) noexcept:
    """Put a member that is not there yet at its place. O(n)."""
    cdef char text[64]
    cdef ZElement other
    cdef unsigned char* p = lp_first(lp[0])
    cdef unsigned char* score_at
    while p != NULL:
        score_at = lp_next(lp[0], p)
        other.score = _lp_score(score_at)
        if other.score > score:
            break
        if other.score == score:
            _lp_member(p, &other)
            if _compare(other.member, other.length, member, length) > 0:
                break
        p = lp_next(lp[0], score_at)
    if p == NULL:
        _lp_append(lp, score, member, length)
        return
    lp_insert(lp, member, length, &p, LP_BEFORE)
    if _is_whole(score):
        lp_insert_integer(lp, <int64_t>score, &p, LP_AFTER)
    else:
        lp_insert(lp, text, format_double(text, score), &p, LP_AFTER)


# ---- table and index
cdef ZSet* _zset_new(size_t elements) noexcept:
    cdef ZSet* z = <ZSet*>mem_alloc(sizeof(ZSet))
    z.members = table_new()
    z.index = oi_new()
    if elements:
        table_resize_hint(z.members, elements)
    return z


cdef void _zset_free(ZSet* z) noexcept:
    if z.index != NULL:
        oi_free(z.index)
    table_free(z.members, NULL)
    mem_free(z, sizeof(ZSet))


cdef inline void _insert(ZSet* z, double score, const char* member, size_t length, uint64_t hash) noexcept:
    oi_insert(z.index, score, table_insert_word(z.members, member, length, hash, _bits(score)))


cdef void _forget(ZSet* z, Entry* member) noexcept:
    """Take a member that has left the index out of the table."""
    cdef char* key = entry_key(member)
    cdef size_t length = entry_key_length(member)
    table_unlink(z.members, key, length, table_hash(key, length))
    table_release_entry(z.members, member)


cdef void _forget_visited(void* z, double score, Entry* member) noexcept:
    _forget(<ZSet*>z, member)


# ---- one value
cdef void zset_create(Entry* e, size_t elements, size_t member_length) noexcept:
    if elements <= zset_limits.entries and member_length <= zset_limits.value:
        entry_word_ref(e)[0] = <uint64_t>lp_new()
        entry_set_type(e, TYPE_ZSET, ZSET_LISTPACK)
    else:
        entry_word_ref(e)[0] = <uint64_t>_zset_new(elements)
        entry_set_type(e, TYPE_ZSET, ZSET_SKIPLIST)


cdef void zset_convert(Entry* e, size_t elements) noexcept:
    cdef unsigned char* lp = _listpack(e)[0]
    cdef unsigned char* p = lp_first(lp)
    cdef ZSet* z = _zset_new(elements)
    cdef ZElement element
    while p != NULL:
        _lp_member(p, &element)
        p = lp_next(lp, p)
        _insert(z, _lp_score(p), element.member, element.length, table_hash(element.member, element.length))
        p = lp_next(lp, p)
    lp_free(lp)
    entry_word_ref(e)[0] = <uint64_t>z
    entry_set_type(e, TYPE_ZSET, ZSET_SKIPLIST)


cdef void zset_compact(Entry* e, size_t longest, size_t total) noexcept:
    cdef ZSet* z
    cdef unsigned char* lp
    cdef ZCursor cursor
    cdef ZElement element
    if _is_listpack(e) or longest > zset_limits.value or not lp_safe_to_add(NULL, total):
        return
    z = _zset(e)
    if oi_size(z.index) > zset_limits.entries:
        return
    lp = lp_new()
    zset_walk(e, 0, oi_size(z.index), False, &cursor)
    while zset_next(&cursor, &element):
        _lp_append(&lp, element.score, element.member, element.length)
    _zset_free(z)
    entry_word_ref(e)[0] = <uint64_t>lp
    entry_set_type(e, TYPE_ZSET, ZSET_LISTPACK)


cdef void zset_fill(Entry* e, const ZPair* pairs, size_t count) noexcept:
    cdef size_t i, longest = 0, total = 0
    cdef unsigned char* lp
    cdef ZSet* z
    release_word(TYPE_ZSET, entry_encoding(e), entry_word_ref(e)[0])
    for i in range(count):
        total += pairs[i].length
        longest = max(longest, pairs[i].length)
    if count <= zset_limits.entries and longest <= zset_limits.value and lp_safe_to_add(NULL, total):
        lp = lp_new()
        for i in range(count):
            _lp_append(&lp, pairs[i].score, pairs[i].member, pairs[i].length)
        entry_word_ref(e)[0] = <uint64_t>lp
        entry_set_type(e, TYPE_ZSET, ZSET_LISTPACK)
        return
    z = _zset_new(count)
    for i in range(count):
        _insert(z, pairs[i].score, pairs[i].member, pairs[i].length, table_hash(pairs[i].member, pairs[i].length))
    entry_word_ref(e)[0] = <uint64_t>z
    entry_set_type(e, TYPE_ZSET, ZSET_SKIPLIST)


cdef void zset_copy_range(Entry* e, size_t first, size_t end, LooseEntry* into) noexcept:
    cdef size_t longest = 0, total = 0
    cdef unsigned char* lp
    cdef ZCursor cursor
    cdef ZElement element
    cdef ZSet* z
    into.head.klen = ENTRY_WORD
    into.head.meta = 0
    into.word = 0
    entry_set_type(&into.head, TYPE_ZSET, ZSET_LISTPACK)
    if first >= end:
        return
    zset_walk(e, first, end, False, &cursor)
    while zset_next(&cursor, &element):
        total += element.length
        longest = max(longest, element.length)
    zset_walk(e, first, end, False, &cursor)
    if end - first <= zset_limits.entries and longest <= zset_limits.value and lp_safe_to_add(NULL, total):
        lp = lp_new()
        while zset_next(&cursor, &element):
            _lp_append(&lp, element.score, element.member, element.length)
        into.word = <uint64_t>lp
        return
    z = _zset_new(end - first)
    while zset_next(&cursor, &element):
        _insert(z, element.score, element.member, element.length, table_hash(element.member, element.length))
    into.word = <uint64_t>z
    entry_set_type(&into.head, TYPE_ZSET, ZSET_SKIPLIST)


cdef size_t zset_size(Entry* e) noexcept:
    return _lp_size(_listpack(e)[0]) if _is_listpack(e) else oi_size(_zset(e).index)


cdef inline int _new_score(double score, double current, int flags, double* result) noexcept:
    """What becomes of a member that is there: ZNOTHING, ZNAN, ZSAME or ZUPDATED."""
    if flags & ZADD_NX:
        return ZNOTHING
    if flags & ZADD_INCR:
        score += current
        if isnan(score):
            return ZNAN
    if (flags & ZADD_LT and score >= current) or (flags & ZADD_GT and score <= current):
        return ZNOTHING
    result[0] = score
    return ZUPDATED if score != current else ZSAME


cdef int zset_add(Entry* e, double score, const char* member, size_t length, int flags, double* result) noexcept:
    """Add a member or change its score: ZADDED, ZUPDATED, ZSAME, ZNOTHING or ZNAN; *result is its score after the first
    three. O(log n), a listpack O(n)."""
    cdef unsigned char* p
    cdef unsigned char** lp
    cdef double current
    cdef int outcome
    cdef uint64_t hash
    cdef ZSet* z
    cdef Entry* found
    if _is_listpack(e):
        lp = _listpack(e)
        p = _lp_find(lp[0], member, length)
        if p != NULL:
            outcome = _new_score(score, _lp_score(lp_next(lp[0], p)), flags, result)
            if outcome == ZUPDATED:
                lp_delete_range_at(lp, &p, 2)
                _lp_insert(lp, result[0], member, length)
            return outcome
        if flags & ZADD_XX:
            return ZNOTHING
        if (_lp_size(lp[0]) + 1 <= zset_limits.entries and length <= zset_limits.value
                and lp_safe_to_add(lp[0], length)):
            _lp_insert(lp, score, member, length)
            result[0] = score
            return ZADDED
        zset_convert(e, _lp_size(lp[0]) + 1)
    z = _zset(e)
    hash = table_hash(member, length)
    found = table_find(z.members, member, length, hash)
    if found == NULL:
        if flags & ZADD_XX:
            return ZNOTHING
        _insert(z, score, member, length, hash)
        result[0] = score
        return ZADDED
    current = _score_of(found)
    outcome = _new_score(score, current, flags, result)
    if outcome == ZUPDATED:
        oi_update_score(z.index, current, found, result[0])
        entry_word_ref(found)[0] = _bits(result[0])
    return outcome


cdef int zset_add_pairs(Entry* e, const ZPair* pairs, size_t count, int flags, int* updated) noexcept:
    cdef double result
    cdef int outcome, added = 0
    cdef size_t i
    updated[0] = 0
    if count > zset_limits.entries and entry_encoding(e) == ZSET_LISTPACK:
        zset_convert(e, count)
    for i in range(count):
        outcome = zset_add(e, pairs[i].score, pairs[i].member, pairs[i].length, flags, &result)
        if outcome == ZADDED:
            added += 1
        elif outcome == ZUPDATED:
            updated[0] += 1
    return added


cdef bint zset_score(Entry* e, const char* member, size_t length, double* score) noexcept:
    """O(1), a listpack O(n)."""
    cdef unsigned char* p
    cdef Entry* found
    if _is_listpack(e):
        p = _lp_find(_listpack(e)[0], member, length)
        if p == NULL:
            return False
        score[0] = _lp_score(lp_next(_listpack(e)[0], p))
        return True
    found = _member(_zset(e), member, length)
    if found == NULL:
        return False
    score[0] = _score_of(found)
    return True


cdef void zset_warm_place(Entry* e, const char* member, size_t length) noexcept:
    cdef Entry* found = _member(_zset(e), member, length)
    if found != NULL:
        oi_prefetch(_zset(e).index, _score_of(found))


cdef bint zset_rank(Entry* e, const char* member, size_t length, size_t* rank, double* score) noexcept:
    """The rank from the lowest, and the score; 0: not a member. O(log n), a listpack O(n)."""
    cdef unsigned char* lp
    cdef unsigned char* p
    cdef unsigned char* wanted
    cdef Entry* found
    if not _is_listpack(e):
        found = _member(_zset(e), member, length)
        if found == NULL:
            return False
        score[0] = _score_of(found)
        rank[0] = oi_rank(_zset(e).index, score[0], found)
        return True
    lp = _listpack(e)[0]
    wanted = _lp_find(lp, member, length)
    if wanted == NULL:
        return False
    rank[0] = 0
    p = lp_first(lp)
    while p != wanted:
        rank[0] += 1
        p = lp_next(lp, lp_next(lp, p))
    score[0] = _lp_score(lp_next(lp, p))
    return True


cdef bint zset_remove(Entry* e, const char* member, size_t length) noexcept:
    """1: it was a member. The caller deletes a key that became empty. O(log n), a listpack O(n)."""
    cdef unsigned char* p
    cdef ZSet* z
    cdef Entry* found
    if _is_listpack(e):
        p = _lp_find(_listpack(e)[0], member, length)
        if p == NULL:
            return False
        lp_delete_range_at(_listpack(e), &p, 2)
        return True
    z = _zset(e)
    found = _member(z, member, length)
    if found == NULL:
        return False
    oi_delete(z.index, _score_of(found), found)
    _forget(z, found)
    table_shrink_if_sparse(z.members)
    return True


cdef size_t zset_delete_range(Entry* e, size_t first, size_t end) noexcept:
    """O(log n + deleted)."""
    cdef size_t count
    if first >= end:
        return 0
    if _is_listpack(e):
        return lp_delete_range(_listpack(e), 2 * first, 2 * (end - first)) // 2
    count = oi_delete_range(_zset(e).index, first, end, _forget_visited, _zset(e))
    table_shrink_if_sparse(_zset(e).members)
    return count


cdef void zset_delete_first(Entry* e, bint highest) noexcept:
    """O(log n)."""
    cdef OiItem item
    cdef ZSet* z
    if _is_listpack(e):
        lp_delete_range(_listpack(e), -2 if highest else 0, 2)
        return
    z = _zset(e)
    if oi_pop_max(z.index, &item) if highest else oi_pop_min(z.index, &item):
        _warm_end(z, highest)
        _forget(z, item.entry)
        table_shrink_if_sparse(z.members)


cdef inline void _warm_end(ZSet* z, bint highest) noexcept:
    """Fetch what the next pops will touch: entries a few places ahead, and the bucket of one whose entry is there."""
    cdef const OiItem* item = oi_near_end(z.index, highest, 2 * POPS_AHEAD)
    if item == NULL or z.members.mask[0] < SMALL_TABLE:
        return
    remus_prefetch(item.entry)
    remus_prefetch(<const char*>item.entry + 40)
    item += POPS_AHEAD if highest else -POPS_AHEAD
    table_prefetch_bucket(z.members, table_hash(entry_key(item.entry), entry_key_length(item.entry)))


# ---- ranges
cdef void zset_score_range(Entry* e, double low, bint low_exclusive, double high, bint high_exclusive,
                           size_t* first, size_t* end) noexcept:
    """Ranks of the scores between low and high. O(log n), a listpack O(n)."""
    cdef unsigned char* lp
    cdef unsigned char* p
    cdef double score
    if not _is_listpack(e):
        oi_score_range(_zset(e).index, low, low_exclusive, high, high_exclusive, first, end)
        if end[0] < first[0]:
            end[0] = first[0]
        return
    first[0] = end[0] = 0
    lp = _listpack(e)[0]
    p = lp_first(lp)
    while p != NULL:
        p = lp_next(lp, p)
        score = _lp_score(p)
        if score < low or (low_exclusive and score == low):
            first[0] += 1
        elif score > high or (high_exclusive and score == high):
            break
        end[0] += 1
        p = lp_next(lp, p)
    if end[0] < first[0]:
        end[0] = first[0]


cdef bint _above(const ZElement* element, const LexBound* low) noexcept:
    cdef int order
    if low.kind == LEX_LOWEST or low.kind == LEX_HIGHEST:
        return low.kind == LEX_LOWEST
    order = _compare(element.member, element.length, low.member, low.length)
    return order > 0 or (order == 0 and low.kind == LEX_INCLUSIVE)


cdef bint _below(const ZElement* element, const LexBound* high) noexcept:
    cdef int order
    if high.kind == LEX_LOWEST or high.kind == LEX_HIGHEST:
        return high.kind == LEX_HIGHEST
    order = _compare(element.member, element.length, high.member, high.length)
    return order < 0 or (order == 0 and high.kind == LEX_INCLUSIVE)


cdef void zset_lex_range(Entry* e, const LexBound* low, const LexBound* high, size_t* first, size_t* end) noexcept:
    """Ranks of the members between two bounds, if all scores are equal. O(log n), a listpack O(n)."""
    cdef ZCursor cursor
    cdef ZElement element
    cdef bint found = False
    if not _is_listpack(e):
        oi_lex_range(_zset(e).index, low, high, first, end)
        if end[0] < first[0]:
            end[0] = first[0]
        return
    first[0] = end[0] = 0
    zset_walk(e, 0, zset_size(e), False, &cursor)
    while zset_next(&cursor, &element):
        if not found and not _above(&element, low):
            first[0] += 1
        elif not _below(&element, high):
            break
        else:
            found = True
        end[0] += 1
    if end[0] < first[0]:
        end[0] = first[0]


cdef bint zset_rank_range(int64_t start, int64_t stop, size_t size, size_t* first, size_t* end) noexcept:
    """start..stop, both included, negative from the end, as ranks."""
    cdef int64_t n = <int64_t>size
    if start < 0:
        start += n
    if stop < 0:
        stop += n
    if start < 0:
        start = 0
    if start > stop or start >= n:
        first[0] = end[0] = 0
        return False
    first[0] = start
    end[0] = (stop if stop < n else n - 1) + 1
    return True


cdef void zset_walk(Entry* e, size_t first, size_t end, bint backwards, ZCursor* c) noexcept:
    cdef size_t rank
    c.backwards = backwards
    c.left = end - first if end > first else 0
    c.lp = NULL
    if c.left == 0:
        return
    rank = end - 1 if backwards else first
    if _is_listpack(e):
        c.lp = _listpack(e)[0]
        c.p = lp_seek(c.lp, 2 * rank)
    else:
        oi_seek(_zset(e).index, rank, &c.at)


cdef inline bint _next(ZCursor* c, ZElement* element) noexcept:
    cdef OiItem* item
    cdef unsigned char* score_at
    if c.left == 0:
        return False
    c.left -= 1
    if c.lp == NULL:
        item = oi_item(&c.at)
        element.score = item.score
        element.member = entry_key(item.entry)
        element.length = entry_key_length(item.entry)
        if c.left:
            if c.backwards:
                oi_prev(&c.at)
            else:
                oi_next(&c.at)
        return True
    _lp_member(c.p, element)
    score_at = lp_next(c.lp, c.p)
    element.score = _lp_score(score_at)
    if c.left:
        c.p = lp_prev(c.lp, lp_prev(c.lp, c.p)) if c.backwards else lp_next(c.lp, score_at)
    return True


cdef bint zset_next(ZCursor* c, ZElement* element) noexcept:
    return _next(c, element)


cdef inline void _write_element(ZElement* element, bint scores, Output* out, int resp) noexcept:
    """Score pairs are flat for RESP2 and nested for RESP3."""
    if scores and resp == 3:
        write_header(out, c'*', 2)
    write_short(out, element.member, element.length)
    if scores:
        write_double(out, element.score, resp)


cdef inline void _write_count(size_t count, bint scores, Output* out, int resp) noexcept:
    write_header(out, c'*', 2 * count if scores and resp != 3 else count)


cdef void zset_write_range(Entry* e, size_t first, size_t end, bint backwards, bint scores, Output* out,
                           int resp) noexcept:
    """An array reply."""
    cdef ZCursor cursor
    cdef ZElement element
    zset_walk(e, first, end, backwards, &cursor)
    _write_count(cursor.left, scores, out, resp)
    while _next(&cursor, &element):
        _write_element(&element, scores, out, resp)


cdef void zset_write_member(Entry* e, size_t rank, bint scores, Output* out, int resp) noexcept:
    cdef ZCursor cursor
    cdef ZElement element
    zset_walk(e, rank, rank + 1, False, &cursor)
    _next(&cursor, &element)
    _write_element(&element, scores, out, resp)


# ---- chance
cdef size_t zset_random_rank(Entry* e) noexcept:
    return lp_random_below(&_random_state, zset_size(e))


cdef inline void _write_drawn(Entry* e, size_t count, bint scores, Output* out, int resp) noexcept:
    while count:
        count -= 1
        zset_write_member(e, zset_random_rank(e), scores, out, resp)


cdef void zset_write_random(Entry* e, size_t count, bint scores, Output* out, int resp) noexcept:
    """O(count log n)."""
    _write_count(count, scores, out, resp)
    _write_drawn(e, count, scores, out, resp)


cdef void zset_write_distinct(Entry* e, size_t count, bint scores, Output* out, int resp) noexcept:
    """Floyd's choice of ranks, each put at a random place among those before it. O(count (count + log n))."""
    cdef size_t ranks[ZSET_DRAWN]
    cdef size_t size = zset_size(e)
    cdef size_t i, j, drawn
    if count >= size:
        zset_write_range(e, 0, size, False, scores, out, resp)
        return
    _write_count(count, scores, out, resp)
    for i in range(count):
        drawn = lp_random_below(&_random_state, size - count + i + 1)
        for j in range(i):
            if ranks[j] == drawn:
                drawn = size - count + i
                break
        j = lp_random_below(&_random_state, i + 1)
        ranks[i] = ranks[j]
        ranks[j] = drawn
    for i in range(count):
        zset_write_member(e, ranks[i], scores, out, resp)


# ---- what the keyspace asks of every type
cdef void _release(int encoding, uint64_t word) noexcept:
    if encoding == ZSET_LISTPACK:
        lp_free(<unsigned char*>word)
    else:
        _zset_free(<ZSet*>word)


cdef bint _release_step(int encoding, uint64_t* word, size_t effort) noexcept:
    """The index first: its nodes point to the table's entries."""
    cdef ZSet* z = <ZSet*>word[0]
    if encoding == ZSET_LISTPACK:
        lp_free(<unsigned char*>word[0])
        return True
    if z.index != NULL:
        if oi_free_step(z.index, effort):
            z.index = NULL
        return False
    if not table_free_step(z.members, NULL, effort):
        return False
    mem_free(z, sizeof(ZSet))
    return True


cdef size_t _effort(int encoding, uint64_t word) noexcept:
    return 1 if encoding == ZSET_LISTPACK else table_size((<ZSet*>word).members)


cdef size_t _memory(int encoding, uint64_t word) noexcept:
    cdef ZSet* z = <ZSet*>word
    if encoding == ZSET_LISTPACK:
        return mem_good_size(lp_bytes(<unsigned char*>word))
    return mem_good_size(sizeof(ZSet)) + table_memory(z.members) + oi_memory(z.index)


cdef uint64_t _copy(int encoding, uint64_t word) noexcept:
    cdef ZSet* z = <ZSet*>word
    cdef ZSet* copy
    cdef OiItem* item
    cdef OiCursor cursor
    cdef bint more
    if encoding == ZSET_LISTPACK:
        return <uint64_t>lp_dup(<unsigned char*>word)
    copy = _zset_new(oi_size(z.index))
    more = oi_seek(z.index, 0, &cursor)
    while more:
        item = oi_item(&cursor)
        _insert(copy, item.score, entry_key(item.entry), entry_key_length(item.entry),
                table_hash(entry_key(item.entry), entry_key_length(item.entry)))
        more = oi_next(&cursor)
    return <uint64_t>copy


traits_of(TYPE_ZSET).release = _release
traits_of(TYPE_ZSET).release_step = _release_step
traits_of(TYPE_ZSET).effort = _effort
traits_of(TYPE_ZSET).memory = _memory
traits_of(TYPE_ZSET).copy = _copy


# ---- reading arguments
cdef bint zset_parse_lex(const char* text, size_t length, LexBound* bound) noexcept nogil:
    """`-` and `+` may be followed by a zero byte and anything, as in Redis."""
    if length == 0:
        return False
    bound.member = text + 1
    bound.length = length - 1
    if text[0] == c'[' or text[0] == c'(':
        bound.kind = LEX_INCLUSIVE if text[0] == c'[' else LEX_EXCLUSIVE
        return True
    bound.kind = LEX_LOWEST if text[0] == c'-' else LEX_HIGHEST
    return (text[0] == c'-' or text[0] == c'+') and (length == 1 or text[1] == 0)


# ---- as commands see it
cdef class _Scan:
    cdef list pairs


cdef int _collect(void* context, Entry* member) noexcept:
    cdef char text[64]
    cdef int length = snprintf(text, sizeof(text), "%.17g", _score_of(member))
    (<_Scan>context).pairs.append((PyBytes_FromStringAndSize(entry_key(member), entry_key_length(member)),
                                   PyBytes_FromStringAndSize(text, length)))
    return 0


cdef inline object _element(ZElement* element):
    return PyBytes_FromStringAndSize(element.member, element.length), element.score


cdef class SortedSet(Value):
    """A view of one sorted set. Ranges are ranks first..end (end excluded) from the lowest score."""

    TYPE = TYPE_ZSET

    cdef int create(self) except -1:
        zset_create(self.entry, 0, 0)
        return 0

    def __len__(self) -> int:
        return zset_size(self.entry)

    def encoding_name(self) -> str:
        """As OBJECT ENCODING says it."""
        return "listpack" if _is_listpack(self.entry) else "skiplist"

    # ---- one member
    def expect(self, size_t elements, size_t member_length=0) -> None:
        """So many elements, the first this long, are about to be added: a listpack too small for them grows now."""
        if _is_listpack(self.entry) and (elements > zset_limits.entries
                                         or (member_length > zset_limits.value and zset_size(self.entry) == 0)):
            zset_convert(self.entry, elements)

    def add(self, double score, bytes member, int flags=0) -> tuple[int, float]:
        """Add a member or change its score: (ADDED, UPDATED, NOTHING, NAN or 0 for "the same", its score)."""
        cdef double result = score
        cdef int outcome = zset_add(self.entry, score, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member), flags, &result)
        return outcome, result

    def remove(self, bytes member) -> bool:
        """Remove a member; False: it was none. O(log n)."""
        return zset_remove(self.entry, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member))

    def score(self, bytes member) -> float | None:
        """A member's score. O(1)."""
        cdef double score
        return score if zset_score(self.entry, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member), &score) else None

    def rank(self, bytes member, bint reverse=False) -> tuple[int, float] | None:
        """A member's rank, from the highest with `reverse`, and its score. O(log n)."""
        cdef size_t rank
        cdef double score
        if not zset_rank(self.entry, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member), &rank, &score):
            return None
        return (zset_size(self.entry) - 1 - rank if reverse else rank), score

    # ---- ranges
    def rank_range(self, int64_t start, int64_t stop, bint reverse=False) -> tuple[int, int]:
        """The ranks that start..stop (both included, negative from the end; from the highest with `reverse`) mean."""
        cdef size_t first, end
        cdef size_t size = zset_size(self.entry)
        zset_rank_range(start, stop, size, &first, &end)
        return (size - end, size - first) if reverse else (first, end)

    def score_range(self, double low, bint low_exclusive, double high, bint high_exclusive) -> tuple[int, int]:
        """The ranks of the scores between low and high. O(log n)."""
        cdef size_t first, end
        zset_score_range(self.entry, low, low_exclusive, high, high_exclusive, &first, &end)
        return first, end

    def lex_range(self, bytes low, bytes high) -> tuple[int, int]:
        """The ranks of the members between two bounds (see is_lex_bound), if all scores are equal. O(log n)."""
        cdef size_t first, end
        cdef LexBound lowest, highest
        zset_parse_lex(PyBytes_AS_STRING(low), PyBytes_GET_SIZE(low), &lowest)
        zset_parse_lex(PyBytes_AS_STRING(high), PyBytes_GET_SIZE(high), &highest)
        zset_lex_range(self.entry, &lowest, &highest, &first, &end)
        return first, end

    cdef object _items(self, size_t first, size_t end, bint backwards):
        cdef ZCursor cursor
        cdef ZElement element
        cdef list found = []
        zset_walk(self.entry, first, end, backwards, &cursor)
        while zset_next(&cursor, &element):
            found.append(_element(&element))
        return found

    def items(self, first=0, end=None, bint reverse=False) -> list[tuple[bytes, float]]:
        """Members with their scores in order. O(log n + elements)."""
        return self._items(first, zset_size(self.entry) if end is None else end, reverse)

    def reply_range(self, size_t first, size_t end, bint reverse, bint scores, int resp):
        """The reply of ZRANGE and its kin: a list, or when it is long the reply already written."""
        cdef WrittenReply written
        if end <= first + LISTED:
            found = self._items(first, end, reverse)
            return pairs_reply(found, resp) if scores else [member for member, _ in found]
        written = WrittenReply()
        zset_write_range(self.entry, first, end, reverse, scores, &written.output, resp)
        return written

    def delete_range(self, size_t first, size_t end) -> int:
        """Remove some ranks; how many elements. O(log n + elements)."""
        return zset_delete_range(self.entry, first, end)

    def pop(self, size_t count, bint highest) -> list[tuple[bytes, float]]:
        """Remove up to so many elements from one end, and return them from there on."""
        cdef size_t size = zset_size(self.entry)
        cdef size_t n = min(count, size)
        cdef size_t first = size - n if highest else 0
        found = self._items(first, first + n, highest)
        if n == 1:
            zset_delete_first(self.entry, highest)
        else:
            zset_delete_range(self.entry, first, first + n)
        return found

    # ---- chance
    def random(self) -> bytes:
        """A member, each as likely as another. O(log n)."""
        cdef size_t rank = zset_random_rank(self.entry)
        return self._items(rank, rank + 1, False)[0][0]

    def reply_random(self, size_t count, bint scores, int resp):
        """The reply of ZRANDMEMBER with a negative count: so many members, any of them repeatedly. O(count log n)."""
        cdef WrittenReply written = WrittenReply()
        zset_write_random(self.entry, count, scores, &written.output, resp)
        return written

    def random_elements(self, size_t count, bint scores, int resp):
        """A piece of such a reply: the elements without the length before them."""
        cdef WrittenReply written = WrittenReply()
        _write_drawn(self.entry, count, scores, &written.output, resp)
        return written

    def reply_ranks(self, ranks, bint scores, int resp):
        """An array reply of the elements with these ranks. O(ranks log n)."""
        cdef WrittenReply written = WrittenReply()
        _write_count(len(ranks), scores, &written.output, resp)
        for rank in ranks:
            zset_write_member(self.entry, rank, scores, &written.output, resp)
        return written

    # ---- everything
    def scan(self, uint64_t cursor, size_t count) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Some elements from `cursor` on: (next cursor, (member, score as text)). A listpack comes at once."""
        cdef _Scan found
        cdef size_t steps = count * 10
        if _is_listpack(self.entry):
            return 0, [(member, format_score(score)) for member, score in self._items(0, zset_size(self.entry), False)]
        found = _Scan()
        found.pairs = []
        while True:
            cursor = table_scan(_zset(self.entry).members, cursor, _collect, <void*>found)
            if cursor == 0 or steps == 0 or <size_t>len(found.pairs) >= count:
                return cursor, found.pairs
            steps -= 1

    def fill(self, list pairs) -> None:
        """Fill an empty value with (member, score) of distinct members; the encoding follows from number and lengths."""
        cdef ZPair* sorted_pairs = <ZPair*>malloc((len(pairs) + 1) * sizeof(ZPair))
        cdef size_t i = 0
        cdef bytes member
        for member, score in sorted(pairs, key=_by_score):
            sorted_pairs[i] = ZPair(score, PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member))
            i += 1
        zset_fill(self.entry, sorted_pairs, i)
        free(sorted_pairs)

    def check(self) -> None:
        """Assert the invariants. O(n)."""
        cdef const char* wrong
        cdef double score
        cdef Entry* found
        items = self._items(0, zset_size(self.entry), False)
        assert items == sorted(items, key=_by_score), "order"
        assert len({member for member, _ in items}) == len(items), "repeated member"
        if _is_listpack(self.entry):
            assert len(items) <= zset_limits.entries and all(len(m) <= zset_limits.value for m, _ in items), "limits"
            return
        wrong = oi_check(_zset(self.entry).index)
        assert wrong == NULL, wrong
        assert table_size(_zset(self.entry).members) == len(items), "sizes differ"
        for member, score in items:
            found = _member(_zset(self.entry), PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member))
            assert found != NULL and _score_of(found) == score, member


def _by_score(pair):
    return pair[1], pair[0]


def pairs_reply(list pairs, int resp) -> list:
    """(member, score) pairs as a reply: flat for RESP2, nested for RESP3."""
    if resp == 3:
        return [list(pair) for pair in pairs]
    return [word for pair in pairs for word in pair]


def score_digits(double score) -> bytes:
    """A score in its shortest digits (5e+9), as digests take it in."""
    cdef char text[64]
    return PyBytes_FromStringAndSize(text, format_shortest(text, score))


def format_score(double score) -> bytes:
    """A score as replies show it."""
    cdef char text[64]
    return PyBytes_FromStringAndSize(text, format_double(text, score))


value_class(SortedSet)
