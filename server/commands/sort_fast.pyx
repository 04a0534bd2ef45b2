# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of SORT and SORT_RO: all their options, of up to MOST elements, where ALPHA compares bytes.

    collect     the elements, as they stand in the value
    look up     what BY names, then order; what GET names, of those that LIMIT leaves
    tell        counted and touched only now: what has expired meanwhile is found before, and is the definition's
    answer      a reply, or a list for STORE

A number that is none, an element or a name of unusual length, and whoever may not read every key are the
definition's, too.
"""
from libc.locale cimport LC_COLLATE, setlocale
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy, memset, strcmp

from iothreads.resp_writer cimport write_header, write_null
from server.clients.client cimport CLIENT_SCRIPT, SLOW_RESTRICTED, Client
from server.dispatch.conditions cimport SLOW_CLUSTER, state
from server.dispatch.option_words cimport OptionWords, meaning_at, words_of
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FREE, event_of, find_at, find_live, integer_at, is_awaited, is_expired, length_at, looked_up,
    missed, row, store_result, touch, word_at)
from server.keyspace.database cimport entry_string_view
from server.structures.listpack cimport lp_integer_text
from server.structures.memory cimport mem_alloc, mem_free
from server.structures.quicklist cimport QL_TAIL
from server.structures.table cimport (
    ENTRY_WORD, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STRING, TYPE_ZSET, Entry, entry_set_type, entry_type, table_find,
    table_hash)
from server.types.bulk cimport write_short
from server.types.hash cimport HashValue, hash_get
from server.types.list cimport LIST_LISTPACK, list_grow, list_new_word, list_push, list_settle
from server.types.sort_run cimport (
    SORT_DIGITS, SortElement, SortRun, sort_collect, sort_free, sort_order, sort_rank, sort_reverse, sort_size)
from server.types.value cimport LooseEntry

cdef enum:
    MOST = 100000                      # elements
    MOST_PATTERNS = 16                 # of GET
    LONGEST_NAME = 512                 # bytes of a key that a pattern makes

cdef enum:                             # what words mean
    BY = 1
    GET = 2
    LIMIT = 3
    ASCENDING = 4
    DESCENDING = 5
    ALPHA = 6
    STORE = 7

cdef const Event* _STORED = event_of("sortstore")
cdef dict _MEANINGS = {"BY": BY, "GET": GET, "LIMIT": LIMIT, "ASC": ASCENDING, "DESC": DESCENDING, "ALPHA": ALPHA}
cdef const OptionWords* _SORT = words_of("sort", {**_MEANINGS, "STORE": STORE})
cdef const OptionWords* _SORT_RO = words_of("sort_ro", _MEANINGS)


# ---- what is asked for
cdef struct Pattern:                   # `before*behind`, or `before*behind->field`
    bint element                       # `#`
    bint names                         # it has a star
    const char* before
    size_t before_length
    const char* behind
    size_t behind_length
    const char* field                  # NULL: a string is meant
    size_t field_length

cdef struct Sorting:
    bint descending
    bint alpha
    bint ordered                       # not BY a constant
    bint by                            # BY a pattern
    Pattern key
    Pattern get[MOST_PATTERNS]
    int gets
    int64_t offset
    int64_t count                      # negative: all
    uint32_t store                     # argument; 0: none


cdef void _read_pattern(Pattern* pattern, const char* text, size_t length) noexcept:
    cdef const char* star = <const char*>memchr(text, c'*', length)
    cdef const char* end = text + length
    cdef const char* arrow
    pattern.element = length == 1 and text[0] == c'#'
    pattern.names = star != NULL
    pattern.field = NULL
    if star == NULL:
        return
    pattern.before = text
    pattern.before_length = star - text
    pattern.behind = star + 1
    pattern.behind_length = end - star - 1
    arrow = star + 1
    while arrow + 2 < end:
        if arrow[0] == c'-' and arrow[1] == c'>':
            pattern.behind_length = arrow - pattern.behind
            pattern.field = arrow + 2
            pattern.field_length = end - arrow - 2
            return
        arrow += 1


cdef bint _read_value(Op* op, uint32_t means, uint32_t at, Sorting* sorting) noexcept:
    """The value of a word, in argument `at`."""
    if means == BY:
        _read_pattern(&sorting.key, word_at(op, at), length_at(op, at))
        sorting.by = sorting.key.names
        sorting.ordered = sorting.key.names
    elif means == GET:
        if sorting.gets == MOST_PATTERNS:
            return False
        _read_pattern(&sorting.get[sorting.gets], word_at(op, at), length_at(op, at))
        sorting.gets += 1
    elif means == STORE:
        sorting.store = at
    else:
        return (means == LIMIT and at + 1 < op.r.arg_count and integer_at(op, at, &sorting.offset)
                and integer_at(op, at + 1, &sorting.count))
    return True


cdef bint _read(Op* op, Sorting* sorting) noexcept:
    """To the end; 0: something is wrong."""
    cdef const OptionWords* words = _SORT_RO if op.how else _SORT
    cdef uint32_t means, at = 2
    sorting.descending = sorting.alpha = sorting.by = False
    sorting.ordered = True
    sorting.gets = 0
    sorting.offset = 0
    sorting.count = -1
    sorting.store = 0
    while at < op.r.arg_count:
        means = meaning_at(op, words, at)
        at += 1
        if means == ASCENDING or means == DESCENDING:
            sorting.descending = means == DESCENDING
        elif means == ALPHA:
            sorting.alpha = True
        elif means == 0 or at == op.r.arg_count or not _read_value(op, means, at, sorting):
            return False
        else:
            at += 2 if means == LIMIT else 1
    return True


cdef bint _collates_bytes() noexcept:
    cdef const char* name = setlocale(LC_COLLATE, NULL)
    return (name == NULL or strcmp(name, "C") == 0 or strcmp(name, "POSIX") == 0 or strcmp(name, "C.UTF-8") == 0
            or strcmp(name, "C.utf8") == 0)


cdef bint _may(Op* op, const Sorting* sorting) noexcept:
    """Keys that are made up can be neither routed nor checked one by one, and nobody may hear which are missed."""
    cdef Client c = <Client>op.client
    if (sorting.by or sorting.gets) and (state.all & SLOW_CLUSTER or c.slow & SLOW_RESTRICTED
                                         or c.db.keyspace.on_miss is not None):
        return False
    return not sorting.alpha or sorting.store or _collates_bytes()


# ---- looking up
cdef struct Run:
    SortRun sorted
    Entry** got                        # what GET names, `gets` for each of the elements that are replied with
    size_t got_count
    uint64_t hits
    uint64_t misses


cdef bint _find(Op* op, const Pattern* pattern, const SortElement* element, Entry** named) noexcept:
    """The entry of the key that a pattern makes of an element; NULL: there is none. 0: the definition must look."""
    cdef char name[LONGEST_NAME]
    cdef size_t length = pattern.before_length + element.length + pattern.behind_length
    if length > LONGEST_NAME:
        return False
    memcpy(name, pattern.before, pattern.before_length)
    memcpy(name + pattern.before_length, element.text, element.length)
    memcpy(name + pattern.before_length + element.length, pattern.behind, pattern.behind_length)
    named[0] = table_find(op.table, name, length, table_hash(name, length))
    return named[0] == NULL or not is_expired(<Client>op.client, named[0])


cdef bint _value(const Pattern* pattern, Entry* named, char* digits, const char** text, size_t* length) noexcept:
    """What the pattern means there: a string, or a field of a hash. 0: nothing."""
    cdef HashValue value
    if named == NULL:
        return False
    if pattern.field == NULL:
        if entry_type(named) != TYPE_STRING:
            return False
        length[0] = entry_string_view(named, digits, <char**>text)
        return True
    if entry_type(named) != TYPE_HASH or not hash_get(named, pattern.field, pattern.field_length, &value):
        return False
    if value.text.s == NULL:
        text[0] = digits
        length[0] = lp_integer_text(value.text.number, digits)
    else:
        text[0] = value.text.s
        length[0] = value.text.length
    return True


cdef inline void _count(Op* op, Run* run, Entry* named) noexcept:
    if named != NULL:
        touch(<Client>op.client, named)
        run.hits += 1
    else:
        run.misses += 1


cdef bint _rank(Op* op, Run* run, const Sorting* sorting) noexcept:
    """What each element is compared by; 0: one is no number, or a key has expired."""
    cdef SortElement* e
    cdef const char* text
    cdef size_t i, length
    for i in range(run.sorted.count):
        e = &run.sorted.elements[i]
        text = e.text
        length = e.length
        if sorting.by:
            if not _find(op, &sorting.key, e, &e.named):
                return False
            if not _value(&sorting.key, e.named, e.key_digits, &text, &length):
                text = NULL
                length = 0
        if not sort_rank(&run.sorted, i, text, length, sorting.alpha):
            return False
    return True


# ---- the answer
cdef bint _look_up_got(Op* op, Run* run, const Sorting* sorting, size_t first, size_t end) noexcept:
    """What GET names, for ranks first..end - 1; 0: a key has expired."""
    cdef size_t i, at = 0
    cdef int which
    run.got_count = (end - first) * <size_t>sorting.gets
    run.got = <Entry**>mem_alloc(max(run.got_count, <size_t>1) * sizeof(Entry*))
    for i in range(first, end):
        for which in range(sorting.gets):
            run.got[at] = NULL
            if (sorting.get[which].names
                    and not _find(op, &sorting.get[which], run.sorted.ranked[i].element, &run.got[at])):
                return False
            at += 1
    return True


cdef void _tell(Op* op, Run* run, const Sorting* sorting) noexcept:
    """Hits, misses, accesses."""
    cdef size_t i
    if sorting.by:
        for i in range(run.sorted.count):
            _count(op, run, run.sorted.elements[i].named)
    for i in range(run.got_count):
        if sorting.get[i % <size_t>sorting.gets].names:
            _count(op, run, run.got[i])
    (<Client>op.client).db.keyspace.hits += run.hits
    (<Client>op.client).db.keyspace.misses += run.misses


cdef bint _text_of(Run* run, const Sorting* sorting, const SortElement* element, int which, size_t at, char* digits,
                   const char** text, size_t* length) noexcept:
    """One word of the answer: GET number `which` of an element, or the element itself; 0: null."""
    cdef const Pattern* pattern
    if sorting.gets:
        pattern = &sorting.get[which]
        if not pattern.element:
            return pattern.names and _value(pattern, run.got[at], digits, text, length)
    text[0] = element.text
    length[0] = element.length
    return True


cdef void _write(Op* op, Run* run, const Sorting* sorting, size_t first, size_t end) noexcept:
    cdef char digits[SORT_DIGITS]
    cdef const char* text
    cdef size_t i, length, at = 0
    cdef int which, each = max(sorting.gets, 1)
    write_header(op.out, c'*', (end - first) * <size_t>each)
    for i in range(first, end):
        for which in range(each):
            if _text_of(run, sorting, run.sorted.ranked[i].element, which, at, digits, &text, &length):
                write_short(op.out, text, length)
            else:
                write_null(op.out, (<Client>op.client).resp)
            at += 1


cdef void _fill(Run* run, const Sorting* sorting, size_t first, size_t end, Entry* into) noexcept:
    """A list of the same, empty where that is null: room is made for all of it first, as a push of all would."""
    cdef char digits[SORT_DIGITS]
    cdef const char* text
    cdef size_t i, length, at, total = 0
    cdef int which, turn, each = max(sorting.gets, 1)
    for turn in range(2):
        at = 0
        for i in range(first, end):
            for which in range(each):
                if not _text_of(run, sorting, run.sorted.ranked[i].element, which, at, digits, &text, &length):
                    text = digits
                    length = 0
                if turn == 0:
                    total += length
                else:
                    list_push(into, text, length, QL_TAIL)
                at += 1
        if turn == 0:
            list_grow(into, total, (end - first) * <size_t>each)
    list_settle(into)


cdef int _store(Op* op, Run* run, const Sorting* sorting, size_t first, size_t end) except -1:
    cdef int64_t elements = <int64_t>((end - first) * <size_t>max(sorting.gets, 1))
    cdef LooseEntry stored
    stored.head.klen = ENTRY_WORD
    stored.head.meta = 0
    entry_set_type(&stored.head, TYPE_LIST, LIST_LISTPACK)
    stored.word = list_new_word()
    _fill(run, sorting, first, end, &stored.head)
    find_at(op, sorting.store)
    return store_result(op, &stored.head, elements, _STORED, elements)


cdef int _answer(Op* op, Run* run, const Sorting* sorting, size_t first, size_t end) except -1:
    """0: the definition's, and nothing was done."""
    if sorting.gets and not _look_up_got(op, run, sorting, first, end):
        return 0
    find_at(op, 1)
    if op.e == NULL:
        missed(<Client>op.client, op.b, op.r, 1)
    else:
        looked_up(op)
    _tell(op, run, sorting)
    if sorting.store:
        _store(op, run, sorting, first, end)
    else:
        _write(op, run, sorting, first, end)
    return 1


cdef void _bounds(const Sorting* sorting, size_t count, size_t* first, size_t* end) noexcept:
    """LIMIT, of so many elements."""
    cdef uint64_t offset = <uint64_t>max(sorting.offset, <int64_t>0)
    first[0] = min(offset, count)
    end[0] = count
    if sorting.count >= 0 and <uint64_t>sorting.count < count - first[0]:
        end[0] = first[0] + <size_t>sorting.count


cdef int _sort(Op* op, Run* run, Sorting* sorting, Entry* e) except -1:
    """Of a key that is there; 0: the definition's, and nothing was done."""
    cdef bint is_set = entry_type(e) == TYPE_SET
    cdef size_t first, end, size = sort_size(e)
    if not sorting.ordered and is_set and (sorting.store or (<Client>op.client).state & CLIENT_SCRIPT):
        sorting.ordered = sorting.alpha = True         # so that replicas agree
    _bounds(sorting, size, &first, &end)
    if sorting.ordered or is_set:
        sort_collect(&run.sorted, e, 0, size)
        if sorting.ordered:
            if not _rank(op, run, sorting):
                return 0
            sort_order(&run.sorted, sorting.by, sorting.alpha, sorting.descending)
        return _answer(op, run, sorting, first, end)
    if sorting.descending:                             # the part alone
        sort_collect(&run.sorted, e, size - end, size - first)
        sort_reverse(&run.sorted)
    else:
        sort_collect(&run.sorted, e, first, end)
    return _answer(op, run, sorting, 0, run.sorted.count)


cdef int64_t _sort_key(Op* op) except -1:
    """op.how: SORT_RO."""
    cdef Client c = <Client>op.client
    cdef Sorting sorting
    cdef Run run
    cdef Entry* e
    cdef int type, done
    if not _read(op, &sorting) or not _may(op, &sorting) or not find_live(op, 1):
        return DECLINED
    if sorting.store and (is_awaited(op, sorting.store) or not find_live(op, sorting.store)):
        return DECLINED
    memset(&run, 0, sizeof(Run))
    e = find_at(op, 1)
    if e == NULL:
        if c.subscriptions is not None and c.db.keyspace.on_miss is not None:
            return DECLINED
        sorting.gets = 0
        sorting.by = False
        return 0 if _answer(op, &run, &sorting, 0, 0) else DECLINED
    type = entry_type(e)
    if type != TYPE_LIST and type != TYPE_SET and type != TYPE_ZSET:
        return DECLINED
    if sort_size(e) > MOST:
        return DECLINED
    done = _sort(op, &run, &sorting, e)
    sort_free(&run.sorted)
    if run.got != NULL:
        mem_free(run.got, max(run.got_count, <size_t>1) * sizeof(Entry*))
    return 0 if done else DECLINED


row("sort", FREE, ANY_TYPE, _sort_key)
row("sort_ro", FREE, ANY_TYPE, _sort_key, "", 1)
