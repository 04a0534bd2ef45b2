# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of strings: GET MGET STRLEN GETRANGE SUBSTR, SET with all its options, SETNX SETEX PSETEX MSET MSETNX, GETSET
GETDEL GETEX, INCR DECR INCRBY DECRBY INCRBYFLOAT, APPEND SETRANGE.

What would make a string longer than FAST_STRING is left to the definition, which knows proto-max-bulk-len.
"""
from libc.math cimport isinf, isnan
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport format_signed, write_bulk, write_header, write_integer, write_null, write_raw
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (
    FAST_FAR, FAST_KEYS, FAST_STRING, FastWord, fast_path, fast_expired, fast_expired_key, fast_find, fast_hash_keys,
    fast_hash_of, fast_is_word, fast_look, fast_number, fast_overwrite, fast_plain, fast_reply_string, fast_touch,
    fast_written,
    fast_written_otherwise)
from server.keyspace.database cimport Keyspace, entry_string_view, parse_int64
from server.structures.long_double cimport LONG_DOUBLE_TEXT, format_long_double
from server.structures.table cimport (
    ENTRY_EXPIRE, ENTRY_WORD, STR_INT, TYPE_STRING, Entry, Table, entry_encoding, entry_inline, entry_set_type,
    entry_type, entry_word_ref, table_delete, table_find, table_insert_word, table_persist, table_set_expire,
    table_set_word)
from server.types.value cimport release_value

cdef inline Entry* _store(Client c, Batch* b, Request* r, uint32_t at, bint keep_ttl) except NULL:
    """Argument `at` becomes the value of the key."""
    return c.db.store_string(arg_at(b, r, 1), arg_length(b, r, 1), fast_hash_of(b, r), arg_at(b, r, at),
                             arg_length(b, r, at), keep_ttl)


cdef int64_t _when(Client c, Batch* b, Request* r, uint32_t at, int64_t unit_ms) noexcept:
    """Unix ms of a time to live in argument `at`; 0 for what the definition must look at."""
    cdef int64_t amount
    if not parse_int64(arg_at(b, r, at), arg_length(b, r, at), &amount) or not 0 < amount <= FAST_FAR:
        return 0
    return c.db.keyspace.clock.unix_ms + amount * unit_ms


cdef inline int64_t _unit_ms(Batch* b, Request* r, uint32_t at) noexcept:
    """Of the word EX or PX; 0 for any other."""
    if fast_is_word(b, r, at, "ex", 2):
        return 1000
    return 1 if fast_is_word(b, r, at, "px", 2) else 0


# ---- reads
cdef int _get(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e = table_find(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), fast_hash_of(b, r))
    if e == NULL:
        shared.misses += 1
        write_null(&c.out, c.resp)
        return 1
    if entry_type(e) != TYPE_STRING or fast_expired(e, shared):
        return 0
    fast_touch(e, shared)
    shared.hits += 1
    fast_reply_string(c, e)
    return 1


cdef int _mget(Client c, Batch* b, Request* r) except -1:
    cdef uint64_t hashes[FAST_KEYS]
    cdef Entry* e
    cdef Keyspace shared = c.db.keyspace
    cdef int i, count = fast_hash_keys(c, b, r, 1, 1, hashes)
    if count == 0:
        return 0
    for i in range(count):
        e = table_find(c.db.table, arg_at(b, r, 1 + i), arg_length(b, r, 1 + i), hashes[i])
        if e != NULL and fast_expired(e, shared):
            return 0
    write_header(&c.out, c'*', count)
    for i in range(count):
        e = table_find(c.db.table, arg_at(b, r, 1 + i), arg_length(b, r, 1 + i), hashes[i])
        if e == NULL:
            shared.misses += 1
            write_null(&c.out, c.resp)
            continue
        fast_touch(e, shared)
        shared.hits += 1
        if entry_type(e) == TYPE_STRING:
            fast_reply_string(c, e)
        else:
            write_null(&c.out, c.resp)
    return 1


cdef int _strlen(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef char scratch[24]
    cdef char* start
    if not fast_look(c, b, r, TYPE_STRING, &e):
        return 0
    write_integer(&c.out, entry_string_view(e, scratch, &start) if e != NULL else 0)
    return 1


cdef int _getrange(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef int64_t start, end, length
    cdef char scratch[24]
    cdef char* at = NULL
    if (not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &start)
            or not parse_int64(arg_at(b, r, 3), arg_length(b, r, 3), &end) or not fast_look(c, b, r, TYPE_STRING, &e)):
        return 0
    length = entry_string_view(e, scratch, &at) if e != NULL else 0
    if start < 0 and end < 0 and start > end:
        length = 0
    if start < 0:
        start = max(start + length, 0)
    if end < 0:
        end = max(end + length, 0)
    if end >= length:
        end = length - 1
    if length == 0 or start > end:
        write_raw(&c.out, "$0\r\n\r\n", 6)
    else:
        write_bulk(&c.out, at + start, end - start + 1)
    return 1


# ---- SET and its elder forms
cdef int _store_until(Client c, Batch* b, Request* r, uint32_t at, int64_t when) except -1:
    """Argument `at` becomes the value, which expires at Unix ms `when`; propagated as SET with PXAT."""
    cdef FastWord words[5]
    cdef char text[32]
    table_set_expire(c.db.table, _store(c, b, r, at, True), r.hash, when)
    words[0] = FastWord("SET", 3)
    words[1] = FastWord(arg_at(b, r, 1), arg_length(b, r, 1))
    words[2] = FastWord(arg_at(b, r, at), arg_length(b, r, at))
    words[3] = FastWord("PXAT", 4)
    words[4] = FastWord(&text[0], format_signed(text, when) - text)
    fast_written_otherwise(c, 1, 5, words)
    return 0


cdef int64_t _until(Client c, Batch* b, Request* r, uint32_t at, bint* as_called) noexcept:
    """Unix ms of a time to come that the words at argument `at` say; as_called: they say it like that. 0 for what the
    definition must look at."""
    cdef int64_t amount
    cdef int64_t unit_ms = _unit_ms(b, r, at)
    as_called[0] = False
    if at + 1 == r.arg_count:
        return 0
    if unit_ms:
        return _when(c, b, r, at + 1, unit_ms)
    as_called[0] = fast_is_word(b, r, at, "pxat", 4)
    unit_ms = 1 if as_called[0] else 1000
    if (not (as_called[0] or fast_is_word(b, r, at, "exat", 4))
            or not parse_int64(arg_at(b, r, at + 1), arg_length(b, r, at + 1), &amount)
            or not 0 < amount <= FAST_FAR * (1000 // unit_ms) or amount * unit_ms <= c.db.keyspace.clock.unix_ms):
        return 0
    return amount * unit_ms


cdef struct Setting:                   # the options of SET
    int64_t when                       # Unix ms; 0: none
    bint as_called                     # PXAT
    bint keep                          # KEEPTTL
    bint reads                         # GET
    bint absent                        # NX
    bint present                       # XX


cdef bint _read_setting(Client c, Batch* b, Request* r, Setting* s) noexcept:
    """Each option once; 0 for what the definition must look at."""
    cdef uint32_t at = 3
    s.when = 0
    s.as_called = s.keep = s.reads = s.absent = s.present = False
    while at < r.arg_count:
        if not (s.absent or s.present) and fast_is_word(b, r, at, "nx", 2):
            s.absent = True
        elif not (s.absent or s.present) and fast_is_word(b, r, at, "xx", 2):
            s.present = True
        elif not s.reads and fast_is_word(b, r, at, "get", 3):
            s.reads = True
        elif s.when or s.keep:
            return False
        elif fast_is_word(b, r, at, "keepttl", 7):
            s.keep = True
        else:
            s.when = _until(c, b, r, at, &s.as_called)
            if s.when == 0:
                return False
            at += 1
        at += 1
    return True


cdef void _tell_without_get(Client c, Batch* b, Request* r) noexcept:
    """Pass the command on without the word GET."""
    cdef FastWord words[8]
    cdef uint32_t i
    cdef uint32_t count = 0
    for i in range(r.arg_count):
        if i < 3 or not fast_is_word(b, r, i, "get", 3):
            words[count] = FastWord(arg_at(b, r, i), arg_length(b, r, i))
            count += 1
    fast_written_otherwise(c, 1, count, words)


cdef int _set_with(Client c, Batch* b, Request* r) except -1:
    cdef Setting s
    cdef Entry* e
    if r.arg_count > 8 or not _read_setting(c, b, r, &s) or fast_expired_key(c, b, r, 1, fast_hash_of(b, r)):
        return 0
    if s.reads:
        if not fast_look(c, b, r, TYPE_STRING, &e):
            return 0
        if e != NULL:
            fast_reply_string(c, e)
        else:
            write_null(&c.out, c.resp)
    else:
        e = fast_find(c, b, r)
    if (s.absent and e != NULL) or (s.present and e == NULL):
        if not s.reads:
            write_null(&c.out, c.resp)
        return 1
    if s.when and s.as_called:
        table_set_expire(c.db.table, _store(c, b, r, 2, True), r.hash, s.when)
        fast_written(c, b, r, 1)
    elif s.when:
        _store_until(c, b, r, 2, s.when)
    else:
        _store(c, b, r, 2, s.keep)
        if s.reads:
            _tell_without_get(c, b, r)
        else:
            fast_written(c, b, r, 1)
    if not s.reads:
        write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _set(Client c, Batch* b, Request* r) except -1:
    if r.arg_count != 3:
        return _set_with(c, b, r)
    if fast_expired_key(c, b, r, 1, fast_hash_of(b, r)):
        return 0
    _store(c, b, r, 2, False)
    fast_written(c, b, r, 1)
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _setnx(Client c, Batch* b, Request* r) except -1:
    if fast_expired_key(c, b, r, 1, fast_hash_of(b, r)):
        return 0
    if fast_find(c, b, r) != NULL:
        write_integer(&c.out, 0)
        return 1
    _store(c, b, r, 2, False)
    fast_written(c, b, r, 1)
    write_integer(&c.out, 1)
    return 1


cdef int _set_for(Client c, Batch* b, Request* r, int64_t unit_ms) except -1:
    cdef int64_t when = _when(c, b, r, 2, unit_ms)
    if when == 0 or fast_expired_key(c, b, r, 1, fast_hash_of(b, r)):
        return 0
    _store_until(c, b, r, 3, when)
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _setex(Client c, Batch* b, Request* r) except -1:
    return _set_for(c, b, r, 1000)


cdef int _psetex(Client c, Batch* b, Request* r) except -1:
    return _set_for(c, b, r, 1)


# ---- reading and writing at once
cdef int _getset(Client c, Batch* b, Request* r) except -1:
    """Propagated as SET. The reply is written, or refers to the old value, before that goes."""
    cdef Entry* e
    cdef FastWord words[3]
    if not fast_look(c, b, r, TYPE_STRING, &e):
        return 0
    if e != NULL:
        fast_reply_string(c, e)
    else:
        write_null(&c.out, c.resp)
    _store(c, b, r, 2, False)
    words[0] = FastWord("SET", 3)
    words[1] = FastWord(arg_at(b, r, 1), arg_length(b, r, 1))
    words[2] = FastWord(arg_at(b, r, 2), arg_length(b, r, 2))
    fast_written_otherwise(c, 1, 3, words)
    return 1


cdef int _getdel(Client c, Batch* b, Request* r) except -1:
    """Propagated as DEL."""
    cdef Entry* e
    cdef FastWord words[2]
    if not fast_look(c, b, r, TYPE_STRING, &e):
        return 0
    if e == NULL:
        write_null(&c.out, c.resp)
        return 1
    fast_reply_string(c, e)
    table_delete(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, release_value)
    words[0] = FastWord("DEL", 3)
    words[1] = FastWord(arg_at(b, r, 1), arg_length(b, r, 1))
    fast_written_otherwise(c, 1, 2, words)
    return 1


cdef int _getex(Client c, Batch* b, Request* r) except -1:
    """Without an option, with EX, PX or PERSIST; propagated as PEXPIREAT or PERSIST."""
    cdef Entry* e
    cdef FastWord words[3]
    cdef char text[32]
    cdef int64_t when = 0
    cdef int64_t unit_ms
    if r.arg_count == 4:
        unit_ms = _unit_ms(b, r, 2)
        when = _when(c, b, r, 3, unit_ms) if unit_ms else 0
        if when == 0:
            return 0
    elif r.arg_count != 2 and (r.arg_count != 3 or not fast_is_word(b, r, 2, "persist", 7)):
        return 0
    if not fast_look(c, b, r, TYPE_STRING, &e):
        return 0
    if e == NULL:
        write_null(&c.out, c.resp)
        return 1
    fast_reply_string(c, e)
    if when:
        table_set_expire(c.db.table, e, r.hash, when)
        words[0] = FastWord("PEXPIREAT", 9)
        words[1] = FastWord(arg_at(b, r, 1), arg_length(b, r, 1))
        words[2] = FastWord(&text[0], format_signed(text, when) - text)
        fast_written_otherwise(c, 1, 3, words)
    elif r.arg_count == 3 and e.klen & ENTRY_EXPIRE:
        table_persist(c.db.table, e, r.hash)
        words[0] = FastWord("PERSIST", 7)
        words[1] = FastWord(arg_at(b, r, 1), arg_length(b, r, 1))
        fast_written_otherwise(c, 1, 2, words)
    return 1


# ---- changing in place
cdef int _append(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e = fast_find(c, b, r)
    cdef char scratch[24]
    cdef char* start
    cdef size_t length = 0
    cdef size_t more = arg_length(b, r, 2)
    if e != NULL:
        if not fast_plain(e, TYPE_STRING, c.db.keyspace):
            return 0
        length = entry_string_view(e, scratch, &start)
        if length + more > FAST_STRING:
            return 0
        fast_overwrite(c, b, r, e, length, PyBytes_FromStringAndSize(arg_at(b, r, 2), more))
    else:
        _store(c, b, r, 2, False)
    fast_written(c, b, r, 1)
    write_integer(&c.out, length + more)
    return 1


cdef int _setrange(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef char scratch[24]
    cdef char* at
    cdef int64_t offset
    cdef size_t length = 0
    cdef size_t more = arg_length(b, r, 3)
    if (more == 0 or not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &offset) or offset < 0
            or offset > FAST_STRING or offset + more > FAST_STRING):
        return 0
    e = fast_find(c, b, r)
    if e != NULL:
        if not fast_plain(e, TYPE_STRING, c.db.keyspace):
            return 0
        length = entry_string_view(e, scratch, &at)
    fast_overwrite(c, b, r, e, offset, PyBytes_FromStringAndSize(arg_at(b, r, 3), more))
    fast_written(c, b, r, 1)
    write_integer(&c.out, max(length, <size_t>offset + more))
    return 1


cdef int _set_many(Client c, Batch* b, Request* r, bint only_new) except -1:
    """How many were set, none with one of the keys there and only_new; -2: not for the fast path."""
    cdef uint64_t hashes[FAST_KEYS]
    cdef int i, count
    if r.arg_count < 3 or not r.arg_count & 1:
        return -2
    count = fast_hash_keys(c, b, r, 1, 2, hashes)
    if count == 0:
        return -2
    for i in range(count):
        if fast_expired_key(c, b, r, 1 + 2 * i, hashes[i]):
            return -2
    if only_new:
        for i in range(count):
            if table_find(c.db.table, arg_at(b, r, 1 + 2 * i), arg_length(b, r, 1 + 2 * i), hashes[i]) != NULL:
                return 0
    for i in range(count):
        c.db.store_string(arg_at(b, r, 1 + 2 * i), arg_length(b, r, 1 + 2 * i), hashes[i],
                          arg_at(b, r, 2 + 2 * i), arg_length(b, r, 2 + 2 * i), False)
    fast_written(c, b, r, count)
    return count


cdef int _mset(Client c, Batch* b, Request* r) except -1:
    if _set_many(c, b, r, False) < 0:
        return 0
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _msetnx(Client c, Batch* b, Request* r) except -1:
    cdef int stored = _set_many(c, b, r, True)
    if stored < 0:
        return 0
    write_integer(&c.out, stored > 0)
    return 1


cdef int _add(Client c, Batch* b, Request* r, int64_t by) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Table* t = c.db.table
    cdef uint64_t hash = fast_hash_of(b, r)
    cdef Entry* e = table_find(t, arg_at(b, r, 1), arg_length(b, r, 1), hash)
    cdef int64_t value = 0
    cdef uint8_t* text
    if e == NULL:
        e = table_insert_word(t, arg_at(b, r, 1), arg_length(b, r, 1), hash, <uint64_t>by)
        e.meta = shared.first_access()
        entry_set_type(e, TYPE_STRING, STR_INT)
        fast_written(c, b, r, 1)
        write_integer(&c.out, by)
        return 1
    if entry_type(e) != TYPE_STRING or fast_expired(e, shared):
        return 0
    if e.klen & ENTRY_WORD:
        if entry_encoding(e) != STR_INT:
            return 0
        value = <int64_t>entry_word_ref(e)[0]
    else:
        text = entry_inline(e)
        if not parse_int64(<char*>text + 1, text[0], &value):
            return 0
    if (by > 0 and value > 9223372036854775807LL - by) or (by < 0 and value < INT64_MIN - by):
        return 0
    value += by
    if e.klen & ENTRY_WORD:
        entry_word_ref(e)[0] = <uint64_t>value
    else:
        e = table_set_word(t, e, hash, <uint64_t>value)
        entry_set_type(e, TYPE_STRING, STR_INT)
    fast_touch(e, shared)
    fast_written(c, b, r, 1)
    write_integer(&c.out, value)
    return 1


cdef int _incr(Client c, Batch* b, Request* r) except -1:
    return _add(c, b, r, 1)


cdef int _decr(Client c, Batch* b, Request* r) except -1:
    return _add(c, b, r, -1)


cdef int _decrby(Client c, Batch* b, Request* r) except -1:
    cdef int64_t by
    if not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &by) or by == INT64_MIN:
        return 0
    return _add(c, b, r, -by)


cdef int _incrby(Client c, Batch* b, Request* r) except -1:
    cdef int64_t by
    if not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &by):
        return 0
    return _add(c, b, r, by)


cdef int _incrbyfloat(Client c, Batch* b, Request* r) except -1:
    """Propagated as SET of the sum with KEEPTTL."""
    cdef Entry* e
    cdef long double value = 0
    cdef long double by
    cdef char scratch[24]
    cdef char text[LONG_DOUBLE_TEXT]
    cdef char* start
    cdef size_t length
    cdef FastWord words[4]
    if not fast_number(arg_at(b, r, 2), arg_length(b, r, 2), &by):
        return 0
    e = fast_find(c, b, r)
    if e != NULL:
        if not fast_plain(e, TYPE_STRING, c.db.keyspace):
            return 0
        length = entry_string_view(e, scratch, &start)
        if not fast_number(start, length, &value):
            return 0
        fast_touch(e, c.db.keyspace)
    value += by
    if isnan(value) or isinf(value):
        return 0
    length = format_long_double(text, value)
    c.db.store_string(arg_at(b, r, 1), arg_length(b, r, 1), r.hash, text, length, True)
    words[0] = FastWord("SET", 3)
    words[1] = FastWord(arg_at(b, r, 1), arg_length(b, r, 1))
    words[2] = FastWord(&text[0], length)
    words[3] = FastWord("KEEPTTL", 7)
    fast_written_otherwise(c, 1, 4, words)
    write_bulk(&c.out, text, length)
    return 1


fast_path("get", _get)
fast_path("mget", _mget)
fast_path("strlen", _strlen)
fast_path("getrange", _getrange)
fast_path("set", _set)
fast_path("setnx", _setnx)
fast_path("setex", _setex)
fast_path("psetex", _psetex)
fast_path("mset", _mset)
fast_path("getset", _getset)
fast_path("getdel", _getdel)
fast_path("getex", _getex)
fast_path("append", _append)
fast_path("setrange", _setrange)
fast_path("incr", _incr)
fast_path("decr", _decr)
fast_path("incrby", _incrby)
fast_path("decrby", _decrby)
fast_path("incrbyfloat", _incrbyfloat)
fast_path("substr", _getrange)
fast_path("msetnx", _msetnx)
