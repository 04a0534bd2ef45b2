# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
import importlib
import pkgutil

import server.dispatch

from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen

from iothreads.message cimport REFERENCE_MIN, Batch, arg_at, arg_length, output_reference
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport (format_signed, write_bulk, write_header, write_integer, write_null, write_raw)
from server.clients.client cimport Client
from server.dispatch.conditions cimport Conditions, conditions
from server.dispatch.propagate cimport Propagation
from server.dispatch.record cimport Record, fast_t
from server.keyspace.database cimport Database, Keyspace, entry_string_view, parse_int64
from server.structures.table cimport (
    ENTRY_EXPIRE, ENTRY_WORD, INLINE_MAX, STR_BLOB, STR_EMBEDDED, STR_INT, TYPE_STRING, Blob, Entry, Table, blob_release,
    entry_encoding, entry_expire, entry_inline, entry_set_type, entry_type, entry_word_ref, table_delete, table_find,
    table_hash, table_insert_word, table_prefetch_bucket, table_prefetch_entry, table_set_expire, table_set_word)
from server.types.value cimport release_value

cdef Conditions* _conditions = conditions()
cdef Propagation _propagation = None

cdef enum:
    MANY = 64                          # keys of one command that a fast path takes
    RUN = 16                           # commands that fast_warm_members looks ahead; a power of two

cdef int64_t FAR = 100000000000        # seconds or milliseconds: longer times to live are left to the definition's checks


cdef void bind_propagation(Propagation propagation):
    global _propagation
    _propagation = propagation


def use_propagation(Propagation propagation) -> None:
    """Tell the fast paths where writes are propagated to."""
    bind_propagation(propagation)


# ---- what they share (see the .pxd)
cdef void fast_written(Client c, Batch* b, Request* r, int64_t changes) noexcept:
    _conditions.dirty += changes
    if _propagation.wanted:
        _propagate_own(c, b, r)


cdef void fast_written_as(Client c, Batch* b, Request* r, int64_t changes, const char* name, const char* value,
                          size_t length) noexcept:
    _conditions.dirty += changes
    if not _propagation.wanted:
        return
    _propagation.feed_raw(c.db.index, "*3\r\n", 4)
    write_bulk(&_propagation.stream, name, strlen(name))
    write_bulk(&_propagation.stream, arg_at(b, r, 1), arg_length(b, r, 1))
    write_bulk(&_propagation.stream, value, length)


cdef void fast_warm_members(Batch* b, Request* r, Table* members) noexcept:
    """Runs begin at every RUN-th command of the batch, so the others pay for one test. First all buckets are asked for,
    then the entries that they point to: by then most buckets have come."""
    cdef uint64_t hashes[RUN]
    cdef Request* other
    cdef uint32_t i
    cdef uint32_t first = b.next - 1
    cdef uint32_t count = 0
    if first & (RUN - 1) or first + 1 >= b.command_count:
        return
    for i in range(first, min(first + RUN, b.command_count)):
        other = &b.commands[i]
        if other.record == r.record and other.hash == r.hash and other.arg_count > 2:
            hashes[count] = table_hash(arg_at(b, other, 2), arg_length(b, other, 2))
            table_prefetch_bucket(members, hashes[count])
            count += 1
    for i in range(count):
        table_prefetch_entry(members, hashes[i])


cdef void fast_written_with(Client c, Batch* b, Request* r, int64_t changes, uint32_t at, uint32_t count,
                            const char** words, const size_t* lengths) noexcept:
    cdef uint32_t i
    _conditions.dirty += changes
    if not _propagation.wanted:
        return
    _propagation.feed_raw(c.db.index, NULL, 0)
    write_header(&_propagation.stream, c'*', r.arg_count)
    for i in range(r.arg_count):
        if at <= i < at + count:
            write_bulk(&_propagation.stream, words[i - at], lengths[i - at])
        else:
            write_bulk(&_propagation.stream, arg_at(b, r, i), arg_length(b, r, i))


cdef void _propagate_own(Client c, Batch* b, Request* r) noexcept:
    cdef uint64_t i
    if r.bytes_length:
        _propagation.feed_raw(c.db.index, b.buffer + r.bytes, r.bytes_length)
        return
    _propagation.feed_raw(c.db.index, NULL, 0)       # an inline command: written anew
    write_header(&_propagation.stream, c'*', r.arg_count)
    for i in range(r.arg_count):
        write_bulk(&_propagation.stream, arg_at(b, r, i), arg_length(b, r, i))


cdef void _release_blob(void* blob) noexcept:
    blob_release(<Blob*>blob)


cdef inline void _reply_string(Client c, Entry* e) noexcept:
    cdef char scratch[24]
    cdef char* start
    cdef size_t length = entry_string_view(e, scratch, &start)
    cdef Blob* blob
    if length >= REFERENCE_MIN:
        blob = <Blob*>entry_word_ref(e)[0]
        blob.references += 1
        write_header(&c.out, c'$', length)
        output_reference(&c.out, blob.data, length, blob, _release_blob)
        write_raw(&c.out, "\r\n", 2)
    else:
        write_bulk(&c.out, start, length)


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
    _reply_string(c, e)
    return 1


cdef int _hash_keys(Client c, Batch* b, Request* r, int first, int step, uint64_t* hashes) noexcept:
    """Hash up to MANY keys and warm their buckets, then their entries; the number of keys, or 0 when there are more."""
    cdef int i, count = (<int>r.arg_count - first + step - 1) // step
    if count > MANY:
        return 0
    for i in range(count):
        hashes[i] = table_hash(arg_at(b, r, first + i * step), arg_length(b, r, first + i * step))
        table_prefetch_bucket(c.db.table, hashes[i])
    for i in range(count):
        table_prefetch_entry(c.db.table, hashes[i])
    return count


cdef int _mget(Client c, Batch* b, Request* r) except -1:
    cdef uint64_t hashes[MANY]
    cdef Entry* e
    cdef Keyspace shared = c.db.keyspace
    cdef int i, count = _hash_keys(c, b, r, 1, 1, hashes)
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
            _reply_string(c, e)
        else:
            write_null(&c.out, c.resp)
    return 1


cdef int _exists(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e
    if r.arg_count != 2:
        return 0
    e = table_find(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), fast_hash_of(b, r))
    if e == NULL:
        shared.misses += 1
        write_integer(&c.out, 0)
        return 1
    if fast_expired(e, shared):
        return 0
    shared.hits += 1
    write_integer(&c.out, 1)
    return 1


cdef int _ttl(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e = table_find(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), fast_hash_of(b, r))
    if e == NULL:
        shared.misses += 1
        write_integer(&c.out, -2)
        return 1
    if fast_expired(e, shared):
        return 0
    shared.hits += 1
    if e.klen & ENTRY_EXPIRE:
        write_integer(&c.out, (entry_expire(e) - shared.clock.unix_ms + 500) // 1000)
    else:
        write_integer(&c.out, -1)
    return 1


# ---- writes
cdef inline bint _expired_key(Client c, Batch* b, Request* r, uint32_t at, uint64_t hash) noexcept:
    """Whether a key is there but expired: the definition then deletes it first, and says so."""
    cdef Entry* e
    if c.db.table.expires == 0:
        return False
    e = table_find(c.db.table, arg_at(b, r, at), arg_length(b, r, at), hash)
    return e != NULL and fast_expired(e, c.db.keyspace)


cdef int _set_for(Client c, Batch* b, Request* r) except -1:
    """SET key value EX seconds, or PX milliseconds; propagated as PXAT."""
    cdef Keyspace shared = c.db.keyspace
    cdef char* word = arg_at(b, r, 3)
    cdef int64_t amount, when
    cdef Entry* e
    cdef char text[32]
    if (arg_length(b, r, 3) != 2 or word[1] | 32 != c'x' or not parse_int64(arg_at(b, r, 4), arg_length(b, r, 4), &amount)
            or amount <= 0 or amount > FAR or _expired_key(c, b, r, 1, fast_hash_of(b, r))):
        return 0
    if word[0] | 32 == c'e':
        when = shared.clock.unix_ms + amount * 1000
    elif word[0] | 32 == c'p':
        when = shared.clock.unix_ms + amount
    else:
        return 0
    e = c.db.store_string(arg_at(b, r, 1), arg_length(b, r, 1), r.hash, arg_at(b, r, 2), arg_length(b, r, 2), True)
    table_set_expire(c.db.table, e, r.hash, when)
    _conditions.dirty += 1
    if _propagation.wanted:
        _propagation.feed_raw(c.db.index, "*5\r\n$3\r\nSET\r\n", 13)
        write_bulk(&_propagation.stream, arg_at(b, r, 1), arg_length(b, r, 1))
        write_bulk(&_propagation.stream, arg_at(b, r, 2), arg_length(b, r, 2))
        write_bulk(&_propagation.stream, "PXAT", 4)
        write_bulk(&_propagation.stream, text, format_signed(text, when) - text)
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _set(Client c, Batch* b, Request* r) except -1:
    if r.arg_count == 5:
        return _set_for(c, b, r)
    if r.arg_count != 3 or _expired_key(c, b, r, 1, fast_hash_of(b, r)):
        return 0
    c.db.store_string(arg_at(b, r, 1), arg_length(b, r, 1), fast_hash_of(b, r), arg_at(b, r, 2), arg_length(b, r, 2), False)
    fast_written(c, b, r, 1)
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _mset(Client c, Batch* b, Request* r) except -1:
    cdef uint64_t hashes[MANY]
    cdef int i, count
    if r.arg_count < 3 or not r.arg_count & 1:
        return 0
    count = _hash_keys(c, b, r, 1, 2, hashes)
    if count == 0:
        return 0
    for i in range(count):
        if _expired_key(c, b, r, 1 + 2 * i, hashes[i]):
            return 0
    for i in range(count):
        c.db.store_string(arg_at(b, r, 1 + 2 * i), arg_length(b, r, 1 + 2 * i), hashes[i],
                          arg_at(b, r, 2 + 2 * i), arg_length(b, r, 2 + 2 * i), False)
    fast_written(c, b, r, count)
    write_raw(&c.out, "+OK\r\n", 5)
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


cdef int _incrby(Client c, Batch* b, Request* r) except -1:
    cdef int64_t by
    if not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &by):
        return 0
    return _add(c, b, r, by)


cdef int _del(Client c, Batch* b, Request* r) except -1:
    """One key that is a string; others are for the definition."""
    cdef Entry* e
    if r.arg_count != 2:
        return 0
    e = table_find(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), fast_hash_of(b, r))
    if e == NULL:
        write_integer(&c.out, 0)
        return 1
    if entry_type(e) != TYPE_STRING or fast_expired(e, c.db.keyspace):
        return 0
    table_delete(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, release_value)
    fast_written(c, b, r, 1)
    write_integer(&c.out, 1)
    return 1


cdef int _expire(Client c, Batch* b, Request* r) except -1:
    """EXPIRE key seconds, in the future; propagated as PEXPIREAT."""
    cdef Keyspace shared = c.db.keyspace
    cdef int64_t seconds, when
    cdef Entry* e
    cdef char text[32]
    cdef size_t length
    if r.arg_count != 3 or not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &seconds):
        return 0
    if seconds <= 0 or seconds > FAR:
        return 0
    e = table_find(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), fast_hash_of(b, r))
    if e == NULL:
        write_integer(&c.out, 0)
        return 1
    if fast_expired(e, shared):
        return 0
    when = shared.clock.unix_ms + seconds * 1000
    table_set_expire(c.db.table, e, r.hash, when)
    _conditions.dirty += 1
    if _propagation.wanted:
        length = format_signed(text, when) - text
        _propagation.feed_raw(c.db.index, "*3\r\n$9\r\nPEXPIREAT\r\n", 19)
        write_bulk(&_propagation.stream, arg_at(b, r, 1), arg_length(b, r, 1))
        write_bulk(&_propagation.stream, text, length)
    write_integer(&c.out, 1)
    return 1


cdef int _ping(Client c, Batch* b, Request* r) except -1:
    if r.arg_count != 1:
        return 0
    write_raw(&c.out, "+PONG\r\n", 7)
    return 1


cdef int attach_fast_path(dict records, str name, fast_t fast, bint keyed=True) except -1:
    cdef Record record = records.get(name)
    if record is not None:
        record.fast = fast
        record.prefetch = keyed
    return 0


def attach_fast_paths(dict commands) -> None:
    """Give the records of registry.command.COMMANDS their fast paths. Called after build_records."""
    records = {command.name: command.record for command in commands.values()}
    attach_fast_path(records, "get", _get)
    attach_fast_path(records, "mget", _mget)
    attach_fast_path(records, "exists", _exists)
    attach_fast_path(records, "ttl", _ttl)
    attach_fast_path(records, "set", _set)
    attach_fast_path(records, "mset", _mset)
    attach_fast_path(records, "incr", _incr)
    attach_fast_path(records, "decr", _decr)
    attach_fast_path(records, "incrby", _incrby)
    attach_fast_path(records, "del", _del)
    attach_fast_path(records, "expire", _expire)
    attach_fast_path(records, "ping", _ping, False)
    for module in pkgutil.iter_modules(server.dispatch.__path__):
        if module.name.startswith("fastpath_"):
            importlib.import_module(f"server.dispatch.{module.name}").attach(records)


def fast_path_names(dict commands) -> list[str]:
    """The commands that have one."""
    return [command.name for command in commands.values() if (<Record>command.record).fast != NULL]
