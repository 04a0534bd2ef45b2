# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.decimal cimport parse_int64
from iothreads.message cimport Output
from iothreads.resp_writer cimport write_header
from server.structures.listpack cimport (
    LP_AFTER, LP_BEFORE, LpValue, lp_append, lp_bytes, lp_compare, lp_delete, lp_delete_range, lp_dup, lp_first, lp_free,
    lp_get, lp_insert, lp_last, lp_length, lp_new, lp_next, lp_prepend, lp_prev, lp_replace, lp_repr, lp_seek,
    lp_skip)
from server.structures.memory cimport mem_good_size
from server.structures.quicklist cimport (
    QL_HEAD, QL_TAIL, Quicklist, QuicklistEntry, QuicklistIter, QuicklistNode, quicklist_compare,
    quicklist_delete_entry, quicklist_delete_range, quicklist_drop, quicklist_dup, quicklist_free, quicklist_free_step,
    quicklist_from_listpack, quicklist_index, quicklist_insert_after, quicklist_insert_before, quicklist_iter,
    quicklist_iter_at, quicklist_iter_done, quicklist_new, quicklist_next, quicklist_node_exceeds_limit,
    quicklist_node_is_compressed, quicklist_node_is_plain, quicklist_node_size, quicklist_peek, quicklist_push,
    quicklist_replace_at, quicklist_repr,
    quicklist_set_packed_threshold, quicklist_size_limit, quicklist_take_listpack)
from server.structures.table cimport TYPE_LIST, Entry, entry_encoding, entry_set_type, entry_word_ref
from server.types.bulk cimport element_bytes, write_element
from server.types.value cimport TypeTraits, Value, traits_of, value_class

HEAD = QL_HEAD
TAIL = QL_TAIL

limits.fill = -2
limits.compress = 0


def set_limits(config) -> None:
    """Follow list-max-listpack-size and list-compress-depth."""
    limits.fill = max(-32768, min(32767, config.list_max_listpack_size))
    limits.compress = min(65535, config.list_compress_depth)


def set_packed_threshold(size_t threshold) -> bool:
    """DEBUG QUICKLIST-PACKED-THRESHOLD: bytes from which an element gets a node of its own; 0 is the default."""
    return quicklist_set_packed_threshold(threshold)


# ---- the entry's word
cdef inline Quicklist* _quicklist(Entry* e) noexcept nogil:
    return <Quicklist*>entry_word_ref(e)[0]


cdef inline unsigned char** _listpack(Entry* e) noexcept nogil:
    return <unsigned char**>entry_word_ref(e)


cdef inline bint _packed(Entry* e) noexcept nogil:
    return entry_encoding(e) == LIST_LISTPACK


cdef uint64_t list_new_word() noexcept nogil:
    return <uint64_t>lp_new()


cdef uint64_t list_length(Entry* e) noexcept nogil:
    return lp_length(_listpack(e)[0]) if _packed(e) else _quicklist(e).count


# ---- conversions
cdef void list_grow(Entry* e, size_t bytes, uint64_t count) noexcept nogil:
    cdef unsigned char* lp
    if not _packed(e):
        return
    lp = _listpack(e)[0]
    if quicklist_node_exceeds_limit(limits.fill, lp_bytes(lp) + bytes, lp_length(lp) + count):
        entry_word_ref(e)[0] = <uint64_t>quicklist_from_listpack(lp, limits.fill, limits.compress)
        entry_set_type(e, TYPE_LIST, LIST_QUICKLIST)


cdef void _unify(Entry* e, uint64_t divisor) noexcept nogil:
    """A quicklist of one packed node within the limit (or a part of it) becomes a listpack."""
    cdef Quicklist* q = _quicklist(e)
    cdef int fill = limits.fill
    if q.length != 1 or quicklist_node_is_plain(q.head):
        return
    if fill >= 0:
        if q.count > <uint64_t>(fill if fill else 1) // divisor:
            return
    elif quicklist_node_size(q.head) > quicklist_size_limit(fill) // divisor:
        return
    entry_word_ref(e)[0] = <uint64_t>quicklist_take_listpack(q)
    entry_set_type(e, TYPE_LIST, LIST_LISTPACK)


cdef void list_shrink(Entry* e) noexcept nogil:
    if not _packed(e):
        _unify(e, 2)


cdef void list_settle(Entry* e) noexcept nogil:
    if _packed(e):
        list_grow(e, 0, 0)
    else:
        _unify(e, 1)


# ---- ends
cdef void list_push(Entry* e, const char* s, size_t n, int end) noexcept nogil:
    if not _packed(e):
        quicklist_push(_quicklist(e), s, n, end)
    elif end == QL_HEAD:
        lp_prepend(_listpack(e), s, n)
    else:
        lp_append(_listpack(e), s, n)


cdef bint list_peek(Entry* e, int end, LpValue* value) noexcept nogil:
    cdef unsigned char* p
    if not _packed(e):
        return quicklist_peek(_quicklist(e), end, value)
    p = lp_first(_listpack(e)[0]) if end == QL_HEAD else lp_last(_listpack(e)[0])
    if p == NULL:
        return False
    lp_get(p, value)
    return True


cdef void list_drop(Entry* e, int end) noexcept nogil:
    cdef unsigned char* p
    if not _packed(e):
        quicklist_drop(_quicklist(e), end)
        return
    p = lp_first(_listpack(e)[0]) if end == QL_HEAD else lp_last(_listpack(e)[0])
    lp_delete(_listpack(e), &p)


# ---- in the middle
cdef bint list_near(Entry* e, int64_t at, LpValue* value) noexcept nogil:
    """Any of a listpack, the first and the last of a quicklist."""
    cdef unsigned char* p
    if at == 0 or at == -1:
        return list_peek(e, QL_TAIL if at else QL_HEAD, value)
    if not _packed(e):
        return False
    p = lp_seek(_listpack(e)[0], at)
    if p == NULL:
        return False
    lp_get(p, value)
    return True


cdef bint list_replace(Entry* e, int64_t at, const char* s, size_t n) noexcept nogil:
    """O(N) to the nearer end, by nodes."""
    cdef unsigned char* p
    list_grow(e, n, 1)
    if not _packed(e):
        return quicklist_replace_at(_quicklist(e), at, s, n)
    p = lp_seek(_listpack(e)[0], at)
    if p == NULL:
        return False
    lp_replace(_listpack(e), &p, s, n)
    return True


cdef int64_t list_position(Entry* e, const char* s, size_t n) noexcept nogil:
    """O(N)."""
    cdef unsigned char* p
    cdef QuicklistIter it
    cdef QuicklistEntry entry
    cdef int64_t at = 0
    if _packed(e):
        p = lp_first(_listpack(e)[0])
        while p != NULL:
            if lp_compare(p, s, n):
                return at
            p = lp_next(_listpack(e)[0], p)
            at += 1
        return -1
    quicklist_iter(_quicklist(e), &it, QL_HEAD)
    while quicklist_next(&it, &entry):
        if quicklist_compare(&entry, s, n):
            quicklist_iter_done(&it)
            return at
        at += 1
    quicklist_iter_done(&it)
    return -1


cdef bint list_insert(Entry* e, const char* pivot, size_t n, const char* s, size_t m, bint after) noexcept nogil:
    """O(N)."""
    cdef unsigned char* p
    cdef QuicklistIter it
    cdef QuicklistEntry entry
    list_grow(e, m, 1)
    if _packed(e):
        p = lp_first(_listpack(e)[0])
        while p != NULL and not lp_compare(p, pivot, n):
            p = lp_next(_listpack(e)[0], p)
        if p == NULL:
            return False
        lp_insert(_listpack(e), s, m, &p, LP_AFTER if after else LP_BEFORE)
        return True
    quicklist_iter(_quicklist(e), &it, QL_HEAD)
    while quicklist_next(&it, &entry):
        if quicklist_compare(&entry, pivot, n):
            if after:
                quicklist_insert_after(&it, &entry, s, m)
            else:
                quicklist_insert_before(&it, &entry, s, m)
            return True
    quicklist_iter_done(&it)
    return False


# ---- replies
cdef bint list_bounds(Entry* e, int64_t* start, int64_t* stop) noexcept nogil:
    cdef int64_t length = <int64_t>list_length(e)
    if start[0] < 0:
        start[0] = max(0, start[0] + length)
    if stop[0] < 0:
        stop[0] += length
    if stop[0] >= length:
        stop[0] = length - 1
    return start[0] <= stop[0]


cdef void list_write_range(Entry* e, Output* out, int64_t start, int64_t stop) noexcept:
    cdef int64_t left = stop - start + 1
    cdef unsigned char* p
    cdef LpValue value
    cdef QuicklistIter it
    cdef QuicklistEntry entry
    write_header(out, c'*', left)
    if _packed(e):
        p = lp_seek(_listpack(e)[0], start)
        while left:
            lp_get(p, &value)
            write_element(out, &value)
            p = lp_skip(p)
            left -= 1
        return
    quicklist_iter_at(_quicklist(e), &it, start, QL_HEAD)
    while left and quicklist_next(&it, &entry):
        write_element(out, &entry.value)
        left -= 1
    quicklist_iter_done(&it)


# ---- the view
cdef class List(Value):
    """A list. Indexes count from 0, negative ones from the tail; elements are bytes."""
    TYPE = TYPE_LIST

    cdef int create(self) except -1:
        entry_word_ref(self.entry)[0] = list_new_word()
        entry_set_type(self.entry, TYPE_LIST, LIST_LISTPACK)
        return 0

    def __len__(self) -> int:
        return list_length(self.entry)

    def encoding_name(self) -> str:
        """What OBJECT ENCODING says."""
        return "listpack" if _packed(self.entry) else "quicklist"

    # ---- ends
    def push(self, values, int end) -> int:
        """Add values at an end, one after the other; the new length. Complexity: O(1) per value."""
        cdef bytes value
        cdef size_t total = 0
        for value in values:
            total += PyBytes_GET_SIZE(value)
        list_grow(self.entry, total, len(values))
        for value in values:
            list_push(self.entry, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), end)
        return list_length(self.entry)

    def push_popped(self, bytes value, int end) -> None:
        """Add what another list's pop gave. As in Redis, an integer is then reckoned without bytes when the encoding is
        chosen, for it never was a string."""
        cdef int64_t number
        cdef size_t n = PyBytes_GET_SIZE(value)
        list_grow(self.entry, 0 if parse_int64(PyBytes_AS_STRING(value), n, &number) else n, 1)
        list_push(self.entry, PyBytes_AS_STRING(value), n, end)

    def pop(self, int end) -> bytes | None:
        """Take the first or last element; None from an empty list. `shrink` is due afterwards. Complexity: O(1)."""
        cdef LpValue value
        cdef bytes text
        if not list_peek(self.entry, end, &value):
            return None
        text = element_bytes(&value)
        list_drop(self.entry, end)
        return text

    def shrink(self) -> None:
        """Choose the encoding anew after elements went."""
        list_shrink(self.entry)

    def settle(self) -> None:
        """Choose the encoding anew after the list was built (SORT STORE, loading)."""
        list_settle(self.entry)

    # ---- reading
    def range(self, int64_t start, int64_t stop, bint reverse=False) -> list[bytes]:
        """Elements start..stop, both included; from the last to the first with `reverse`. Complexity: O(S+N), S the
        elements between start and the nearer end."""
        cdef list found = []
        cdef unsigned char* lp
        cdef unsigned char* p
        cdef LpValue value
        cdef QuicklistIter it
        cdef QuicklistEntry entry
        cdef int64_t left
        if not list_bounds(self.entry, &start, &stop):
            return found
        left = stop - start + 1
        if reverse:
            start = stop
        if _packed(self.entry):
            lp = _listpack(self.entry)[0]
            p = lp_seek(lp, start)
            while left:
                lp_get(p, &value)
                found.append(element_bytes(&value))
                p = lp_prev(lp, p) if reverse else lp_skip(p)
                left -= 1
            return found
        quicklist_iter_at(_quicklist(self.entry), &it, start, QL_TAIL if reverse else QL_HEAD)
        while left and quicklist_next(&it, &entry):
            found.append(element_bytes(&entry.value))
            left -= 1
        quicklist_iter_done(&it)
        return found

    def items(self) -> list[bytes]:
        """All elements."""
        return self.range(0, -1)

    def index(self, int64_t at) -> bytes | None:
        """One element; None when there is no such index. Complexity: O(N) to the nearer end, by nodes."""
        cdef unsigned char* p
        cdef LpValue value
        cdef QuicklistIter it
        cdef QuicklistEntry entry
        cdef bytes text
        if _packed(self.entry):
            p = lp_seek(_listpack(self.entry)[0], at)
            if p == NULL:
                return None
            lp_get(p, &value)
            return element_bytes(&value)
        if not quicklist_index(_quicklist(self.entry), &it, at, &entry):
            return None
        text = element_bytes(&entry.value)
        quicklist_iter_done(&it)
        return text

    def positions(self, bytes wanted, int64_t rank, int64_t count, int64_t max_length, bint from_tail) -> list[int]:
        """Indexes of elements equal to `wanted`: from the rank-th match on (1 is the first), at most `count` of them
        (0: all), looking at `max_length` elements at most (0: all). Indexes always count from the head.
        Complexity: O(N)."""
        cdef list found = []
        cdef const char* s = PyBytes_AS_STRING(wanted)
        cdef size_t n = PyBytes_GET_SIZE(wanted)
        cdef int64_t length = <int64_t>list_length(self.entry)
        cdef int64_t seen = 0
        cdef unsigned char* lp
        cdef unsigned char* p = NULL
        cdef QuicklistIter it
        cdef QuicklistEntry entry
        cdef bint packed = _packed(self.entry)
        cdef bint same
        if packed:
            lp = _listpack(self.entry)[0]
            p = lp_last(lp) if from_tail else lp_first(lp)
        else:
            quicklist_iter(_quicklist(self.entry), &it, QL_TAIL if from_tail else QL_HEAD)
        while max_length == 0 or seen < max_length:
            if packed:
                if p == NULL:
                    break
                same = lp_compare(p, s, n)
                p = lp_prev(lp, p) if from_tail else lp_next(lp, p)
            else:
                if not quicklist_next(&it, &entry):
                    break
                same = quicklist_compare(&entry, s, n)
            if same:
                rank -= 1
                if rank <= 0:
                    found.append(length - seen - 1 if from_tail else seen)
                    if count and <int64_t>len(found) >= count:
                        break
            seen += 1
        if not packed:
            quicklist_iter_done(&it)
        return found

    # ---- changing
    def replace(self, int64_t at, bytes value) -> bool:
        """Put a value in the place of another; False when there is no such index. Complexity: as `index`."""
        return list_replace(self.entry, at, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))

    def insert(self, bytes pivot, bytes value, bint after) -> bool:
        """Put a value before or after the first element equal to `pivot`; False without one. Complexity: O(N)."""
        return list_insert(self.entry, PyBytes_AS_STRING(pivot), PyBytes_GET_SIZE(pivot), PyBytes_AS_STRING(value),
                           PyBytes_GET_SIZE(value), after)

    def remove(self, bytes value, int64_t count) -> int:
        """Delete elements equal to a value: the first `count`, the last -count, or all for 0; how many went.
        `shrink` is due afterwards. Complexity: O(N)."""
        cdef const char* s = PyBytes_AS_STRING(value)
        cdef size_t n = PyBytes_GET_SIZE(value)
        cdef bint backwards = count < 0
        cdef uint64_t limit = <uint64_t>0 - <uint64_t>count if backwards else <uint64_t>count
        cdef uint64_t removed = 0
        cdef QuicklistIter it
        cdef QuicklistEntry entry
        if _packed(self.entry):
            return _remove_packed(_listpack(self.entry), s, n, limit, backwards)
        quicklist_iter(_quicklist(self.entry), &it, QL_TAIL if backwards else QL_HEAD)
        while quicklist_next(&it, &entry):
            if quicklist_compare(&entry, s, n):
                quicklist_delete_entry(&it, &entry)
                removed += 1
                if removed == limit:
                    break
        quicklist_iter_done(&it)
        return removed

    def delete_range(self, int64_t start, int64_t count) -> None:
        """Delete `count` elements from index `start` (0 or more) on. `shrink` is due afterwards. Complexity: O(S+N)."""
        if count <= 0:
            return
        if _packed(self.entry):
            lp_delete_range(_listpack(self.entry), start, count)
        else:
            quicklist_delete_range(_quicklist(self.entry), start, count)

    # ---- what DEBUG shows
    def debug_text(self, bint full=False) -> bytes:
        """The value's inside, for people."""
        if _packed(self.entry):
            return lp_repr(_listpack(self.entry)[0])
        return quicklist_repr(_quicklist(self.entry), full)

    def debug_object(self) -> str:
        """What DEBUG OBJECT adds for a quicklist."""
        cdef Quicklist* q
        cdef QuicklistNode* node
        cdef uint64_t total = 0
        if _packed(self.entry):
            return ""
        q = _quicklist(self.entry)
        node = q.head
        while node != NULL:
            total += quicklist_node_size(node)
            node = node.next
        return (f" ql_nodes:{q.length} ql_avg_node:{<double>q.count / q.length:.2f} ql_listpack_max:{q.fill} "
                f"ql_compressed:{int(q.compress != 0)} ql_uncompressed_size:{total}")


cdef uint64_t _remove_packed(unsigned char** lp, const char* s, size_t n, uint64_t limit, bint backwards) noexcept:
    cdef unsigned char* p = lp_last(lp[0]) if backwards else lp_first(lp[0])
    cdef unsigned char* before
    cdef size_t offset
    cdef uint64_t removed = 0
    while p != NULL:
        if not lp_compare(p, s, n):
            p = lp_prev(lp[0], p) if backwards else lp_next(lp[0], p)
            continue
        before = lp_prev(lp[0], p) if backwards else NULL
        offset = before - lp[0] if before != NULL else 0
        lp_delete(lp, &p)
        if backwards:
            p = lp[0] + offset if offset else NULL
        removed += 1
        if removed == limit:
            break
    return removed


# ---- what the keyspace needs of the type
cdef void _release(int encoding, uint64_t word) noexcept:
    if encoding == LIST_LISTPACK:
        lp_free(<unsigned char*>word)
    else:
        quicklist_free(<Quicklist*>word)


cdef bint _release_step(int encoding, uint64_t* word, size_t effort) noexcept:
    if encoding == LIST_LISTPACK:
        lp_free(<unsigned char*>word[0])
        return True
    return quicklist_free_step(<Quicklist*>word[0], effort)


cdef size_t _effort(int encoding, uint64_t word) noexcept:
    return 1 if encoding == LIST_LISTPACK else (<Quicklist*>word).length


cdef size_t _memory(int encoding, uint64_t word) noexcept:
    cdef QuicklistNode* node
    cdef size_t size
    cdef bint plain
    if encoding == LIST_LISTPACK:
        return mem_good_size(lp_bytes(<unsigned char*>word))
    size = mem_good_size(sizeof(Quicklist))
    node = (<Quicklist*>word).head
    while node != NULL:
        plain = quicklist_node_is_plain(node) and not quicklist_node_is_compressed(node)
        size += mem_good_size(sizeof(QuicklistNode))
        size += mem_good_size(quicklist_node_size(node) if plain else node.capacity)
        node = node.next
    return size


cdef uint64_t _copy(int encoding, uint64_t word) noexcept:
    if encoding == LIST_LISTPACK:
        return <uint64_t>lp_dup(<unsigned char*>word)
    return <uint64_t>quicklist_dup(<Quicklist*>word)


cdef TypeTraits* _traits = traits_of(TYPE_LIST)
_traits.release = _release
_traits.release_step = _release_step
_traits.effort = _effort
_traits.memory = _memory
_traits.copy = _copy
value_class(List)
