# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of HyperLogLogs: PFADD to a dense one, in place; PFCOUNT of one whose cardinality is cached.

Scripts go through the definition, which knows the read-only ones.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport write_integer
from server.clients.client cimport CLIENT_SCRIPT, Client
from server.dispatch.fastpath cimport fast_path, fast_expired, fast_find, fast_touch, fast_written
from server.keyspace.database cimport Keyspace, entry_string_view
from server.structures.hyperloglog cimport HLL_CHANGED, HLL_DENSE_SIZE, hll_add, hll_cached, hll_is_valid
from server.structures.table cimport (
    ENTRY_WORD, STR_BLOB, TYPE_STRING, Blob, Entry, entry_encoding, entry_type, entry_word_ref)

cdef enum:
    DENSE_AT = 4                       # the encoding byte, 0 in a dense value


cdef Blob* _dense(Client c, Entry* e) noexcept:
    """The bytes of a dense value that no reply in flight refers to; NULL without one."""
    cdef Blob* blob
    if (e == NULL or entry_type(e) != TYPE_STRING or not e.klen & ENTRY_WORD or entry_encoding(e) != STR_BLOB
            or fast_expired(e, c.db.keyspace)):
        return NULL
    blob = <Blob*>entry_word_ref(e)[0]
    if (blob.references != 1 or blob.length != HLL_DENSE_SIZE or blob.data[DENSE_AT] != 0
            or not hll_is_valid(<const uint8_t*>blob.data, blob.length)):
        return NULL
    return blob


cdef int _pfadd(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e = fast_find(c, b, r)
    cdef Blob* blob = _dense(c, e)
    cdef size_t length = HLL_DENSE_SIZE
    cdef int64_t changes = 0
    cdef uint32_t i
    if blob == NULL or c.state & CLIENT_SCRIPT:
        return 0
    for i in range(2, r.arg_count):
        changes += hll_add(<uint8_t*>blob.data, &length, length, arg_at(b, r, i), arg_length(b, r, i), 0) == HLL_CHANGED
    fast_touch(e, c.db.keyspace)
    if changes:
        fast_written(c, b, r, changes)
    write_integer(&c.out, changes > 0)
    return 1


cdef int _pfcount(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e
    cdef char scratch[24]
    cdef char* start
    cdef size_t length
    cdef uint64_t cardinality
    if r.arg_count != 2 or c.state & CLIENT_SCRIPT:
        return 0
    e = fast_find(c, b, r)
    if e == NULL:
        shared.misses += 1
        write_integer(&c.out, 0)
        return 1
    if entry_type(e) != TYPE_STRING or fast_expired(e, shared):
        return 0
    length = entry_string_view(e, scratch, &start)
    if not hll_is_valid(<const uint8_t*>start, length) or not hll_cached(<const uint8_t*>start, &cardinality):
        return 0
    fast_touch(e, shared)
    shared.hits += 1
    write_integer(&c.out, cardinality)
    return 1


fast_path("pfadd", _pfadd)
fast_path("pfcount", _pfcount)
