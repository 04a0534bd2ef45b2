# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of streams: XADD with `*` for its ID and no options, XLEN.

Replicas and the AOF are told the ID that was chosen. While anybody waits for a stream, XADD is the definition's.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport write_integer
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (attach_fast_path, fast_expired, fast_hash_of, fast_touch, fast_written_with)
from server.keyspace.database cimport Keyspace
from server.structures.rax cimport StreamId
from server.structures.table cimport TYPE_STREAM, Entry, entry_set_type, entry_type, table_find, table_insert_word
from server.types.bulk cimport write_short
from server.types.stream cimport STREAM_LISTPACKS, stream_new_word, stream_value
from server.types.stream_log cimport NODE_MAX_BYTES, StreamLog, StreamText, format_id, stream_append, stream_next_id

cdef enum:
    MOST_TEXTS = 128                   # fields and values that a fast path takes


cdef inline Entry* _find(Client c, Batch* b, Request* r) noexcept:
    return table_find(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), fast_hash_of(b, r))


cdef int _xadd(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef StreamText texts[MOST_TEXTS]
    cdef char id_text[48]
    cdef Entry* e
    cdef StreamLog* log
    cdef StreamId id
    cdef size_t bytes = 0
    cdef size_t n
    cdef uint32_t i
    if (r.arg_count < 5 or not r.arg_count & 1 or r.arg_count - 3 > MOST_TEXTS or arg_length(b, r, 2) != 1
            or arg_at(b, r, 2)[0] != c'*'):
        return 0
    for i in range(3, r.arg_count):
        texts[i - 3].s = arg_at(b, r, i)
        texts[i - 3].n = arg_length(b, r, i)
        bytes += texts[i - 3].n
    if bytes > NODE_MAX_BYTES:
        return 0
    e = _find(c, b, r)
    if e == NULL:
        e = table_insert_word(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, stream_new_word())
        e.meta = shared.first_access()
        entry_set_type(e, TYPE_STREAM, STREAM_LISTPACKS)
        log = &stream_value(e).log
        stream_next_id(log, <uint64_t>shared.clock.unix_ms, &id)
    else:
        if entry_type(e) != TYPE_STREAM or fast_expired(e, shared):
            return 0
        log = &stream_value(e).log
        if not stream_next_id(log, <uint64_t>shared.clock.unix_ms, &id):
            return 0
        fast_touch(e, shared)
    stream_append(log, id, texts, (r.arg_count - 3) >> 1)
    n = format_id(id_text, &id)
    fast_written_with(c, b, r, 1, 2, id_text, n)
    write_short(&c.out, id_text, n)
    return 1


cdef int _xlen(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e
    e = _find(c, b, r)
    if e == NULL:
        shared.misses += 1
        write_integer(&c.out, 0)
        return 1
    if entry_type(e) != TYPE_STREAM or fast_expired(e, shared):
        return 0
    fast_touch(e, shared)
    shared.hits += 1
    write_integer(&c.out, stream_value(e).log.length)
    return 1


def attach(dict records) -> None:
    """Give the stream commands their fast paths."""
    attach_fast_path(records, "xadd", _xadd)
    attach_fast_path(records, "xlen", _xlen)
