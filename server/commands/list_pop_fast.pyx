# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of taking from lists: LPOP RPOP, LMPOP (few at once), LREM LTRIM, LMOVE RPOPLPUSH, and what waits, as long as
it need not: BLPOP BRPOP BLMPOP BLMOVE BRPOPLPUSH. Those are propagated as what they did. Where there is nothing, they say
what they wait for.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.decimal cimport parse_int64
from iothreads.resp_writer cimport write_bulk, write_header, write_integer, write_null, write_null_array, write_raw
from server.clients.client cimport Client
from server.dispatch.error_texts cimport not_positive
from server.dispatch.fast_words cimport Pops, is_wait, read_pops, read_wait
from server.dispatch.record cimport Event, Op, Wish
from server.dispatch.shapes cimport (
    DECLINED, FREE, TAKE, TYPED_SHORT, UNKEYED, Word, event_of, find_at, find_first, finish_take, insert, integer_at,
    is_awaited, is_plain, is_word, length_at, notify, number_word, pass_on, pass_on_as, refuse, row, touch, view_of,
    waits, word_at, word_of)
from server.structures.listpack cimport LpValue, lp_integer_text
from server.structures.quicklist cimport QL_HEAD, QL_TAIL
from server.structures.table cimport TYPE_LIST, Entry, entry_encoding, table_find, table_hash
from server.types.bulk cimport write_element
from server.types.list cimport (
    LIST_LISTPACK, List, list_bounds, list_drop, list_grow, list_length, list_new_word, list_peek, list_push, list_shrink,
    list_write_range)

cdef enum:
    FEW = 8                            # elements that are popped one by one
    MOST = 1000000                     # elements that LPOP and RPOP may ask for
    LONGEST_COPY = 512                 # bytes of an element that a fast path moves; 24 at least, for integers

cdef enum:                             # op.how of those that may wait
    WAITS = 2                          # beside QL_HEAD and QL_TAIL

cdef const Event* _LPUSH = event_of("lpush")
cdef const Event* _RPUSH = event_of("rpush")
cdef const Event* _LPOP = event_of("lpop")
cdef const Event* _RPOP = event_of("rpop")
cdef const Event* _LTRIM = event_of("ltrim")


cdef inline bint _end_of(Op* op, uint32_t at, int* end) noexcept:
    """The words LEFT and RIGHT."""
    end[0] = QL_HEAD if is_word(op, at, "left", 4) else QL_TAIL
    return end[0] == QL_HEAD or is_word(op, at, "right", 5)


cdef inline void _shrink(Op* op) noexcept:
    """Elements went: choose the encoding anew. One that is empty has no nodes, and stays what it is until its key goes."""
    if entry_encoding(op.e) != LIST_LISTPACK:
        list_shrink(op.e)


# ---- of one key
cdef int64_t _write_popped(Op* op, int end, int64_t count) except -1:
    """Take so many, or all there are, into an array; how many. Many go from the head at once: it costs a move of the rest."""
    cdef LpValue value
    cdef int64_t left
    if <uint64_t>count > list_length(op.e):
        count = <int64_t>list_length(op.e)
    if end == QL_HEAD and count > FEW:
        list_write_range(op.e, op.out, 0, count - 1)
        view_of(List.__new__(List), op).delete_range(0, count)
        _shrink(op)
        return count
    left = count
    write_header(op.out, c'*', count)
    while left:
        list_peek(op.e, end, &value)
        write_element(op.out, &value)
        list_drop(op.e, end)
        left -= 1
    _shrink(op)
    return count


cdef int64_t _refuse_count(Op* op, uint32_t at) except -1:
    """One that is none, or that the definition must look at."""
    cdef int64_t count
    return DECLINED if integer_at(op, at, &count) and count >= 0 else refuse(op, not_positive)


cdef int64_t _pop(Op* op) except -1:
    """op.how: from which end."""
    cdef int resp = (<Client>op.client).resp
    cdef LpValue value
    cdef int64_t count
    if op.r.arg_count == 2:
        if op.e == NULL:
            write_null(op.out, resp)
            return 0
        list_peek(op.e, op.how, &value)
        write_element(op.out, &value)
        list_drop(op.e, op.how)
        _shrink(op)
        return 1
    if op.r.arg_count != 3:
        return DECLINED
    if not integer_at(op, 2, &count) or not 0 < count <= MOST:
        return _refuse_count(op, 2)
    if op.e == NULL:
        write_null_array(op.out, resp)
        return 0
    return _write_popped(op, op.how, count)


cdef int64_t _lrem(Op* op) except -1:
    cdef int64_t count
    cdef int64_t gone = 0
    if not integer_at(op, 2, &count):
        return DECLINED
    if op.e != NULL:
        gone = view_of(List.__new__(List), op).remove(PyBytes_FromStringAndSize(word_at(op, 3), length_at(op, 3)), count)
        if gone:
            _shrink(op)
    write_integer(op.out, gone)
    return gone


cdef int64_t _ltrim(Op* op) except -1:
    """The event comes also when nothing went."""
    cdef int64_t start, stop, length
    cdef int64_t left = 0, right = 0
    if not integer_at(op, 2, &start) or not integer_at(op, 3, &stop):
        return DECLINED
    write_raw(op.out, "+OK\r\n", 5)
    if op.e == NULL:
        return 0
    length = <int64_t>list_length(op.e)
    if list_bounds(op.e, &start, &stop):
        left = start
        right = length - stop - 1
    else:
        left = length
    if left or right:
        view = view_of(List.__new__(List), op)
        view.delete_range(0, left)
        view.delete_range(length - left - right, right)
    else:
        notify(op, 1, _LTRIM)
    _shrink(op)
    return left + right


# ---- of the first that is there
cdef int _tell(Op* op, int end, int64_t changes, bint counted) except -1:
    """AOF and replicas hear LPOP or RPOP, with `counted` of so many."""
    cdef Word words[3]
    words[0] = Word("LPOP" if end == QL_HEAD else "RPOP", 4)
    words[1] = word_of(op, op.at)
    if counted:
        words[2] = number_word(changes)
    pass_on_as(op, 3 if counted else 2, words)
    return finish_take(op, changes, _LPOP if end == QL_HEAD else _RPOP)


cdef int64_t _pop_waiting(Op* op) except -1:
    """BLPOP and BRPOP where one of the keys is there."""
    cdef LpValue value
    if not is_wait(op, op.r.arg_count - 1) or find_first(op, 1, op.r.arg_count - 1, TYPE_LIST) != 1:
        return DECLINED
    touch(<Client>op.client, op.e)
    list_peek(op.e, op.how, &value)
    write_raw(op.out, "*2\r\n", 4)
    write_bulk(op.out, word_at(op, op.at), length_at(op, op.at))
    write_element(op.out, &value)
    list_drop(op.e, op.how)
    _shrink(op)
    _tell(op, op.how, 1, False)
    return 0


cdef int64_t _pop_first(Op* op) except -1:
    """LMPOP, and BLMPOP where one of the keys is there."""
    cdef Pops pops
    cdef int64_t count
    cdef int end, found
    cdef bint waits = op.how == WAITS
    if (waits and not is_wait(op, 1)) or not read_pops(op, 2 if waits else 1, &pops) or not _end_of(op, pops.end, &end):
        return DECLINED
    found = find_first(op, pops.first, pops.end, TYPE_LIST)
    if found < 0 or (found == 0 and waits):
        return DECLINED
    if found == 0:
        write_null_array(op.out, (<Client>op.client).resp)
        return 0
    touch(<Client>op.client, op.e)
    write_raw(op.out, "*2\r\n", 4)
    write_bulk(op.out, word_at(op, op.at), length_at(op, op.at))
    count = _write_popped(op, end, pops.count)
    _tell(op, end, count, True)
    return 0


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


cdef void _pass_on_move(Op* op, const char* name, size_t n) noexcept:
    """What waited is passed on without its timeout."""
    cdef Word words[5]
    cdef uint32_t i
    words[0] = Word(name, n)
    for i in range(1, op.r.arg_count - 1):
        words[i] = word_of(op, i)
    pass_on_as(op, op.r.arg_count - 1, words)


cdef int64_t _transfer(Op* op, int origin, int end) except -1:
    """From argument 1, the source, to argument 2; op.how may be WAITS."""
    cdef Client c = <Client>op.client
    cdef uint64_t hash
    cdef Entry* source = find_at(op, 1)
    cdef Entry* target
    cdef LpValue value
    cdef char copy[LONGEST_COPY]
    cdef int64_t number
    cdef size_t n
    if source == NULL:
        if op.how == WAITS:
            return DECLINED
        write_null(op.out, c.resp)
        return 0
    hash = table_hash(word_at(op, 2), length_at(op, 2))
    target = table_find(op.table, word_at(op, 2), length_at(op, 2), hash)
    if (not is_plain(c, source, TYPE_LIST) or (target != NULL and not is_plain(c, target, TYPE_LIST))
            or is_awaited(op, 2)):
        return DECLINED
    list_peek(source, origin, &value)
    if value.s != NULL and value.length > LONGEST_COPY:
        return DECLINED
    touch(c, source)
    op.at, op.hash, op.e = 2, hash, target
    if target == NULL:
        insert(op, TYPE_LIST, LIST_LISTPACK, list_new_word())
    else:
        touch(c, target)
    write_element(op.out, &value)
    n = _take(source, origin, &value, copy)
    list_grow(op.e, 0 if parse_int64(copy, n, &number) else n, 1)     # as List.push_popped: integers without bytes
    list_push(op.e, copy, n, end)
    notify(op, 2, _LPUSH if end == QL_HEAD else _RPUSH)
    op.at, op.hash, op.e = 1, op.r.hash, source
    _shrink(op)
    finish_take(op, 1, _LPOP if origin == QL_HEAD else _RPOP)
    return 1


cdef int64_t _move(Op* op) except -1:
    cdef int origin, end
    cdef int64_t moved
    if not _end_of(op, 3, &origin) or not _end_of(op, 4, &end) or (op.how == WAITS and not is_wait(op, 5)):
        return DECLINED
    moved = _transfer(op, origin, end)
    if moved > 0 and op.how == WAITS:
        _pass_on_move(op, "LMOVE", 5)
    elif moved > 0:
        pass_on(op)
    return moved


cdef int64_t _rpoplpush(Op* op) except -1:
    cdef int64_t moved
    if op.how == WAITS and not is_wait(op, 3):
        return DECLINED
    moved = _transfer(op, QL_TAIL, QL_HEAD)
    if moved > 0 and op.how == WAITS:
        _pass_on_move(op, "RPOPLPUSH", 9)
    elif moved > 0:
        pass_on(op)
    return moved


# ---- what is waited for where nothing is there
cdef bint _wish_pop(Op* op, Wish* wish, list words) except -1:
    wish.first, wish.end, wish.type = 1, op.r.arg_count - 1, TYPE_LIST
    return read_wait(op, wish.end, &wish.ms) and find_first(op, 1, wish.end, TYPE_LIST) == 0


cdef bint _wish_pop_first(Op* op, Wish* wish, list words) except -1:
    cdef Pops pops
    cdef int end
    if not read_wait(op, 1, &wish.ms) or not read_pops(op, 2, &pops) or not _end_of(op, pops.end, &end):
        return False
    wish.first, wish.end, wish.type = pops.first, pops.end, TYPE_LIST
    return find_first(op, pops.first, pops.end, TYPE_LIST) == 0


cdef bint _wish_source(Op* op, Wish* wish) noexcept:
    wish.first, wish.end, wish.type = 1, 2, TYPE_LIST
    return read_wait(op, op.r.arg_count - 1, &wish.ms) and find_at(op, 1) == NULL


cdef bint _wish_rpoplpush(Op* op, Wish* wish, list words) except -1:
    return _wish_source(op, wish)


cdef bint _wish_move(Op* op, Wish* wish, list words) except -1:
    cdef int origin, end
    return _end_of(op, 3, &origin) and _end_of(op, 4, &end) and _wish_source(op, wish)


row("lpop", TAKE | TYPED_SHORT, TYPE_LIST, _pop, "lpop", QL_HEAD)
row("rpop", TAKE | TYPED_SHORT, TYPE_LIST, _pop, "rpop", QL_TAIL)
row("lrem", TAKE, TYPE_LIST, _lrem, "lrem")
row("ltrim", TAKE, TYPE_LIST, _ltrim, "ltrim")
row("blpop", FREE, TYPE_LIST, _pop_waiting, "", QL_HEAD)
row("brpop", FREE, TYPE_LIST, _pop_waiting, "", QL_TAIL)
row("lmpop", FREE | UNKEYED, TYPE_LIST, _pop_first)
row("blmpop", FREE | UNKEYED, TYPE_LIST, _pop_first, "", WAITS)
row("lmove", FREE, TYPE_LIST, _move)
row("blmove", FREE, TYPE_LIST, _move, "", WAITS)
row("rpoplpush", FREE, TYPE_LIST, _rpoplpush)
row("brpoplpush", FREE, TYPE_LIST, _rpoplpush, "", WAITS)
waits("blpop", _wish_pop)
waits("brpop", _wish_pop)
waits("blmpop", _wish_pop_first)
waits("blmove", _wish_move)
waits("brpoplpush", _wish_rpoplpush)
