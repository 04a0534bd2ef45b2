# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of taking from lists: LPOP RPOP LMPOP (few at once), LMOVE RPOPLPUSH, and what waits, as long as it need not:
BLPOP BRPOP BLMPOP BLMOVE BRPOPLPUSH. Those are propagated as what they did.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport (
    format_signed, write_bulk, write_header, write_null, write_null_array, write_raw)
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (
    fast_awaited, fast_list_shrunk,
        FAST_DRAWN, FastPlace, FastPops, FastWord, fast_path, fast_change, fast_find, fast_first, fast_is_wait,
    fast_is_word, fast_plain, fast_read_pops, fast_touch, fast_written, fast_written_otherwise)
from server.keyspace.database cimport Keyspace, parse_int64
from server.structures.listpack cimport LpValue, lp_integer_text, lp_string_to_int64
from server.structures.quicklist cimport QL_HEAD, QL_TAIL
from server.structures.table cimport (
    TYPE_LIST, Entry, entry_set_type, table_delete, table_find, table_hash, table_insert_word)
from server.types.bulk cimport write_element
from server.types.list cimport (
    LIST_LISTPACK, list_drop, list_grow, list_length, list_new_word, list_peek, list_push, list_shrink)
from server.types.value cimport release_value

cdef enum:
    LONGEST_COPY = 512                 # bytes of an element that a fast path moves; 24 at least, for integers


cdef inline bint _end_of(Batch* b, Request* r, uint32_t at, int* end) noexcept:
    """The words LEFT and RIGHT."""
    end[0] = QL_HEAD if fast_is_word(b, r, at, "left", 4) else QL_TAIL
    return end[0] == QL_HEAD or fast_is_word(b, r, at, "right", 5)


# ---- of one key
cdef inline void _write_popped(Client c, Entry* e, int end, int64_t count) noexcept:
    """Take so many, which are there, into an array."""
    cdef LpValue value
    write_header(&c.out, c'*', count)
    while count:
        list_peek(e, end, &value)
        write_element(&c.out, &value)
        list_drop(e, end)
        count -= 1


cdef int _pop_some(Client c, Batch* b, Request* r, int end) except -1:
    """With a count."""
    cdef Entry* e
    cdef int64_t count
    if r.arg_count != 3 or not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &count) or not 0 < count <= FAST_DRAWN:
        return 0
    if not fast_change(c, b, r, TYPE_LIST, &e):
        return 0
    if e == NULL:
        write_null_array(&c.out, c.resp)
        return 1
    if <uint64_t>count > list_length(e):
        count = <int64_t>list_length(e)
    _write_popped(c, e, end, count)
    fast_list_shrunk(c, b, r, e, 1, r.hash)
    fast_written(c, b, r, count)
    return 1


cdef int _pop(Client c, Batch* b, Request* r, int end) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e
    cdef LpValue value
    if r.arg_count != 2:
        return _pop_some(c, b, r, end)
    e = fast_find(c, b, r)
    if e == NULL:
        write_null(&c.out, c.resp)
        return 1
    if not fast_plain(e, TYPE_LIST, shared):
        return 0
    list_peek(e, end, &value)
    write_element(&c.out, &value)
    if list_length(e) == 1:
        table_delete(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, release_value)
    else:
        fast_touch(e, shared)
        list_drop(e, end)
        list_shrink(e)
    fast_written(c, b, r, 1)
    return 1


cdef int _lpop(Client c, Batch* b, Request* r) except -1:
    return _pop(c, b, r, QL_HEAD)


cdef int _rpop(Client c, Batch* b, Request* r) except -1:
    return _pop(c, b, r, QL_TAIL)


# ---- of the first that is there
cdef inline void _tell(Client c, Batch* b, Request* r, const FastPlace* place, int end, int64_t changes, bint counted) noexcept:
    """LPOP or RPOP, with `counted` of so many."""
    cdef FastWord words[3]
    cdef char digits[24]
    words[0] = FastWord("LPOP" if end == QL_HEAD else "RPOP", 4)
    words[1] = FastWord(arg_at(b, r, place.at), arg_length(b, r, place.at))
    if counted:
        words[2] = FastWord(&digits[0], format_signed(digits, changes) - digits)
    fast_written_otherwise(c, changes, 3 if counted else 2, words)


cdef int _pop_waiting(Client c, Batch* b, Request* r, int end) except -1:
    """BLPOP and BRPOP where one of the keys is there."""
    cdef FastPlace place
    cdef LpValue value
    if (not fast_is_wait(b, r, r.arg_count - 1)
            or fast_first(c, b, r, 1, r.arg_count - 1, TYPE_LIST, &place) != 1):
        return 0
    fast_touch(place.e, c.db.keyspace)
    list_peek(place.e, end, &value)
    write_raw(&c.out, "*2\r\n", 4)
    write_bulk(&c.out, arg_at(b, r, place.at), arg_length(b, r, place.at))
    write_element(&c.out, &value)
    list_drop(place.e, end)
    fast_list_shrunk(c, b, r, place.e, place.at, place.hash)
    _tell(c, b, r, &place, end, 1, False)
    return 1


cdef int _blpop(Client c, Batch* b, Request* r) except -1:
    return _pop_waiting(c, b, r, QL_HEAD)


cdef int _brpop(Client c, Batch* b, Request* r) except -1:
    return _pop_waiting(c, b, r, QL_TAIL)


cdef int _pop_first(Client c, Batch* b, Request* r, uint32_t at, bint waits) except -1:
    """LMPOP and BLMPOP from `numkeys`, argument `at`, on."""
    cdef FastPops pops
    cdef FastPlace place
    cdef LpValue value
    cdef int64_t i
    cdef int end, found
    if not fast_read_pops(b, r, at, &pops) or not _end_of(b, r, pops.end, &end):
        return 0
    found = fast_first(c, b, r, pops.first, pops.end, TYPE_LIST, &place)
    if found < 0 or (found == 0 and waits):
        return 0
    if found == 0:
        write_null_array(&c.out, c.resp)
        return 1
    fast_touch(place.e, c.db.keyspace)
    if <uint64_t>pops.count > list_length(place.e):
        pops.count = <int64_t>list_length(place.e)
    write_raw(&c.out, "*2\r\n", 4)
    write_bulk(&c.out, arg_at(b, r, place.at), arg_length(b, r, place.at))
    _write_popped(c, place.e, end, pops.count)
    fast_list_shrunk(c, b, r, place.e, place.at, place.hash)
    _tell(c, b, r, &place, end, pops.count, True)
    return 1


cdef int _lmpop(Client c, Batch* b, Request* r) except -1:
    return _pop_first(c, b, r, 1, False)


cdef int _blmpop(Client c, Batch* b, Request* r) except -1:
    return _pop_first(c, b, r, 2, True) if fast_is_wait(b, r, 1) else 0


# ---- from list to list
cdef inline size_t _take(Entry* e, int origin, const LpValue* value, char* copy) noexcept:
    """Take what list_peek showed out of the list; the length of its text, which is at `copy` now."""
    cdef size_t n = value.length
    if value.s == NULL:
        n = lp_integer_text(value.number, copy)
    else:
        memcpy(copy, value.s, n)
    list_drop(e, origin)
    return n


cdef int _transfer(Client c, Batch* b, Request* r, int origin, int end, bint waits, const char* name) except -1:
    """From argument 1, the source, to argument 2; name: what it is propagated as, NULL for as it was called."""
    cdef Keyspace shared = c.db.keyspace
    cdef uint64_t hash = table_hash(arg_at(b, r, 2), arg_length(b, r, 2))
    cdef Entry* e = fast_find(c, b, r)
    cdef Entry* target
    cdef LpValue value
    cdef FastWord words[5]
    cdef char copy[LONGEST_COPY]
    cdef int64_t number
    cdef size_t n
    cdef uint32_t i
    if e == NULL and waits:
        return 0
    if e == NULL:
        write_null(&c.out, c.resp)
        return 1
    target = table_find(c.db.table, arg_at(b, r, 2), arg_length(b, r, 2), hash)
    if (not fast_plain(e, TYPE_LIST, shared) or (target != NULL and not fast_plain(target, TYPE_LIST, shared))
            or fast_awaited(c, b, r, 2)):
        return 0
    list_peek(e, origin, &value)
    if value.s != NULL and value.length > LONGEST_COPY:
        return 0
    fast_touch(e, shared)
    if target == NULL:
        target = table_insert_word(c.db.table, arg_at(b, r, 2), arg_length(b, r, 2), hash, list_new_word())
        target.meta = shared.first_access()
        entry_set_type(target, TYPE_LIST, LIST_LISTPACK)
    else:
        fast_touch(target, shared)
    write_element(&c.out, &value)
    n = _take(e, origin, &value, copy)
    list_grow(target, 0 if lp_string_to_int64(copy, n, &number) else n, 1)     # as List.push_popped: integers without bytes
    list_push(target, copy, n, end)
    fast_list_shrunk(c, b, r, e, 1, r.hash)
    if name == NULL:
        fast_written(c, b, r, 1)
        return 1
    words[0] = FastWord(name, strlen(name))
    for i in range(1, r.arg_count - 1):
        words[i] = FastWord(arg_at(b, r, i), arg_length(b, r, i))
    fast_written_otherwise(c, 1, r.arg_count - 1, words)
    return 1


cdef int _move(Client c, Batch* b, Request* r, bint waits, const char* name) except -1:
    cdef int origin, end
    if not _end_of(b, r, 3, &origin) or not _end_of(b, r, 4, &end):
        return 0
    return _transfer(c, b, r, origin, end, waits, name)


cdef int _lmove(Client c, Batch* b, Request* r) except -1:
    return _move(c, b, r, False, NULL)


cdef int _blmove(Client c, Batch* b, Request* r) except -1:
    return _move(c, b, r, True, "LMOVE") if fast_is_wait(b, r, 5) else 0


cdef int _rpoplpush(Client c, Batch* b, Request* r) except -1:
    return _transfer(c, b, r, QL_TAIL, QL_HEAD, False, NULL)


cdef int _brpoplpush(Client c, Batch* b, Request* r) except -1:
    return _transfer(c, b, r, QL_TAIL, QL_HEAD, True, "RPOPLPUSH") if fast_is_wait(b, r, 3) else 0


fast_path("lpop", _lpop)
fast_path("rpop", _rpop)
fast_path("blpop", _blpop)
fast_path("brpop", _brpop)
fast_path("lmpop", _lmpop, False)
fast_path("blmpop", _blmpop, False)
fast_path("lmove", _lmove)
fast_path("blmove", _blmove)
fast_path("rpoplpush", _rpoplpush)
fast_path("brpoplpush", _brpoplpush)
