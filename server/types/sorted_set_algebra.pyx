# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Everything is added up in Redis's order, for sums of doubles depend on it: unions and intersections begin with the
smallest input, and of equal ones with the first. Nothing is ever NaN: inf - inf and inf * 0 count as 0.
"""
from libc.math cimport NAN, isnan
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memcmp, memset

from iothreads.resp_writer cimport write_double, write_header
from server.registry.reply_writer cimport WrittenReply
from server.structures.listpack cimport LP_INTEGER_TEXT, LpValue, lp_integer_text
from server.structures.table cimport ENTRY_WORD, TYPE_ZSET, entry_set_type, entry_type, remus_equal, table_hash
from server.types.bulk cimport write_short
from server.types.set cimport SetWalk, set_contains, set_length, set_walk, set_walk_next
from server.types.sorted_set cimport SortedSet, ZCursor, ZElement, zset_fill, zset_next, zset_score, zset_size, zset_walk
from server.types.value cimport Value, loose_value

cdef struct Walk:                      # over one input, as it was when the walk began
    bint is_set
    ZCursor ordered
    SetWalk members


# ---- inputs
cdef inline size_t _size(Entry* e) noexcept:
    if e == NULL:
        return 0
    return zset_size(e) if entry_type(e) == TYPE_ZSET else set_length(e)


cdef void _order(ZSource* sources, int count) noexcept:
    """The smallest first."""
    cdef ZSource moved
    cdef size_t size
    cdef int i, at
    for i in range(1, count):
        moved = sources[i]
        size = _size(moved.e)
        at = i
        while at and _size(sources[at - 1].e) > size:
            sources[at] = sources[at - 1]
            at -= 1
        sources[at] = moved


cdef void _begin(Walk* walk, Entry* e) noexcept:
    walk.is_set = entry_type(e) != TYPE_ZSET
    if walk.is_set:
        set_walk(&walk.members, e)
    else:
        zset_walk(e, 0, zset_size(e), False, &walk.ordered)


cdef inline bint _next(Walk* walk, ZElement* element) noexcept:
    """Members that are integers have their text in the element."""
    cdef LpValue member
    if not walk.is_set:
        return zset_next(&walk.ordered, element)
    if not set_walk_next(&walk.members, &member):
        return False
    element.score = 1
    element.member = member.s
    element.length = member.length
    if member.s == NULL:
        element.member = element.text
        element.length = lp_integer_text(member.number, element.text)
    return True


cdef inline bint _score(const ZSource* source, const ZSource* walked, const ZElement* element, double* score) noexcept:
    """Of a member in another input than the one that is walked; 0: it is none there. A set that is walked is not looked up
    in: that may move its members."""
    score[0] = 1
    if entry_type(source.e) == TYPE_ZSET:
        return zset_score(source.e, element.member, element.length, score)
    return source.e == walked.e or set_contains(source.e, element.member, element.length)


# ---- scores
cdef inline double _number(double score) noexcept:
    return 0.0 if isnan(score) else score


cdef inline double _aggregated(double a, double b, int aggregate) noexcept:
    if aggregate == ZSUM:
        return _number(a + b)
    if aggregate == ZMIN:
        return b if b < a else a
    return b if b > a else a


# ---- the result
cdef const char* _kept(ZResult* result, ZElement* element) noexcept:
    """The member where it stays."""
    cdef Texts* texts = result.texts
    cdef char* text
    cdef size_t i
    if element.member != element.text:
        return element.member
    if texts == NULL or sizeof(texts.bytes) - texts.used < LP_INTEGER_TEXT:
        texts = <Texts*>malloc(sizeof(Texts))
        texts.next = result.texts
        texts.used = 0
        result.texts = texts
    text = texts.bytes + texts.used
    for i in range(element.length):
        text[i] = element.text[i]
    texts.used += element.length
    return text


cdef inline void _add(ZResult* result, ZElement* element, double score) noexcept:
    cdef ZPair* pair
    if result.count == result.capacity:
        result.capacity = result.capacity * 2 if result.capacity else 32
        result.pairs = <ZPair*>realloc(result.pairs, result.capacity * sizeof(ZPair))
    pair = &result.pairs[result.count]
    pair.score = score
    pair.member = _kept(result, element)
    pair.length = element.length
    result.count += 1


cdef void _expect(ZResult* result, size_t members) noexcept:
    """Room for looking up so many members; more make room themselves (`_added`)."""
    cdef size_t places = 64
    while places < 2 * members:
        places *= 2
    result.places = <uint32_t*>calloc(places, sizeof(uint32_t))
    result.places_mask = places - 1


cdef inline uint32_t* _place(ZResult* result, const char* member, size_t length) noexcept:
    """Where the number of a member's pair stands, or is to stand."""
    cdef size_t at = table_hash(member, length) & result.places_mask
    cdef ZPair* pair
    while result.places[at]:
        pair = &result.pairs[result.places[at] - 1]
        if pair.length == length and remus_equal(pair.member, member, length):
            break
        at = (at + 1) & result.places_mask
    return &result.places[at]


cdef inline void _added(ZResult* result, uint32_t* place) noexcept:
    """The pair that came last stands at this place from now on."""
    cdef size_t i
    place[0] = <uint32_t>result.count
    if 2 * result.count <= result.places_mask:
        return
    free(result.places)
    _expect(result, 2 * result.count)
    for i in range(result.count):
        _place(result, result.pairs[i].member, result.pairs[i].length)[0] = <uint32_t>(i + 1)


cdef void zresult_free(ZResult* result) noexcept:
    cdef Texts* next
    while result.texts != NULL:
        next = result.texts.next
        free(result.texts)
        result.texts = next
    free(result.places)
    free(result.pairs)
    memset(result, 0, sizeof(ZResult))


# ---- which members
cdef void _unite(ZResult* result, ZSource* sources, int count, int aggregate) noexcept:
    cdef Walk walk
    cdef ZElement element
    cdef uint32_t* place
    cdef ZPair* pair
    cdef double score
    cdef size_t members = 0
    cdef int i
    for i in range(count):
        members += _size(sources[i].e)
    _expect(result, min(members, 2 * _size(sources[count - 1].e)))      # one key may be named any number of times
    for i in range(count):
        if sources[i].e == NULL:
            continue
        _begin(&walk, sources[i].e)
        while _next(&walk, &element):
            score = _number(sources[i].weight * element.score)
            place = _place(result, element.member, element.length)
            if place[0]:
                pair = &result.pairs[place[0] - 1]
                pair.score = _aggregated(pair.score, score, aggregate)
            else:
                _add(result, &element, score)
                _added(result, place)


cdef inline bint _common(ZSource* sources, int count, int aggregate, ZElement* element) noexcept:
    """Whether all have a member of the first; its score becomes that of the intersection."""
    cdef double score
    cdef int i
    element.score = _number(sources[0].weight * element.score)
    for i in range(1, count):
        if not _score(&sources[i], &sources[0], element, &score):
            return False
        element.score = _aggregated(element.score, score * sources[i].weight, aggregate)
    return True


cdef void _intersect(ZResult* result, ZSource* sources, int count, int aggregate) noexcept:
    cdef Walk walk
    cdef ZElement element
    if sources[0].e == NULL:
        return
    _begin(&walk, sources[0].e)
    while _next(&walk, &element):
        if _common(sources, count, aggregate, &element):
            _add(result, &element, element.score)


cdef uint64_t zset_count_common(ZSource* sources, int count, uint64_t limit) noexcept:
    cdef Walk walk
    cdef ZElement element
    cdef uint64_t found = 0
    _order(sources, count)
    if sources[0].e == NULL:
        return 0
    _begin(&walk, sources[0].e)
    while _next(&walk, &element):
        if _common(sources, count, ZSUM, &element):
            found += 1
            if found == limit:
                break
    return found


cdef void _subtract(ZResult* result, ZSource* sources, int count) noexcept:
    """As sets do it: members of the first are looked up in the others, or those of the others taken from a copy."""
    cdef Walk walk
    cdef ZElement element
    cdef double score
    cdef size_t all = 0
    cdef int i
    cdef bint absent
    if sources[0].e == NULL:
        return
    for i in range(count):
        if i and sources[i].e == sources[0].e:
            return
        all += _size(sources[i].e)
    if <size_t>(count - 1) * _size(sources[0].e) > all:
        _take_away(result, sources, count)
        return
    _begin(&walk, sources[0].e)
    while _next(&walk, &element):
        absent = True
        for i in range(1, count):
            if sources[i].e != NULL and _score(&sources[i], &sources[0], &element, &score):
                absent = False
                break
        if absent:
            _add(result, &element, element.score)


cdef void _take_away(ZResult* result, ZSource* sources, int count) noexcept:
    cdef Walk walk
    cdef ZElement element
    cdef uint32_t* place
    cdef size_t i, left
    cdef int other
    _expect(result, _size(sources[0].e))
    _begin(&walk, sources[0].e)
    while _next(&walk, &element):
        place = _place(result, element.member, element.length)
        _add(result, &element, element.score)
        _added(result, place)
    left = result.count
    for other in range(1, count):
        if left == 0:
            break
        if sources[other].e == NULL:
            continue
        _begin(&walk, sources[other].e)
        while _next(&walk, &element):
            place = _place(result, element.member, element.length)
            if place[0] and not isnan(result.pairs[place[0] - 1].score):
                result.pairs[place[0] - 1].score = NAN
                left -= 1
    left = 0
    for i in range(result.count):
        if not isnan(result.pairs[i].score):
            result.pairs[left] = result.pairs[i]
            left += 1
    result.count = left


# ---- in order
cdef int _compare(const void* a, const void* b) noexcept nogil:
    cdef const ZPair* one = <const ZPair*>a
    cdef const ZPair* other = <const ZPair*>b
    cdef int order
    if one.score != other.score:
        return 1 if one.score > other.score else -1
    order = memcmp(one.member, other.member, min(one.length, other.length))
    return order if order else (one.length > other.length) - (one.length < other.length)


cdef void zpairs_sort(ZPair* pairs, size_t count) noexcept:
    """What comes from one sorted set mostly is in order."""
    cdef size_t i = 1
    while i < count and _compare(&pairs[i - 1], &pairs[i]) < 0:
        i += 1
    if i < count:
        qsort(pairs, count, sizeof(ZPair), _compare)


cdef void zresult_combine(ZResult* result, int which, ZSource* sources, int count, int aggregate) noexcept:
    memset(result, 0, sizeof(ZResult))
    if which == ZDIFFERENCE:
        _subtract(result, sources, count)
    else:
        _order(sources, count)
        if which == ZUNION:
            _unite(result, sources, count, aggregate)
        else:
            _intersect(result, sources, count, aggregate)
    zpairs_sort(result.pairs, result.count)


cdef void zresult_write(ZResult* result, bint scores, Output* out, int resp) noexcept:
    """Score pairs are flat for RESP2 and nested for RESP3."""
    cdef size_t i
    write_header(out, c'*', 2 * result.count if scores and resp != 3 else result.count)
    for i in range(result.count):
        if scores and resp == 3:
            write_header(out, c'*', 2)
        write_short(out, result.pairs[i].member, result.pairs[i].length)
        if scores:
            write_double(out, result.pairs[i].score, resp)


cdef void zresult_store(ZResult* result, LooseEntry* into) noexcept:
    into.head.klen = ENTRY_WORD
    into.head.meta = 0
    into.word = 0
    entry_set_type(&into.head, TYPE_ZSET, 0)
    zset_fill(&into.head, result.pairs, result.count)


# ---- as definitions see it
cdef class Combined:
    """What several sorted sets and sets give together; good until one of them changes."""

    cdef ZResult result

    def __init__(self, int which, list inputs, int aggregate):
        """inputs: (value or None, weight)."""
        cdef ZSource* sources = _sources(inputs if which == ZDIFFERENCE else sorted(inputs, key=_size_of))
        zresult_combine(&self.result, which, sources, <int>len(inputs), aggregate)
        free(sources)

    def __dealloc__(self):
        zresult_free(&self.result)

    def __len__(self) -> int:
        return self.result.count

    def reply(self, bint scores, int resp):
        """An array reply of the members in order."""
        cdef WrittenReply written = WrittenReply()
        zresult_write(&self.result, scores, &written.output, resp)
        return written

    def stored(self) -> SortedSet:
        """The same as a loose sorted set, for Database.store. Not of an empty result."""
        cdef SortedSet made = loose_value(SortedSet)
        zset_fill(made.entry, self.result.pairs, self.result.count)
        return made


def _size_of(pair):
    return 0 if pair[0] is None else len(pair[0])


cdef ZSource* _sources(list inputs) except NULL:
    cdef ZSource* sources = <ZSource*>malloc((len(inputs) + 1) * sizeof(ZSource))
    cdef int i = 0
    cdef Value value
    for value, weight in inputs:
        sources[i].e = NULL if value is None else value.entry
        sources[i].weight = weight
        i += 1
    return sources


def count_common(list inputs, uint64_t limit) -> int:
    """How many members all have, counting no further than `limit` (0: all). Complexity: O(N*M), N the smallest, M inputs."""
    cdef ZSource* sources = _sources(sorted(inputs, key=_size_of))
    cdef uint64_t found = zset_count_common(sources, <int>len(inputs), limit)
    free(sources)
    return found
