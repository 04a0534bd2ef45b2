# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of strings that change in place: INCR DECR INCRBY DECRBY INCRBYFLOAT, APPEND SETRANGE.

What would make a string longer than FAST_STRING is left to the definition, which knows proto-max-bulk-len. INCR and its
kin are by hand: they are what a shape costs too much for.
"""
from libc.math cimport isinf, isnan
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint64_t

from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.decimal cimport parse_int64
from iothreads.message cimport Batch, Request, arg_at, arg_length
from iothreads.resp_writer cimport write_bulk, write_integer
from server.clients.client cimport Client
from server.dispatch.error_texts cimport not_a_float, not_an_integer
from server.dispatch.fast_words cimport is_no_number, read_number
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    DECLINED, FAST_STRING, FREE, REFUSED, WRITE, Word, by_hand, changed, event_of, find_at, hash_of, hears_itself,
    integer_at, is_plain, length_at, overwrite, pass_on_as, refuse, refuse_call, refuse_type, row, table_of, tell,
    touch, word_at, word_of)
from server.keyspace.database cimport entry_string_view
from server.structures.long_double cimport LONG_DOUBLE_TEXT, format_long_double
from server.structures.table cimport (
    ENTRY_WORD, STR_INT, TYPE_STRING, Entry, Table, entry_encoding, entry_inline, entry_set_type, entry_word_ref,
    table_find, table_insert_word, table_set_word)

cdef const Event* _INCRBY = event_of("incrby")
cdef const Event* _INCRBYFLOAT = event_of("incrbyfloat")


cdef int64_t _append(Op* op) except -1:
    cdef char scratch[24]
    cdef char* start
    cdef size_t length = 0
    cdef size_t more = length_at(op, 2)
    if op.e != NULL:
        length = entry_string_view(op.e, scratch, &start)
        if length + more > FAST_STRING:
            return DECLINED
        overwrite(op, length, PyBytes_FromStringAndSize(word_at(op, 2), more))
    else:
        (<Client>op.client).db.store_at(op.e, word_at(op, 1), length_at(op, 1), op.hash, word_at(op, 2), more, False)
    write_integer(op.out, length + more)
    return 1


cdef int64_t _setrange(Op* op) except -1:
    cdef char scratch[24]
    cdef char* at
    cdef int64_t offset
    cdef size_t length = 0
    cdef size_t more = length_at(op, 3)
    if (more == 0 or not integer_at(op, 2, &offset) or offset < 0
            or offset > FAST_STRING or offset + more > FAST_STRING):
        return DECLINED
    if op.e != NULL:
        length = entry_string_view(op.e, scratch, &at)
    overwrite(op, offset, PyBytes_FromStringAndSize(word_at(op, 3), more))
    write_integer(op.out, max(length, <size_t>offset + more))
    return 1


cdef int _refuse_text(Client c, Request* r, Entry* e) except -1:
    """It is no number, and was looked at."""
    cdef char scratch[24]
    cdef char* text
    cdef int64_t number
    cdef size_t length = entry_string_view(e, scratch, &text)
    if parse_int64(text, length, &number) or not refuse_call(c, r, not_an_integer):
        return 0
    touch(c, e)
    return 1


cdef int _add(Client c, Batch* b, Request* r, int64_t by) except -1:
    cdef Table* t = table_of(c, r)
    cdef uint64_t hash = hash_of(b, r)
    cdef Entry* e = table_find(t, arg_at(b, r, 1), arg_length(b, r, 1), hash)
    cdef int64_t value = 0
    cdef uint8_t* text
    if hears_itself(c):
        return 0
    if e == NULL:
        e = table_insert_word(t, arg_at(b, r, 1), arg_length(b, r, 1), hash, <uint64_t>by)
        e.meta = c.db.keyspace.first_access()
        entry_set_type(e, TYPE_STRING, STR_INT)
        if c.db.keyspace.on_new is not None:
            c.db.keyspace.on_new(c.db, PyBytes_FromStringAndSize(arg_at(b, r, 1), arg_length(b, r, 1)))
        tell(c, b, r, 1, _INCRBY)
        write_integer(&c.out, by)
        return 1
    if not is_plain(c, e, TYPE_STRING):
        return refuse_type(c, r, e, False)
    if e.klen & ENTRY_WORD:
        if entry_encoding(e) != STR_INT:
            return _refuse_text(c, r, e)
        value = <int64_t>entry_word_ref(e)[0]
    else:
        text = entry_inline(e)
        if not parse_int64(<char*>text + 1, text[0], &value):
            return _refuse_text(c, r, e)
    if (by > 0 and value > INT64_MAX - by) or (by < 0 and value < INT64_MIN - by):
        return 0
    value += by
    if e.klen & ENTRY_WORD:
        entry_word_ref(e)[0] = <uint64_t>value
    else:
        e = table_set_word(t, e, hash, <uint64_t>value)
        entry_set_type(e, TYPE_STRING, STR_INT)
    touch(c, e)
    tell(c, b, r, 1, _INCRBY)
    write_integer(&c.out, value)
    return 1


cdef int _incr(Client c, Batch* b, Request* r) except -1:
    return _add(c, b, r, 1)


cdef int _decr(Client c, Batch* b, Request* r) except -1:
    return _add(c, b, r, -1)


cdef int _decrby(Client c, Batch* b, Request* r) except -1:
    cdef int64_t by
    if not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &by):
        return refuse_call(c, r, not_an_integer)
    if by == INT64_MIN:
        return 0
    return _add(c, b, r, -by)


cdef int _incrby(Client c, Batch* b, Request* r) except -1:
    cdef int64_t by
    if not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &by):
        return refuse_call(c, r, not_an_integer)
    return _add(c, b, r, by)


cdef int64_t _refuse_float(Op* op) except -1:
    """What is to be added is no number, which is seen when the key was looked at."""
    cdef long double value
    cdef char scratch[24]
    cdef char* start
    cdef size_t length
    if not is_no_number(op, 2):
        return DECLINED
    if find_at(op, 1) == NULL:
        return refuse(op, not_a_float)
    if not is_plain(<Client>op.client, op.e, TYPE_STRING):
        return DECLINED
    length = entry_string_view(op.e, scratch, &start)
    if not read_number(start, length, &value) or refuse(op, not_a_float) == DECLINED:
        return DECLINED
    touch(<Client>op.client, op.e)
    return REFUSED


cdef int64_t _incrbyfloat(Op* op) except -1:
    """Propagated as SET of the sum with KEEPTTL."""
    cdef long double value = 0
    cdef long double by
    cdef char scratch[24]
    cdef char text[LONG_DOUBLE_TEXT]
    cdef char* start
    cdef size_t length
    cdef Word words[4]
    if not read_number(word_at(op, 2), length_at(op, 2), &by):
        return _refuse_float(op)
    if find_at(op, 1) != NULL:
        if not is_plain(<Client>op.client, op.e, TYPE_STRING):
            return DECLINED
        length = entry_string_view(op.e, scratch, &start)
        if not read_number(start, length, &value):
            return DECLINED
    value += by
    if isnan(value) or isinf(value):
        return DECLINED
    length = format_long_double(text, value)
    (<Client>op.client).db.store_at(op.e, word_at(op, 1), length_at(op, 1), op.hash, text, length, True)
    words[0] = Word("SET", 3)
    words[1] = word_of(op, 1)
    words[2] = Word(&text[0], length)
    words[3] = Word("KEEPTTL", 7)
    pass_on_as(op, 4, words)
    changed(op, 1, _INCRBYFLOAT)
    write_bulk(op.out, text, length)
    return 0


by_hand("incr", _incr)
by_hand("decr", _decr)
by_hand("incrby", _incrby)
by_hand("decrby", _decrby)
row("incrbyfloat", FREE, TYPE_STRING, _incrbyfloat)
row("append", WRITE, TYPE_STRING, _append, "append")
row("setrange", WRITE, TYPE_STRING, _setrange, "setrange")
