# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of keys whatever they hold: DEL UNLINK EXISTS TOUCH TYPE, RENAME RENAMENX COPY, EXPIRE PEXPIRE EXPIREAT
PEXPIREAT with a time to come, TTL PTTL EXPIRETIME PEXPIRETIME, PERSIST; DBSIZE RANDOMKEY SCAN where no key may expire.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport format_signed, write_bulk, write_integer, write_null, write_raw, write_status
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (
    fast_awaited,
        FAST_FAR, FAST_KEYS, FastWord, fast_path, fast_expired, fast_expired_key, fast_find, fast_hash_keys, fast_hash_of,
    fast_is_word, fast_scan_words, fast_touch, fast_write_scanned, fast_written, fast_written_otherwise)
from server.keyspace.database cimport Keyspace, parse_int64
from server.structures.table cimport (
    ENTRY_EXPIRE, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM, TYPE_STRING, TYPE_ZSET, Entry, entry_encoding,
    entry_expire, entry_key, entry_key_length, entry_type, table_delete, table_fair_random, table_find, table_hash,
    table_persist, table_release_entry, table_set_expire, table_size, table_unlink)
from server.types.hash cimport HASH_LISTPACK
from server.types.list cimport LIST_LISTPACK
from server.types.set cimport SET_TABLE
from server.types.sorted_set cimport ZSET_LISTPACK
from server.types.value cimport release_value


# ---- whether they are there
cdef int _exists(Client c, Batch* b, Request* r) except -1:
    cdef uint64_t hashes[FAST_KEYS]
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e
    cdef int i, found = 0, count = fast_hash_keys(c, b, r, 1, 1, hashes)
    if count == 0:
        return 0
    for i in range(count):
        e = table_find(c.db.table, arg_at(b, r, 1 + i), arg_length(b, r, 1 + i), hashes[i])
        if e != NULL:
            if fast_expired(e, shared):
                return 0
            found += 1
    shared.hits += found
    shared.misses += count - found
    write_integer(&c.out, found)
    return 1


cdef int _touch(Client c, Batch* b, Request* r) except -1:
    cdef uint64_t hashes[FAST_KEYS]
    cdef Entry* e
    cdef int i, count
    if not _exists(c, b, r):
        return 0
    count = fast_hash_keys(c, b, r, 1, 1, hashes)
    for i in range(count):
        e = table_find(c.db.table, arg_at(b, r, 1 + i), arg_length(b, r, 1 + i), hashes[i])
        if e != NULL:
            fast_touch(e, c.db.keyspace)
    return 1


cdef bint _look(Client c, Batch* b, Request* r, Entry** e) noexcept:
    """Find a key and count the read, which is no access: 1, with NULL for no key; 0: not for the fast path."""
    cdef Keyspace shared = c.db.keyspace
    e[0] = table_find(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), fast_hash_of(b, r))
    if e[0] == NULL:
        shared.misses += 1
        return True
    if fast_expired(e[0], shared):
        return False
    shared.hits += 1
    return True


cdef int _type(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef int type
    if not _look(c, b, r, &e):
        return 0
    type = entry_type(e) if e != NULL else -1
    if type == TYPE_STRING:
        write_status(&c.out, "string", 6)
    elif type == TYPE_LIST:
        write_status(&c.out, "list", 4)
    elif type == TYPE_SET:
        write_status(&c.out, "set", 3)
    elif type == TYPE_ZSET:
        write_status(&c.out, "zset", 4)
    elif type == TYPE_HASH:
        write_status(&c.out, "hash", 4)
    elif type == TYPE_STREAM:
        write_status(&c.out, "stream", 6)
    else:
        write_status(&c.out, "none", 4)
    return 1


# ---- removing
cdef inline bint _small(Entry* e) noexcept:
    """Whether a value is freed in no time; for others it matters whether lazyfree-lazy-user-del is set."""
    cdef int type = entry_type(e)
    cdef int encoding = entry_encoding(e)
    return (type == TYPE_STRING or (type == TYPE_LIST and encoding == LIST_LISTPACK)
            or (type == TYPE_HASH and encoding == HASH_LISTPACK) or (type == TYPE_SET and encoding != SET_TABLE)
            or (type == TYPE_ZSET and encoding == ZSET_LISTPACK))


cdef int _remove(Client c, Batch* b, Request* r, bint lazy) except -1:
    cdef uint64_t hashes[FAST_KEYS]
    cdef Entry* e
    cdef int i, removed = 0, count = fast_hash_keys(c, b, r, 1, 1, hashes)
    if count == 0:
        return 0
    for i in range(count):
        e = table_find(c.db.table, arg_at(b, r, 1 + i), arg_length(b, r, 1 + i), hashes[i])
        if e != NULL and (fast_expired(e, c.db.keyspace) or not (lazy or _small(e))):
            return 0
    for i in range(count):
        if not lazy:
            removed += table_delete(c.db.table, arg_at(b, r, 1 + i), arg_length(b, r, 1 + i), hashes[i], release_value)
            continue
        e = table_unlink(c.db.table, arg_at(b, r, 1 + i), arg_length(b, r, 1 + i), hashes[i])
        if e != NULL:
            c.db.discard_value(e)
            table_release_entry(c.db.table, e)
            removed += 1
    if removed:
        fast_written(c, b, r, removed)
    write_integer(&c.out, removed)
    return 1


cdef int _del(Client c, Batch* b, Request* r) except -1:
    return _remove(c, b, r, False)


cdef int _unlink(Client c, Batch* b, Request* r) except -1:
    return _remove(c, b, r, True)


# ---- other names
cdef bint _make_room(Client c, Batch* b, Request* r) noexcept:
    """Delete what has the name in argument 2; 0 for what the definition must look at, and nothing is changed then."""
    cdef uint64_t hash = table_hash(arg_at(b, r, 2), arg_length(b, r, 2))
    cdef Entry* e = table_find(c.db.table, arg_at(b, r, 2), arg_length(b, r, 2), hash)
    if e == NULL:
        return True
    if fast_expired(e, c.db.keyspace) or not _small(e):
        return False
    return table_delete(c.db.table, arg_at(b, r, 2), arg_length(b, r, 2), hash, release_value)


cdef inline bint _is_taken(Client c, Batch* b, Request* r) noexcept:
    """Whether argument 2 is a key."""
    return table_find(c.db.table, arg_at(b, r, 2), arg_length(b, r, 2),
                      table_hash(arg_at(b, r, 2), arg_length(b, r, 2))) != NULL


cdef bint _is_source(Client c, Batch* b, Request* r) except -1:
    """Whether argument 1 is a key, and another than argument 2, which nobody waits for."""
    cdef Entry* e = fast_find(c, b, r)
    return (e != NULL and not fast_awaited(c, b, r, 2) and not fast_expired(e, c.db.keyspace)
            and (arg_length(b, r, 1) != arg_length(b, r, 2)
                 or memcmp(arg_at(b, r, 1), arg_at(b, r, 2), arg_length(b, r, 1)) != 0))


cdef int _rename(Client c, Batch* b, Request* r) except -1:
    if not _is_source(c, b, r) or not _make_room(c, b, r):
        return 0
    c.db.put(PyBytes_FromStringAndSize(arg_at(b, r, 2), arg_length(b, r, 2)),
             c.db.take(PyBytes_FromStringAndSize(arg_at(b, r, 1), arg_length(b, r, 1))))
    fast_written(c, b, r, 1)
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _renamenx(Client c, Batch* b, Request* r) except -1:
    if not _is_source(c, b, r) or fast_expired_key(c, b, r, 2, table_hash(arg_at(b, r, 2), arg_length(b, r, 2))):
        return 0
    if _is_taken(c, b, r):
        write_integer(&c.out, 0)
        return 1
    c.db.put(PyBytes_FromStringAndSize(arg_at(b, r, 2), arg_length(b, r, 2)),
             c.db.take(PyBytes_FromStringAndSize(arg_at(b, r, 1), arg_length(b, r, 1))))
    fast_written(c, b, r, 1)
    write_integer(&c.out, 1)
    return 1


cdef int _copy(Client c, Batch* b, Request* r) except -1:
    """Within the database. The source is counted and touched as read."""
    cdef bint replaces = r.arg_count == 4 and fast_is_word(b, r, 3, "replace", 7)
    if (not (replaces or r.arg_count == 3) or not _is_source(c, b, r)
            or fast_expired_key(c, b, r, 2, table_hash(arg_at(b, r, 2), arg_length(b, r, 2)))):
        return 0
    if not replaces and _is_taken(c, b, r):
        write_integer(&c.out, 0)
    elif not _make_room(c, b, r):
        return 0
    else:
        c.db.put(PyBytes_FromStringAndSize(arg_at(b, r, 2), arg_length(b, r, 2)),
                 c.db.duplicate(PyBytes_FromStringAndSize(arg_at(b, r, 1), arg_length(b, r, 1))))
        fast_written(c, b, r, 1)
        write_integer(&c.out, 1)
    fast_touch(fast_find(c, b, r), c.db.keyspace)
    c.db.keyspace.hits += 1
    return 1


# ---- all keys
cdef int _dbsize(Client c, Batch* b, Request* r) except -1:
    write_integer(&c.out, table_size(c.db.table))
    return 1


cdef int _randomkey(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    if c.db.table.expires:
        return 0
    e = table_fair_random(c.db.table)
    if e == NULL:
        write_null(&c.out, c.resp)
    else:
        write_bulk(&c.out, entry_key(e), entry_key_length(e))
    return 1


cdef int _scan(Client c, Batch* b, Request* r) except -1:
    """Without a pattern and a type."""
    cdef uint64_t cursor
    cdef int64_t count
    if c.db.table.expires or not fast_scan_words(b, r, 1, &cursor, &count):
        return 0
    cursor, found = c.db.scan(cursor, count)
    fast_write_scanned(c, cursor, found)
    return 1


# ---- expires
cdef inline bint _allowed(Batch* b, Request* r, Entry* e, int64_t when, bint* known) noexcept:
    """Whether the condition in argument 3 lets the key get this expire. A key without one lives for ever."""
    cdef bint has_one = e.klen & ENTRY_EXPIRE
    known[0] = True
    if fast_is_word(b, r, 3, "nx", 2):
        return not has_one
    if fast_is_word(b, r, 3, "xx", 2):
        return has_one
    if fast_is_word(b, r, 3, "gt", 2):
        return has_one and when > entry_expire(e)
    known[0] = fast_is_word(b, r, 3, "lt", 2)
    return not has_one or when < entry_expire(e)


cdef int _expire_at(Client c, Batch* b, Request* r, int64_t unit_ms, bint relative, bint as_called) except -1:
    """Propagated as PEXPIREAT, which passes on its own words."""
    cdef Keyspace shared = c.db.keyspace
    cdef int64_t when
    cdef Entry* e
    cdef char text[32]
    cdef FastWord words[4]
    cdef bint known, allowed
    if (r.arg_count > 4 or not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &when)
            or not 0 < when <= FAST_FAR * (1000 // unit_ms)):
        return 0
    when = when * unit_ms + (shared.clock.unix_ms if relative else 0)
    if when <= shared.clock.unix_ms:
        return 0
    e = table_find(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), fast_hash_of(b, r))
    if e == NULL and r.arg_count == 3:
        write_integer(&c.out, 0)
        return 1
    if e == NULL or fast_expired(e, shared):
        return 0
    if r.arg_count == 4:
        allowed = _allowed(b, r, e, when, &known)
        if not known:
            return 0
        if not allowed:
            write_integer(&c.out, 0)
            return 1
        words[3] = FastWord(arg_at(b, r, 3), arg_length(b, r, 3))
    table_set_expire(c.db.table, e, r.hash, when)
    if as_called:
        fast_written(c, b, r, 1)
    else:
        words[0] = FastWord("PEXPIREAT", 9)
        words[1] = FastWord(arg_at(b, r, 1), arg_length(b, r, 1))
        words[2] = FastWord(&text[0], format_signed(text, when) - text)
        fast_written_otherwise(c, 1, r.arg_count, words)
    write_integer(&c.out, 1)
    return 1


cdef int _expire(Client c, Batch* b, Request* r) except -1:
    return _expire_at(c, b, r, 1000, True, False)


cdef int _pexpire(Client c, Batch* b, Request* r) except -1:
    return _expire_at(c, b, r, 1, True, False)


cdef int _expireat(Client c, Batch* b, Request* r) except -1:
    return _expire_at(c, b, r, 1000, False, False)


cdef int _pexpireat(Client c, Batch* b, Request* r) except -1:
    return _expire_at(c, b, r, 1, False, True)


cdef int _persist(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e = table_find(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), fast_hash_of(b, r))
    if e != NULL and fast_expired(e, c.db.keyspace):
        return 0
    if e == NULL or not e.klen & ENTRY_EXPIRE:
        write_integer(&c.out, 0)
        return 1
    table_persist(c.db.table, e, r.hash)
    fast_written(c, b, r, 1)
    write_integer(&c.out, 1)
    return 1


cdef int _reply_expire(Client c, Batch* b, Request* r, bint left, bint in_seconds) except -1:
    """-2 without a key, -1 without an expire, else what is left or the Unix time."""
    cdef Entry* e
    cdef int64_t ms
    if not _look(c, b, r, &e):
        return 0
    if e == NULL:
        write_integer(&c.out, -2)
    elif not e.klen & ENTRY_EXPIRE:
        write_integer(&c.out, -1)
    else:
        ms = entry_expire(e) - (c.db.keyspace.clock.unix_ms if left else 0)
        write_integer(&c.out, (ms + 500) // 1000 if in_seconds else ms)
    return 1


cdef int _ttl(Client c, Batch* b, Request* r) except -1:
    return _reply_expire(c, b, r, True, True)


cdef int _pttl(Client c, Batch* b, Request* r) except -1:
    return _reply_expire(c, b, r, True, False)


cdef int _expiretime(Client c, Batch* b, Request* r) except -1:
    return _reply_expire(c, b, r, False, True)


cdef int _pexpiretime(Client c, Batch* b, Request* r) except -1:
    return _reply_expire(c, b, r, False, False)


fast_path("exists", _exists)
fast_path("touch", _touch)
fast_path("type", _type)
fast_path("del", _del)
fast_path("unlink", _unlink)
fast_path("expire", _expire)
fast_path("pexpire", _pexpire)
fast_path("expireat", _expireat)
fast_path("pexpireat", _pexpireat)
fast_path("persist", _persist)
fast_path("ttl", _ttl)
fast_path("pttl", _pttl)
fast_path("expiretime", _expiretime)
fast_path("pexpiretime", _pexpiretime)
fast_path("rename", _rename)
fast_path("renamenx", _renamenx)
fast_path("copy", _copy)
fast_path("dbsize", _dbsize, False)
fast_path("randomkey", _randomkey, False)
fast_path("scan", _scan, False)
