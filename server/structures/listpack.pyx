# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Listpack: what is too long to be inline; the format and every function's contract are in listpack.pxd.

One idea carries the file: every change replaces some bytes (none, an element, a run of elements) by an encoded
element or by nothing. `_splice` makes that hole with one memmove; all insertions, replacements and deletions are it.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove

from iothreads.decimal cimport parse_int64
from server.structures.memory cimport mem_alloc, mem_free, mem_good_size, mem_realloc

cdef uint64_t MAX_TOTAL = 0xFFFFFFFF           # what the header can say


# --- integers and their text

cdef int lp_integer_text(int64_t number, char* text) noexcept nogil:
    cdef char digits[LP_INTEGER_TEXT]
    cdef uint64_t v = <uint64_t>number if number >= 0 else 0 - <uint64_t>number
    cdef int at = LP_INTEGER_TEXT
    while True:
        at -= 1
        digits[at] = <char>(c'0' + v % 10)
        v //= 10
        if v == 0:
            break
    if number < 0:
        at -= 1
        digits[at] = c'-'
    memcpy(text, digits + at, LP_INTEGER_TEXT - at)
    return LP_INTEGER_TEXT - at


# --- walking and reading

cdef uint64_t _count(const unsigned char* lp) noexcept nogil:
    cdef uint64_t n = 0
    cdef const unsigned char* p = lp + LP_HEADER
    while p[0] != LP_EOF:
        n += 1
        p = lp_skip(p)
    return n


cdef uint64_t lp_length(unsigned char* lp) noexcept nogil:
    """A count that fits the header again is written back, as Redis does it."""
    cdef uint64_t n = lp_header_count(lp)
    if n != LP_COUNT_UNKNOWN:
        return n
    n = _count(lp)
    if n < LP_COUNT_UNKNOWN:
        lp_set_header_count(lp, <uint32_t>n)
    return n


cdef unsigned char* lp_seek(const unsigned char* lp, int64_t index) noexcept nogil:
    cdef int64_t n = lp_header_count(lp)
    cdef unsigned char* p
    cdef bint forward = index >= 0
    if n != LP_COUNT_UNKNOWN:
        if index < 0:
            index += n
        if index < 0 or index >= n:
            return NULL
        forward = index <= n // 2
        if not forward:
            index -= n
    if forward:
        p = <unsigned char*>lp + LP_HEADER
        while index > 0 and p[0] != LP_EOF:
            p = lp_skip(p)
            index -= 1
        return p if p[0] != LP_EOF else NULL
    p = lp_last(lp)
    while index < -1 and p != NULL:
        p = lp_prev(lp, p)
        index += 1
    return p


cdef bint lp_compare(const unsigned char* p, const char* s, size_t n) noexcept nogil:
    cdef LpValue value
    cdef int64_t number
    if p[0] == LP_EOF:
        return False
    lp_get(p, &value)
    if value.s != NULL:
        return value.length == n and memcmp(value.s, s, n) == 0
    return parse_int64(s, n, &number) and number == value.number


cdef unsigned char* _find_short(const unsigned char* p, const char* s, unsigned char n, uint32_t skip) noexcept nogil:
    """The common search: a string shorter than 64 bytes that is no integer. One byte rules most elements out."""
    cdef unsigned char head = 0x80 | n
    cdef unsigned char b
    cdef uint32_t i
    while True:
        b = p[0]
        if b == head:
            if memcmp(p + 1, s, n) == 0:
                return <unsigned char*>p
        elif b >= 0xE0:                        # foreign bytes may hold a short string in a long form
            if b == LP_EOF:
                return NULL
            if lp_compare(p, s, n):
                return <unsigned char*>p
        p = lp_skip(p)
        for i in range(skip):
            if p[0] == LP_EOF:
                return NULL
            p = lp_skip(p)


cdef unsigned char* lp_find(const unsigned char* lp, const unsigned char* p, const char* s, size_t n,
                            uint32_t skip) noexcept nogil:
    cdef LpValue value
    cdef int64_t number = 0
    cdef uint32_t i
    cdef bint is_integer = parse_int64(s, n, &number)
    if p == NULL:
        return NULL
    if not is_integer and n < 64:
        return _find_short(p, s, <unsigned char>n, skip)
    while p[0] != LP_EOF:
        lp_get(p, &value)
        if value.s != NULL:
            if value.length == n and memcmp(value.s, s, n) == 0:
                return <unsigned char*>p
        elif is_integer and value.number == number:
            return <unsigned char*>p
        p = lp_skip(p)
        for i in range(skip):
            if p[0] == LP_EOF:
                return NULL
            p = lp_skip(p)
    return NULL


# --- life

cdef inline void _write_empty(unsigned char* lp) noexcept nogil:
    lp_set_bytes(lp, LP_EMPTY_BYTES)
    lp_set_header_count(lp, 0)
    lp[LP_HEADER] = LP_EOF


cdef unsigned char* lp_new_in(size_t capacity) noexcept nogil:
    cdef unsigned char* lp = <unsigned char*>mem_alloc(capacity if capacity > LP_EMPTY_BYTES else LP_EMPTY_BYTES)
    _write_empty(lp)
    return lp


cdef unsigned char* lp_new() noexcept nogil:
    return lp_new_in(LP_EMPTY_BYTES)


cdef unsigned char* lp_dup(const unsigned char* lp) noexcept nogil:
    cdef unsigned char* copy = <unsigned char*>mem_alloc(lp_bytes(lp))
    memcpy(copy, lp, lp_bytes(lp))
    return copy


cdef void lp_shrink(unsigned char** lp, size_t capacity) noexcept nogil:
    if capacity != lp_bytes(lp[0]):
        lp[0] = <unsigned char*>mem_realloc(lp[0], capacity, lp_bytes(lp[0]))


# --- changing

cdef void lp_put(unsigned char* lp, size_t offset, size_t replaced, const LpEncoded* e) noexcept nogil:
    cdef size_t total = lp_bytes(lp)
    cdef unsigned char* p = lp + offset
    if e.size != replaced:
        memmove(p + e.size, p + replaced, total - offset - replaced)
        lp_set_bytes(lp, <uint32_t>(total + e.size - replaced))
    lp_write(p, e)
    if replaced == 0:
        lp_count_more(lp, 1)


cdef uint64_t lp_cut(unsigned char* lp, unsigned char* p, uint64_t count) noexcept nogil:
    cdef size_t total = lp_bytes(lp)
    cdef unsigned char* end = p
    cdef uint64_t n = 0
    while n < count and end[0] != LP_EOF:
        end = lp_skip(end)
        n += 1
    if n:
        memmove(p, end, lp + total - end)
        lp_set_bytes(lp, <uint32_t>(total - (end - p)))
        lp_count_less(lp, <uint32_t>n)
    return n


cdef inline size_t _grown(size_t capacity, size_t need) noexcept nogil:
    """The next capacity of a block with spare room: a quarter more at least."""
    cdef size_t grown = capacity + (capacity >> 2) + 16
    return mem_good_size(grown if grown > need else need)


cdef bint _splice(unsigned char** lp, size_t* capacity, size_t offset, size_t replaced,
                  const LpEncoded* e) noexcept nogil:
    """Put e in place of `replaced` bytes at offset, in a block that fits exactly (capacity NULL) or has spare room."""
    cdef size_t total = lp_bytes(lp[0])
    cdef uint64_t wanted = total + e.size - replaced
    cdef size_t grown
    if wanted > MAX_TOTAL:
        return False
    if capacity != NULL:
        if wanted > capacity[0]:
            grown = _grown(capacity[0], wanted)
            lp[0] = <unsigned char*>mem_realloc(lp[0], capacity[0], grown)
            capacity[0] = grown
        lp_put(lp[0], offset, replaced, e)
        return True
    if wanted > total:
        lp[0] = <unsigned char*>mem_realloc(lp[0], total, wanted)
    lp_put(lp[0], offset, replaced, e)
    if wanted < total:
        lp[0] = <unsigned char*>mem_realloc(lp[0], total, wanted)
    return True


cdef bint _insert(unsigned char** lp, size_t* capacity, const LpEncoded* e, unsigned char** p, int where) noexcept nogil:
    cdef size_t offset
    cdef size_t replaced = 0
    if where == LP_AFTER:
        offset = lp_skip(p[0]) - lp[0]
    else:
        offset = p[0] - lp[0]
        if where == LP_REPLACE:
            replaced = lp_skip(p[0]) - p[0]
    if not _splice(lp, capacity, offset, replaced, e):
        return False
    p[0] = lp[0] + offset
    return True


cdef bint lp_append(unsigned char** lp, const char* s, size_t n) noexcept nogil:
    cdef LpEncoded e
    lp_encode(&e, s, n)
    return _splice(lp, NULL, lp_bytes(lp[0]) - 1, 0, &e)


cdef bint lp_append_integer(unsigned char** lp, int64_t number) noexcept nogil:
    cdef LpEncoded e
    lp_encode_integer(&e, number)
    return _splice(lp, NULL, lp_bytes(lp[0]) - 1, 0, &e)


cdef bint lp_prepend(unsigned char** lp, const char* s, size_t n) noexcept nogil:
    cdef LpEncoded e
    lp_encode(&e, s, n)
    return _splice(lp, NULL, LP_HEADER, 0, &e)


cdef bint lp_prepend_integer(unsigned char** lp, int64_t number) noexcept nogil:
    cdef LpEncoded e
    lp_encode_integer(&e, number)
    return _splice(lp, NULL, LP_HEADER, 0, &e)


cdef bint lp_append_in(unsigned char** lp, size_t* capacity, const char* s, size_t n) noexcept nogil:
    cdef LpEncoded e
    lp_encode(&e, s, n)
    return _splice(lp, capacity, lp_bytes(lp[0]) - 1, 0, &e)


cdef bint lp_append_integer_in(unsigned char** lp, size_t* capacity, int64_t number) noexcept nogil:
    cdef LpEncoded e
    lp_encode_integer(&e, number)
    return _splice(lp, capacity, lp_bytes(lp[0]) - 1, 0, &e)


cdef bint lp_insert(unsigned char** lp, const char* s, size_t n, unsigned char** p, int where) noexcept nogil:
    cdef LpEncoded e
    lp_encode(&e, s, n)
    return _insert(lp, NULL, &e, p, where)


cdef bint lp_insert_integer(unsigned char** lp, int64_t number, unsigned char** p, int where) noexcept nogil:
    cdef LpEncoded e
    lp_encode_integer(&e, number)
    return _insert(lp, NULL, &e, p, where)


cdef bint lp_insert_in(unsigned char** lp, size_t* capacity, const char* s, size_t n, unsigned char** p,
                       int where) noexcept nogil:
    cdef LpEncoded e
    lp_encode(&e, s, n)
    return _insert(lp, capacity, &e, p, where)


cdef bint lp_insert_integer_in(unsigned char** lp, size_t* capacity, int64_t number, unsigned char** p,
                               int where) noexcept nogil:
    cdef LpEncoded e
    lp_encode_integer(&e, number)
    return _insert(lp, capacity, &e, p, where)


cdef bint lp_replace(unsigned char** lp, unsigned char** p, const char* s, size_t n) noexcept nogil:
    return lp_insert(lp, s, n, p, LP_REPLACE)


cdef bint lp_replace_integer(unsigned char** lp, unsigned char** p, int64_t number) noexcept nogil:
    return lp_insert_integer(lp, number, p, LP_REPLACE)


cdef uint64_t lp_delete_range_at(unsigned char** lp, unsigned char** p, uint64_t count) noexcept nogil:
    cdef size_t offset = p[0] - lp[0]
    cdef size_t total = lp_bytes(lp[0])
    cdef uint64_t deleted = lp_cut(lp[0], p[0], count)
    lp_shrink(lp, total)
    p[0] = lp[0] + offset
    if p[0][0] == LP_EOF:
        p[0] = NULL
    return deleted


cdef void lp_delete(unsigned char** lp, unsigned char** p) noexcept nogil:
    lp_delete_range_at(lp, p, 1)


cdef void lp_delete_in(unsigned char** lp, size_t* capacity, unsigned char** p) noexcept nogil:
    """The spare room stays: whoever stores the capacity knows when to `lp_shrink`."""
    lp_cut(lp[0], p[0], 1)
    if p[0][0] == LP_EOF:
        p[0] = NULL


cdef uint64_t lp_delete_range(unsigned char** lp, int64_t index, uint64_t count) noexcept nogil:
    cdef int64_t n = lp_header_count(lp[0])
    cdef size_t total = lp_bytes(lp[0])
    cdef unsigned char* p
    if count == 0:
        return 0
    p = lp_seek(lp[0], index)
    if p == NULL:
        return 0
    if n != LP_COUNT_UNKNOWN:
        if index < 0:
            index += n
        if <uint64_t>(n - index) <= count:     # all the rest: move the end mark, look at nothing
            p[0] = LP_EOF
            lp_set_bytes(lp[0], <uint32_t>(p - lp[0] + 1))
            lp_set_header_count(lp[0], <uint32_t>index)
            lp_shrink(lp, total)
            return n - index
    return lp_delete_range_at(lp, &p, count)


cdef void lp_batch_delete(unsigned char** lp, unsigned char** elements, size_t count) noexcept nogil:
    """Slide each kept run down once; O(bytes) however many are deleted."""
    cdef size_t total = lp_bytes(lp[0])
    cdef unsigned char* end = lp[0] + total
    cdef unsigned char* to
    cdef unsigned char* keep
    cdef unsigned char* keep_end
    cdef size_t i
    if count == 0:
        return
    to = elements[0]
    for i in range(count):
        keep = lp_skip(elements[i])
        keep_end = elements[i + 1] if i + 1 < count else end
        memmove(to, keep, keep_end - keep)
        to += keep_end - keep
    lp_set_bytes(lp[0], <uint32_t>(to - lp[0]))
    lp_count_less(lp[0], <uint32_t>count)
    lp_shrink(lp, total)


cdef bint lp_merge(unsigned char** first, unsigned char** second) noexcept nogil:
    cdef uint64_t a, b, elements
    if first[0] == NULL or second[0] == NULL or first[0] == second[0]:
        return False
    a = lp_bytes(first[0])
    b = lp_bytes(second[0])
    if a + b - LP_EMPTY_BYTES > MAX_TOTAL:
        return False
    elements = lp_length(first[0]) + lp_length(second[0])
    first[0] = <unsigned char*>mem_realloc(first[0], a, a + b - LP_EMPTY_BYTES)
    memcpy(first[0] + a - 1, second[0] + LP_HEADER, b - LP_HEADER)
    lp_set_bytes(first[0], <uint32_t>(a + b - LP_EMPTY_BYTES))
    lp_set_header_count(first[0], <uint32_t>elements if elements < LP_COUNT_UNKNOWN else LP_COUNT_UNKNOWN)
    lp_free(second[0])
    second[0] = NULL
    return True


# --- foreign bytes

cdef bint lp_validate_next(const unsigned char* lp, const unsigned char** p, size_t bytes) noexcept nogil:
    cdef const unsigned char* at = p[0]
    cdef size_t left
    cdef uint32_t head, backlen
    cdef uint64_t size
    if at == NULL or at < lp + LP_HEADER or at >= lp + bytes:
        return False
    if at[0] == LP_EOF:
        p[0] = NULL
        return True
    left = lp + bytes - 1 - at                 # everything but the end mark is an element's
    head = lp_head_size(at)
    if head == 0 or head > left:
        return False
    size = lp_entry_size(at)
    backlen = lp_backlen_size(size)
    if size + backlen > left:
        return False
    at += size + backlen
    if lp_read_backlen(at - 1) != size:
        return False
    p[0] = at
    return True


cdef bint lp_validate_integrity(const unsigned char* lp, size_t size, bint deep, lp_entry_check_t check,
                                void* context) noexcept nogil:
    cdef const unsigned char* p
    cdef const unsigned char* element
    cdef uint64_t count = 0
    if size < LP_EMPTY_BYTES or lp_bytes(lp) != size or lp[size - 1] != LP_EOF:
        return False
    if not deep:
        return True
    p = lp + LP_HEADER
    while p[0] != LP_EOF:
        element = p
        if not lp_validate_next(lp, &p, size):
            return False
        if check != NULL and not check(element, lp_header_count(lp), context):
            return False
        count += 1
    if p != lp + size - 1:
        return False
    return lp_header_count(lp) == LP_COUNT_UNKNOWN or lp_header_count(lp) == count


# --- arithmetic and chance

cdef uint64_t lp_estimate(int64_t number, uint64_t count) noexcept nogil:
    cdef LpEncoded e
    lp_encode_integer(&e, number)
    return LP_EMPTY_BYTES + e.size * count


cdef void lp_random_pair(unsigned char* lp, uint64_t pairs, uint64_t* state, LpValue* key,
                         LpValue* value) noexcept nogil:
    cdef unsigned char* p = lp_seek(lp, <int64_t>(lp_random_below(state, pairs) * 2))
    lp_get(p, key)
    if value != NULL:
        lp_get(lp_skip(p), value)


cdef void _draw(unsigned char* lp, uint32_t stride, uint32_t count, uint64_t* state, LpValue* firsts,
                LpValue* seconds) noexcept nogil:
    """Note where every stride-th element is, then draw from the notes: O(elements + count), and no sorting."""
    cdef uint64_t places = lp_length(lp) // stride
    cdef unsigned char** place = <unsigned char**>mem_alloc(places * sizeof(unsigned char*))
    cdef unsigned char* p = lp + LP_HEADER
    cdef uint64_t i
    cdef uint32_t drawn
    for i in range(places):
        place[i] = p
        p = lp_skip(p)
        if stride == 2:
            p = lp_skip(p)
    for drawn in range(count):
        p = place[lp_random_below(state, places)]
        lp_get(p, &firsts[drawn])
        if seconds != NULL:
            lp_get(lp_skip(p), &seconds[drawn])
    mem_free(<void*>place, places * sizeof(unsigned char*))


cdef void lp_random_pairs(unsigned char* lp, uint32_t count, uint64_t* state, LpValue* keys,
                          LpValue* values) noexcept nogil:
    _draw(lp, 2, count, state, keys, values)


cdef void lp_random_entries(unsigned char* lp, uint32_t count, uint64_t* state, LpValue* values) noexcept nogil:
    _draw(lp, 1, count, state, values, NULL)


cdef unsigned char* lp_next_random(unsigned char* lp, unsigned char* p, uint64_t* index, uint64_t remaining,
                                   bint even_only, uint64_t* state) noexcept nogil:
    """Take an element with the chance (still wanted) / (still to come): all choices are equally likely."""
    cdef uint64_t total = lp_length(lp)
    cdef uint64_t to_come
    while p != NULL and index[0] < total:
        if not (even_only and index[0] & 1):
            to_come = total - index[0]
            if even_only:
                to_come //= 2
            if to_come <= remaining or lp_random_below(state, to_come) < remaining:
                return p
        p = lp_next(lp, p)
        index[0] += 1
    return NULL


cdef uint32_t lp_random_pairs_unique(unsigned char* lp, uint32_t count, uint64_t* state, LpValue* keys,
                                     LpValue* values) noexcept nogil:
    cdef uint64_t pairs = lp_length(lp) // 2
    cdef uint64_t index = 0
    cdef uint32_t picked
    cdef unsigned char* p = lp_first(lp)
    if count > pairs:
        count = <uint32_t>pairs
    for picked in range(count):
        p = lp_next_random(lp, p, &index, count - picked, True, state)
        lp_get(p, &keys[picked])
        p = lp_skip(p)
        if values != NULL:
            lp_get(p, &values[picked])
        p = lp_next(lp, p)
        index += 2
    return count


# --- DEBUG LISTPACK

cdef bytes lp_repr(unsigned char* lp):
    """The header's figures, then each element: place, sizes, raw bytes, and its text cut after 40 bytes."""
    cdef unsigned char* p = lp_first(lp)
    cdef uint64_t size
    cdef uint32_t head, backlen
    cdef LpValue value
    cdef int index = 0
    out = [b"{total bytes %d} {num entries %d}\n" % (lp_bytes(lp), lp_length(lp))]
    while p != NULL:
        size = lp_entry_size(p)
        head = lp_head_size(p)
        backlen = lp_backlen_size(size)
        lp_get(p, &value)
        text = value.s[:value.length] if value.s != NULL else b"%d" % value.number
        out.append(
            b"{\n\taddr: 0x%08x,\n\tindex: %2d,\n\toffset: %d,\n\thdr+entrylen+backlen: %2d,\n\thdrlen: %3d,\n"
            b"\tbacklen: %2d,\n\tpayload: %d\n" % (<size_t>p, index, p - lp, size + backlen, head, backlen, size - head))
        raw = (<char*>p)[:size + backlen]
        out.append(b"\tbytes: " + b"".join(b"%02x|" % byte for byte in raw) + b"\n")
        out.append(b"\t[str]" + (text[:40] + b"..." if len(text) > 40 else text) + b"\n}\n")
        p = lp_next(lp, p)
        index += 1
    out.append(b"{end}\n\n")
    return b"".join(out)
