# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of sets: SADD SREM SMOVE SPOP SRANDMEMBER (few at once), SISMEMBER SMISMEMBER SCARD SMEMBERS, SSCAN.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.resp_writer cimport write_header, write_integer, write_null
from server.clients.client cimport Client
from server.dispatch.fast_words cimport FAST_DRAWN, read_count, write_list
from server.dispatch.record cimport Event, Op
from server.dispatch.scan_words cimport (
    Scanning, lets_element_through, pattern_of, read_scanning, write_all_scanned, write_scanned)
from server.dispatch.shapes cimport (
    DECLINED, OR_ZERO, READ, SAYS, TAKE, TYPED, TYPED_SHORT, WARM, WRITE, Word, changed, event_of, insert, is_passed_on,
    is_plain, length_at, notify, pass_on, pass_on_as, row, touch, view_of, word_at, word_of)
from server.structures.listpack cimport LP_INTEGER_TEXT, LpValue, lp_integer_text
from server.structures.table cimport TYPE_SET, Entry, entry_encoding, table_delete, table_find, table_hash
from server.types.bulk cimport write_element
from server.types.set cimport (
    SET_INTSET, SET_TABLE, Set, SetWalk, set_add, set_begin, set_contains, set_drop, set_grow, set_length, set_random,
    set_remove, set_walk, set_walk_next, set_write)
from server.types.value cimport release_value

cdef const Event* _SADD = event_of("sadd")
cdef const Event* _SREM = event_of("srem")
cdef const Event* _SPOP = event_of("spop")
cdef const Event* _DEL = event_of("del")


# ---- writes
cdef int64_t _sadd(Op* op) except -1:
    cdef uint32_t i
    cdef int64_t added = 0
    if op.e == NULL:
        insert(op, TYPE_SET, SET_INTSET, 0)
        set_begin(op.e, word_at(op, 2), length_at(op, 2), op.r.arg_count - 2)
    else:
        set_grow(op.e, op.r.arg_count - 2)
    for i in range(2, op.r.arg_count):
        added += set_add(op.e, word_at(op, i), length_at(op, i))
    write_integer(op.out, added)
    return added


cdef int64_t _srem(Op* op) except -1:
    cdef uint32_t i
    cdef int64_t removed = 0
    for i in range(2, op.r.arg_count):
        removed += set_remove(op.e, word_at(op, i), length_at(op, i))
    write_integer(op.out, removed)
    return removed


cdef int64_t _smove(Op* op) except -1:
    """It tells of both keys by itself."""
    cdef Client c = <Client>op.client
    cdef Entry* source = op.e
    cdef const char* member = word_at(op, 3)
    cdef size_t n = length_at(op, 3)
    cdef bint emptied
    cdef uint64_t hash = table_hash(word_at(op, 2), length_at(op, 2))
    cdef Entry* target = table_find(op.table, word_at(op, 2), length_at(op, 2), hash)
    if target != NULL:
        if not is_plain(c, target, TYPE_SET):
            return DECLINED
        touch(c, target)
    if source == target or not set_remove(source, member, n):
        write_integer(op.out, source == target and set_contains(source, member, n))
        return 0
    emptied = set_length(source) == 0
    if emptied:
        table_delete(op.table, word_at(op, 1), length_at(op, 1), op.hash, release_value)
    changed(op, 1, _SREM)
    if emptied:
        notify(op, 1, _DEL)
    op.at, op.hash, op.e = 2, hash, target
    if target == NULL:
        insert(op, TYPE_SET, SET_INTSET, 0)
        set_begin(op.e, member, n, 1)
    if set_add(op.e, member, n):
        changed(op, 1, _SADD)
    pass_on(op)
    write_integer(op.out, 1)
    return 0


cdef int64_t _spop_all(Op* op) except -1:
    """Whoever is told of it is told DEL or UNLINK by lazyfree-lazy-server-del, which the definition knows."""
    cdef int64_t members = <int64_t>set_length(op.e)
    if is_passed_on():
        return DECLINED
    set_write(op.e, op.out, (<Client>op.client).resp)
    table_delete(op.table, word_at(op, 1), length_at(op, 1), op.hash, release_value)
    changed(op, members, _SPOP)
    notify(op, 1, _DEL)
    return 0


cdef int64_t _spop_some(Op* op) except -1:
    """With a count; propagated as SREM of those that left when others stay."""
    cdef Word words[2 + FAST_DRAWN]
    cdef int64_t count
    cdef uint32_t at = 2
    cdef list left
    cdef bytes member
    if op.r.arg_count != 3 or not read_count(op, 2, False, &count) or op.e == NULL:
        return DECLINED
    if set_length(op.e) <= <uint64_t>count:
        return _spop_all(op)
    left = view_of(Set.__new__(Set), op).pop_many(count)
    words[0] = Word("SREM", 4)
    words[1] = word_of(op, 1)
    for member in left:
        words[at] = Word(PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member))
        at += 1
    pass_on_as(op, at, words)
    write_list(op.out, c'~' if (<Client>op.client).resp == 3 else c'*', left)
    return count


cdef int64_t _spop(Op* op) except -1:
    """Propagated as SREM of what left."""
    cdef Word words[3]
    cdef LpValue member
    cdef char digits[LP_INTEGER_TEXT]
    if op.r.arg_count != 2:
        return _spop_some(op)
    if op.e == NULL:
        write_null(op.out, (<Client>op.client).resp)
        return 0
    set_random(op.e, &member)
    write_element(op.out, &member)
    if is_passed_on():
        words[0] = Word("SREM", 4)
        words[1] = word_of(op, 1)
        if member.s != NULL:
            words[2] = Word(<char*>member.s, member.length)
        else:
            words[2] = Word(&digits[0], lp_integer_text(member.number, digits))
        pass_on_as(op, 3, words)
    set_drop(op.e, &member)
    return 1


# ---- reads
cdef int64_t _sismember(Op* op) except -1:
    write_integer(op.out, set_contains(op.e, word_at(op, 2), length_at(op, 2)))
    return 0


cdef int64_t _smismember(Op* op) except -1:
    cdef uint32_t i
    write_header(op.out, c'*', op.r.arg_count - 2)
    for i in range(2, op.r.arg_count):
        write_integer(op.out, op.e != NULL and set_contains(op.e, word_at(op, i), length_at(op, i)))
    return 0


cdef int64_t _scard(Op* op) except -1:
    write_integer(op.out, set_length(op.e))
    return 0


cdef int64_t _srandmember(Op* op) except -1:
    cdef LpValue member
    cdef int64_t count
    if op.r.arg_count == 2:
        if op.e == NULL:
            write_null(op.out, (<Client>op.client).resp)
        else:
            set_random(op.e, &member)
            write_element(op.out, &member)
        return 0
    if op.r.arg_count != 3 or not read_count(op, 2, True, &count):
        return DECLINED
    if op.e == NULL or count == 0:
        write_header(op.out, c'*', 0)
    else:
        view = view_of(Set.__new__(Set), op)
        write_list(op.out, c'*', view.draw(-count) if count < 0 else view.draw_distinct(count))
    return 0


cdef int64_t _smembers(Op* op) except -1:
    if op.e != NULL:
        set_write(op.e, op.out, (<Client>op.client).resp)
    else:
        write_header(op.out, c'~' if (<Client>op.client).resp == 3 else c'*', 0)
    return 0


cdef void _write_matching(Op* op, const Scanning* scanning) noexcept:
    """Of a small encoding."""
    cdef SetWalk walk
    cdef LpValue member
    cdef size_t count = 0
    set_walk(&walk, op.e)
    while set_walk_next(&walk, &member):
        count += lets_element_through(scanning, &member)
    write_all_scanned(op.out, count)
    set_walk(&walk, op.e)
    while set_walk_next(&walk, &member):
        if lets_element_through(scanning, &member):
            write_element(op.out, &member)


cdef int64_t _sscan(Op* op) except -1:
    cdef Scanning scanning
    if not read_scanning(op, &scanning):
        return DECLINED
    if op.e == NULL:
        write_all_scanned(op.out, 0)
    elif entry_encoding(op.e) == SET_TABLE:
        cursor, found = view_of(Set.__new__(Set), op).scan(scanning.cursor, scanning.count, pattern_of(&scanning))
        write_scanned(op.out, cursor, found)
    else:
        _write_matching(op, &scanning)
    return 0


row("sadd", WRITE | TYPED | WARM, TYPE_SET, _sadd, "sadd")
row("srem", TAKE | TYPED | OR_ZERO | WARM, TYPE_SET, _srem, "srem")
row("smove", WRITE | OR_ZERO, TYPE_SET, _smove)
row("spop", TAKE | TYPED_SHORT | SAYS, TYPE_SET, _spop, "spop")
row("sismember", READ | TYPED | OR_ZERO | WARM, TYPE_SET, _sismember)
row("smismember", READ | TYPED, TYPE_SET, _smismember)
row("scard", READ | TYPED | OR_ZERO, TYPE_SET, _scard)
row("smembers", READ | TYPED, TYPE_SET, _smembers)
row("srandmember", READ | TYPED_SHORT, TYPE_SET, _srandmember)
row("sscan", READ, TYPE_SET, _sscan)
