# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of hashes: HSET HMSET HSETNX HINCRBY HINCRBYFLOAT HDEL, HGET HMGET HGETALL HKEYS HVALS HLEN HEXISTS HSTRLEN,
HRANDFIELD (few at once), HSCAN.
"""
from libc.math cimport isinf, isnan
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.decimal cimport parse_int64
from iothreads.resp_writer cimport format_signed, write_bulk, write_header, write_integer, write_null, write_raw
from server.clients.client cimport Client
from server.dispatch.error_texts cimport not_an_integer
from server.dispatch.fast_words cimport read_count, read_number
from server.dispatch.record cimport Op
from server.dispatch.scan_words cimport (
    Scanning, lets_element_through, pattern_of, read_scanning, write_all_scanned, write_scanned)
from server.dispatch.shapes cimport (
    DECLINED, OR_NULL, OR_ZERO, READ, SAYS, TAKE, TYPED, TYPED_SHORT, WARM, WRITE, Word, insert, integer_at, is_word,
    length_at, pass_on_as, refuse, refuse_value, row, view_of, word_at, word_of)
from server.structures.listpack cimport LpValue, lp_first, lp_get, lp_next, lp_skip
from server.structures.long_double cimport LONG_DOUBLE_TEXT, format_long_double
from server.structures.table cimport TYPE_HASH, entry_encoding
from server.types.bulk cimport write_element
from server.types.hash cimport (
    HASH_FIELDS, HASH_LISTPACK, HASH_TABLE, HASH_VALUES, Hash, HashValue, hash_delete, hash_get, hash_grow,
    hash_length, hash_listpack, hash_new_word, hash_random, hash_set, hash_value_length, hash_write, hash_write_value)

from server.registry.errors import HASH_VALUE_NOT_AN_INTEGER

cdef bytes _NO_NUMBER = HASH_VALUE_NOT_AN_INTEGER.encode()


cdef inline bint _get(Op* op, uint32_t at, HashValue* value) noexcept:
    """The value of the field in argument `at`; 0 without one."""
    return op.e != NULL and hash_get(op.e, word_at(op, at), length_at(op, at), value)


cdef inline bint _set(Op* op, const char* value, size_t n) except -1:
    """Set the field in argument 2; 1: it is new."""
    if op.e == NULL:
        insert(op, TYPE_HASH, HASH_LISTPACK, hash_new_word())
    return hash_set(op.e, word_at(op, 2), length_at(op, 2), value, n)


# ---- writes
cdef int64_t _set_all(Op* op, int64_t* added) except -1:
    cdef uint32_t i
    cdef size_t bytes = 0
    if op.r.arg_count & 1:
        return DECLINED
    if op.e == NULL:
        insert(op, TYPE_HASH, HASH_LISTPACK, hash_new_word())
    if entry_encoding(op.e) == HASH_LISTPACK:
        for i in range(2, op.r.arg_count):
            bytes += length_at(op, i)
        hash_grow(op.e, (op.r.arg_count - 2) >> 1, bytes)
    added[0] = 0
    for i in range(2, op.r.arg_count, 2):
        added[0] += hash_set(op.e, word_at(op, i), length_at(op, i), word_at(op, i + 1), length_at(op, i + 1))
    return (op.r.arg_count - 2) >> 1


cdef int64_t _hset(Op* op) except -1:
    cdef int64_t added
    cdef int64_t changes = _set_all(op, &added)
    if changes > 0:
        write_integer(op.out, added)
    return changes


cdef int64_t _hmset(Op* op) except -1:
    cdef int64_t added
    cdef int64_t changes = _set_all(op, &added)
    if changes > 0:
        write_raw(op.out, "+OK\r\n", 5)
    return changes


cdef int64_t _hincrby(Op* op) except -1:
    cdef int64_t by
    cdef int64_t value = 0
    cdef HashValue old
    cdef char digits[24]
    if not integer_at(op, 3, &by):
        return refuse(op, not_an_integer)
    if _get(op, 2, &old):
        if old.text.s == NULL:
            value = old.text.number
        elif not parse_int64(old.text.s, old.text.length, &value):
            return refuse_value(op, _NO_NUMBER)
    if (by > 0 and value > INT64_MAX - by) or (by < 0 and value < INT64_MIN - by):
        return DECLINED
    value += by
    _set(op, digits, format_signed(digits, value) - digits)
    write_integer(op.out, value)
    return 1


cdef int64_t _hsetnx(Op* op) except -1:
    cdef HashValue old
    cdef bint absent = not _get(op, 2, &old)
    write_integer(op.out, absent)
    if absent:
        if op.e != NULL and entry_encoding(op.e) == HASH_LISTPACK:
            hash_grow(op.e, 1, length_at(op, 2) + length_at(op, 3))
        _set(op, word_at(op, 3), length_at(op, 3))
    return absent


cdef int64_t _hincrbyfloat(Op* op) except -1:
    """Propagated as HSET of the sum."""
    cdef long double by
    cdef long double value = 0
    cdef HashValue old
    cdef Word words[4]
    cdef char text[LONG_DOUBLE_TEXT]
    if not read_number(word_at(op, 3), length_at(op, 3), &by) or isinf(by):
        return DECLINED
    if _get(op, 2, &old):
        if old.text.s == NULL:
            value = old.text.number
        elif not read_number(old.text.s, old.text.length, &value):
            return DECLINED
    value += by
    if isnan(value) or isinf(value):
        return DECLINED
    words[0] = Word("HSET", 4)
    words[1] = word_of(op, 1)
    words[2] = word_of(op, 2)
    words[3] = Word(&text[0], format_long_double(text, value))
    _set(op, text, words[3].n)
    pass_on_as(op, 4, words)
    write_bulk(op.out, text, words[3].n)
    return 1


cdef int64_t _hdel(Op* op) except -1:
    cdef uint32_t i
    cdef int64_t deleted = 0
    for i in range(2, op.r.arg_count):
        deleted += hash_delete(op.e, word_at(op, i), length_at(op, i))
    write_integer(op.out, deleted)
    return deleted


# ---- reads
cdef inline void _reply_value(Op* op, uint32_t at) noexcept:
    cdef HashValue value
    if _get(op, at, &value):
        hash_write_value(op.out, &value)
    else:
        write_null(op.out, (<Client>op.client).resp)


cdef int64_t _hget(Op* op) except -1:
    _reply_value(op, 2)
    return 0


cdef int64_t _hmget(Op* op) except -1:
    cdef uint32_t i
    write_header(op.out, c'*', op.r.arg_count - 2)
    for i in range(2, op.r.arg_count):
        _reply_value(op, i)
    return 0


cdef int64_t _all(Op* op) except -1:
    """op.how: what of it."""
    cdef int resp = (<Client>op.client).resp
    if op.e != NULL:
        hash_write(op.e, op.out, resp, op.how)
    else:
        write_header(op.out, c'%' if resp == 3 and op.how == HASH_FIELDS | HASH_VALUES else c'*', 0)
    return 0


cdef int64_t _hlen(Op* op) except -1:
    write_integer(op.out, hash_length(op.e))
    return 0


cdef int64_t _hexists(Op* op) except -1:
    cdef HashValue value
    write_integer(op.out, _get(op, 2, &value))
    return 0


cdef int64_t _hstrlen(Op* op) except -1:
    cdef HashValue value
    write_integer(op.out, hash_value_length(&value) if _get(op, 2, &value) else 0)
    return 0


cdef int64_t _draw(Op* op, int64_t count, bint values, bint nested) noexcept:
    """Fields of a table, any of them repeatedly."""
    cdef LpValue field
    cdef HashValue value
    write_header(op.out, c'*', 2 * count if values and not nested else count)
    while count:
        hash_random(op.e, &field, &value)
        if nested:
            write_header(op.out, c'*', 2)
        write_element(op.out, &field)
        if values:
            hash_write_value(op.out, &value)
        count -= 1
    return 0


cdef int64_t _hrandfield_some(Op* op) except -1:
    """With a count. A RESP3 reply nests the pairs."""
    cdef int64_t count
    cdef list pairs = []
    cdef bytes field, value
    cdef bint values = op.r.arg_count == 4
    cdef bint nested = values and (<Client>op.client).resp == 3
    if (op.r.arg_count > 4 or (values and not is_word(op, 3, "withvalues", 10)) or not read_count(op, 2, True, &count)):
        return DECLINED
    if op.e != NULL and count < 0 and entry_encoding(op.e) == HASH_TABLE:
        return _draw(op, -count, values, nested)
    if op.e != NULL and count:
        view = view_of(Hash.__new__(Hash), op)
        pairs = view.draw(-count) if count < 0 else view.draw_distinct(count)
    write_header(op.out, c'*', 2 * len(pairs) if values and not nested else len(pairs))
    for field, value in pairs:
        if nested:
            write_header(op.out, c'*', 2)
        write_bulk(op.out, PyBytes_AS_STRING(field), PyBytes_GET_SIZE(field))
        if values:
            write_bulk(op.out, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    return 0


cdef int64_t _hrandfield(Op* op) except -1:
    cdef LpValue field
    cdef HashValue value
    if op.r.arg_count != 2:
        return _hrandfield_some(op)
    if op.e == NULL:
        write_null(op.out, (<Client>op.client).resp)
    else:
        hash_random(op.e, &field, &value)
        write_element(op.out, &field)
    return 0


cdef void _write_matching(Op* op, const Scanning* scanning) noexcept:
    """Of a listpack, whose length is found first."""
    cdef unsigned char* lp = hash_listpack(op.e)
    cdef unsigned char* p = lp_first(lp)
    cdef LpValue field, value
    cdef size_t count = 0
    while p != NULL:
        lp_get(p, &field)
        count += lets_element_through(scanning, &field)
        p = lp_next(lp, lp_skip(p))
    write_all_scanned(op.out, 2 * count)
    p = lp_first(lp)
    while p != NULL:
        lp_get(p, &field)
        p = lp_skip(p)
        if lets_element_through(scanning, &field):
            lp_get(p, &value)
            write_element(op.out, &field)
            write_element(op.out, &value)
        p = lp_next(lp, p)


cdef int64_t _hscan(Op* op) except -1:
    cdef Scanning scanning
    if not read_scanning(op, &scanning):
        return DECLINED
    if op.e == NULL:
        write_all_scanned(op.out, 0)
    elif entry_encoding(op.e) == HASH_TABLE:
        cursor, found = view_of(Hash.__new__(Hash), op).scan(scanning.cursor, scanning.count, pattern_of(&scanning))
        write_scanned(op.out, cursor, found)
    else:
        _write_matching(op, &scanning)
    return 0


row("hset", WRITE | TYPED_SHORT | WARM, TYPE_HASH, _hset, "hset")
row("hmset", WRITE | TYPED_SHORT | WARM, TYPE_HASH, _hmset, "hset")
row("hsetnx", WRITE | TYPED | WARM, TYPE_HASH, _hsetnx, "hset")
row("hincrby", WRITE | WARM, TYPE_HASH, _hincrby, "hincrby")
row("hincrbyfloat", WRITE | WARM | SAYS, TYPE_HASH, _hincrbyfloat, "hincrbyfloat")
row("hdel", TAKE | TYPED | OR_ZERO | WARM, TYPE_HASH, _hdel, "hdel")
row("hget", READ | TYPED | OR_NULL | WARM, TYPE_HASH, _hget)
row("hmget", READ | TYPED, TYPE_HASH, _hmget)
row("hgetall", READ | TYPED, TYPE_HASH, _all, "", HASH_FIELDS | HASH_VALUES)
row("hkeys", READ | TYPED, TYPE_HASH, _all, "", HASH_FIELDS)
row("hvals", READ | TYPED, TYPE_HASH, _all, "", HASH_VALUES)
row("hlen", READ | TYPED | OR_ZERO, TYPE_HASH, _hlen)
row("hexists", READ | TYPED | OR_ZERO, TYPE_HASH, _hexists)
row("hstrlen", READ | TYPED | OR_ZERO, TYPE_HASH, _hstrlen)
row("hrandfield", READ | TYPED_SHORT, TYPE_HASH, _hrandfield)
row("hscan", READ, TYPE_HASH, _hscan)
