# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t

from cpython.bytes cimport PyBytes_FromStringAndSize

from server.structures.slot_keys cimport entry_is_hidden
from server.structures.table cimport ENTRY_EXPIRE, Entry, entry_expire, entry_key, entry_key_length, entry_type


cdef class Visited:
    pass


cdef class ExpireSample:
    pass


cdef inline bytes _key(Entry* e):
    return PyBytes_FromStringAndSize(entry_key(e), entry_key_length(e))


cdef int collect_key(void* context, Entry* e) noexcept:
    cdef Visited v = <Visited>context
    if v.type >= 0 and entry_type(e) != v.type or entry_is_hidden(v.table, e):
        return 0
    v.keys.append(_key(e))
    return 0


cdef int collect_live_key(void* context, Entry* e) noexcept:
    cdef Visited v = <Visited>context
    if e.klen & ENTRY_EXPIRE and entry_expire(e) < v.now_ms or entry_is_hidden(v.table, e):
        return 0
    v.keys.append(_key(e))
    return 0


cdef int look_at_expire(void* context, Entry* e) noexcept:
    cdef ExpireSample sample = <ExpireSample>context
    cdef int64_t left = entry_expire(e) - sample.now_ms
    if left >= 0:
        sample.ttl_sum += left
    elif not entry_is_hidden(sample.table, e):
        sample.expired.append(_key(e))
    return 0
