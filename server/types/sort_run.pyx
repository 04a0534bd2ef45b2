# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport qsort
from libc.string cimport memcmp, memcpy

from iothreads.decimal cimport parse_int64
from server.structures.listpack cimport LpValue, lp_get, lp_integer_text, lp_next, lp_seek
from server.structures.memory cimport mem_alloc, mem_free
from server.structures.quicklist cimport (
    QL_HEAD, Quicklist, QuicklistEntry, QuicklistIter, quicklist_iter_at, quicklist_iter_done, quicklist_next)
from server.structures.table cimport TYPE_LIST, TYPE_SET, TYPE_ZSET, entry_encoding, entry_type, entry_word_ref
from server.types.list cimport LIST_LISTPACK, list_length
from server.types.set cimport SetWalk, set_length, set_walk, set_walk_next
from server.types.sorted_set cimport ZCursor, ZElement, zset_next, zset_parse_score, zset_size, zset_walk

cdef int64_t _EXACT = 1 << 53          # integers up to this are exact in a double


# ---- the elements
cdef inline void _put(SortRun* run, const char* s, size_t n) noexcept:
    cdef SortElement* e = &run.elements[run.count]
    e.text = s
    e.length = n
    run.count += 1


cdef inline void _put_value(SortRun* run, const LpValue* value) noexcept:
    cdef SortElement* e = &run.elements[run.count]
    if value.s != NULL:
        _put(run, value.s, value.length)
    else:
        _put(run, e.digits, lp_integer_text(value.number, e.digits))


cdef void _collect_packed(SortRun* run, Entry* list_, size_t first, size_t end) noexcept:
    cdef unsigned char* lp = <unsigned char*>entry_word_ref(list_)[0]
    cdef unsigned char* p = lp_seek(lp, first)
    cdef LpValue value
    while first < end:
        lp_get(p, &value)
        _put_value(run, &value)
        p = lp_next(lp, p)
        first += 1


cdef void _collect_long(SortRun* run, Entry* list_, size_t first, size_t end) noexcept:
    """Twice: for the size of the texts, and for them."""
    cdef QuicklistIter walk
    cdef QuicklistEntry at
    cdef size_t i, used = 0
    cdef int turn
    for turn in range(2):
        quicklist_iter_at(<Quicklist*>entry_word_ref(list_)[0], &walk, <int64_t>first, QL_HEAD)
        for i in range(first, end):
            quicklist_next(&walk, &at)
            if turn == 0:
                run.texts_size += at.value.length if at.value.s != NULL else 0
                continue
            if at.value.s != NULL:
                memcpy(run.texts + used, at.value.s, at.value.length)
                at.value.s = run.texts + used
                used += at.value.length
            _put_value(run, &at.value)
        quicklist_iter_done(&walk)
        if turn == 0:
            run.texts_size += 1
            run.texts = <char*>mem_alloc(run.texts_size)


cdef void _collect_members(SortRun* run, Entry* e) noexcept:
    cdef SetWalk walk
    cdef LpValue member
    set_walk(&walk, e)
    while set_walk_next(&walk, &member):
        _put_value(run, &member)


cdef void _collect_scored(SortRun* run, Entry* e, size_t first, size_t end) noexcept:
    cdef ZCursor walk
    cdef ZElement at
    cdef SortElement* element
    zset_walk(e, first, end, False, &walk)
    while zset_next(&walk, &at):
        element = &run.elements[run.count]
        if at.member == at.text:
            memcpy(element.digits, at.text, at.length)
            _put(run, element.digits, at.length)
        else:
            _put(run, at.member, at.length)


cdef size_t sort_size(Entry* e) noexcept:
    cdef int type = entry_type(e)
    return list_length(e) if type == TYPE_LIST else set_length(e) if type == TYPE_SET else zset_size(e)


cdef void sort_collect(SortRun* run, Entry* e, size_t first, size_t end) noexcept:
    """Elements first..end - 1; of a set all of them."""
    cdef int type = entry_type(e)
    cdef size_t i
    run.room = max(end - first, <size_t>1)
    run.elements = <SortElement*>mem_alloc(run.room * sizeof(SortElement))
    run.ranked = <SortRanked*>mem_alloc(run.room * sizeof(SortRanked))
    if type == TYPE_SET:
        _collect_members(run, e)
    elif type == TYPE_ZSET:
        _collect_scored(run, e, first, end)
    elif entry_encoding(e) == LIST_LISTPACK:
        _collect_packed(run, e, first, end)
    else:
        _collect_long(run, e, first, end)
    for i in range(run.count):
        run.ranked[i].element = &run.elements[i]


cdef void sort_free(SortRun* run) noexcept:
    if run.elements != NULL:
        mem_free(run.elements, run.room * sizeof(SortElement))
        mem_free(run.ranked, run.room * sizeof(SortRanked))
    if run.texts != NULL:
        mem_free(run.texts, run.texts_size)


# ---- what they are compared by
cdef inline bint _number(const char* text, size_t length, double* score) noexcept:
    """As strtod reads it; nothing is 0. 0: it is none, or the definition knows better."""
    cdef int64_t number
    if parse_int64(text, length, &number) and -_EXACT <= number <= _EXACT:
        score[0] = <double>number
        return True
    if length == 0:
        score[0] = 0
        return True
    return zset_parse_score(text, length, score)


cdef inline uint64_t _head(const char* text, size_t length) noexcept:
    cdef uint64_t head = 0
    cdef size_t i
    for i in range(8):
        head = head << 8 | (<uint8_t>text[i] if i < length else 0)
    return head


# ---- order
cdef inline int _compare(const char* a, size_t a_length, const char* b, size_t b_length) noexcept nogil:
    cdef int order = memcmp(a, b, min(a_length, b_length))
    return order if order else (a_length > b_length) - (a_length < b_length)


cdef int _by_number(const void* a, const void* b) noexcept nogil:
    """Equal ones by their bytes."""
    cdef const SortRanked* one = <const SortRanked*>a
    cdef const SortRanked* other = <const SortRanked*>b
    if one.rank.score != other.rank.score:
        return 1 if one.rank.score > other.rank.score else -1
    return _compare(one.element.text, one.element.length, other.element.text, other.element.length)


cdef int _by_text(const void* a, const void* b) noexcept nogil:
    cdef const SortRanked* one = <const SortRanked*>a
    cdef const SortRanked* other = <const SortRanked*>b
    if one.rank.head != other.rank.head:
        return 1 if one.rank.head > other.rank.head else -1
    return _compare(one.element.text, one.element.length, other.element.text, other.element.length)


cdef inline int _keys(const SortRanked* one, const SortRanked* other) noexcept nogil:
    if one.element.key == NULL or other.element.key == NULL:
        return (one.element.key != NULL) - (other.element.key != NULL)
    if one.rank.head != other.rank.head:
        return 1 if one.rank.head > other.rank.head else -1
    return _compare(one.element.key, one.element.key_length, other.element.key, other.element.key_length)


cdef int _by_key(const void* a, const void* b) noexcept nogil:
    """Equal ones stay as they are."""
    cdef int order = _keys(<const SortRanked*>a, <const SortRanked*>b)
    return order if order else (1 if (<const SortRanked*>a).element > (<const SortRanked*>b).element else -1)


cdef int _by_key_down(const void* a, const void* b) noexcept nogil:
    cdef int order = _keys(<const SortRanked*>b, <const SortRanked*>a)
    return order if order else (1 if (<const SortRanked*>a).element > (<const SortRanked*>b).element else -1)


cdef void sort_reverse(SortRun* run) noexcept:
    cdef SortRanked swapped
    cdef size_t i
    for i in range(run.count // 2):
        swapped = run.ranked[i]
        run.ranked[i] = run.ranked[run.count - 1 - i]
        run.ranked[run.count - 1 - i] = swapped


cdef bint sort_rank(SortRun* run, size_t at, const char* key, size_t length, bint alpha) noexcept:
    cdef SortRanked* ranked = &run.ranked[at]
    ranked.element.key = key
    ranked.element.key_length = length
    if not alpha:
        return _number(key, length, &ranked.rank.score)
    ranked.rank.head = _head(key, length)
    return True


cdef void sort_order(SortRun* run, bint by, bint alpha, bint descending) noexcept:
    if alpha and by:
        qsort(run.ranked, run.count, sizeof(SortRanked), _by_key_down if descending else _by_key)
        return
    qsort(run.ranked, run.count, sizeof(SortRanked), _by_text if alpha else _by_number)
    if descending:
        sort_reverse(run)
