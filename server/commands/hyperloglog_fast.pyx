# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of HyperLogLogs: PFADD, to a dense one in place; PFCOUNT of one whose cardinality is cached, and of
several; PFMERGE.

Scripts go through the definition, which knows the read-only ones.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.resp_writer cimport write_integer, write_raw
from server.clients.client cimport Client
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    DECLINED, FAST_KEYS, FREE, WRITE, changed, event_of, find_all, find_at, found, is_plain, length_at, missed,
    overwrite, pass_on, row, touch, word_at)
from server.keyspace.database cimport entry_string_view
from server.structures.blob cimport Blob
from server.structures.hyperloglog cimport (
    HLL_CHANGED, HLL_DENSE_SIZE, HLL_EMPTY_SIZE, HLL_LONGEST, HLL_REGISTERS, HLL_SAME, HLL_SPARSE, HllMarks, hll_add,
    hll_cached, hll_count_registers, hll_invalidate, hll_is_valid, hll_merge, hll_new, hll_sparse_max, hll_take)
from server.structures.table cimport ENTRY_WORD, STR_BLOB, TYPE_STRING, Entry, entry_encoding, entry_word_ref

cdef enum:
    DENSE_AT = 4                       # the encoding byte, 0 in a dense value
    SPARSE_ROOM = 4096                 # bytes: longer sparse values are the definition's

cdef const Event* _PFADD = event_of("pfadd")


cdef Blob* _dense(Entry* e) noexcept:
    """The bytes of a dense value that no reply in flight refers to; NULL without one."""
    cdef Blob* blob
    if e == NULL or not e.klen & ENTRY_WORD or entry_encoding(e) != STR_BLOB:
        return NULL
    blob = <Blob*>entry_word_ref(e)[0]
    if (blob.references != 1 or blob.length != HLL_DENSE_SIZE or blob.data[DENSE_AT] != 0
            or not hll_is_valid(<const uint8_t*>blob.data, blob.length)):
        return NULL
    return blob


cdef int64_t _pfadd(Op* op) except -1:
    cdef Blob* blob = _dense(op.e)
    cdef size_t length = HLL_DENSE_SIZE
    cdef int64_t changes = 0
    cdef uint32_t i
    if blob == NULL:
        return _add_sparse(op)
    for i in range(2, op.r.arg_count):
        changes += hll_add(<uint8_t*>blob.data, &length, length, word_at(op, i), length_at(op, i), 0,
                           NULL) == HLL_CHANGED
    write_integer(op.out, changes > 0)
    return changes


cdef bint _copy(Entry* e, uint8_t* data, size_t* length, size_t most) noexcept:
    """The bytes of a value, or of a new one; 0: it is too long, or none."""
    cdef char scratch[24]
    cdef char* start
    if e == NULL:
        hll_new(data)
        length[0] = HLL_EMPTY_SIZE
        return True
    length[0] = entry_string_view(e, scratch, &start)
    if length[0] > most or not hll_is_valid(<const uint8_t*>start, length[0]):
        return False
    memcpy(data, start, length[0])
    return True


cdef int64_t _add_sparse(Op* op) except -1:
    """To a copy. What has to become dense, or gets shorter, is the definition's."""
    cdef uint8_t data[SPARSE_ROOM]
    cdef HllMarks marks
    cdef HllMarks* several = &marks if op.r.arg_count > 3 else NULL
    cdef size_t before, length
    cdef int64_t changes = op.e == NULL
    cdef uint32_t i
    cdef int result
    if not _copy(op.e, data, &length, SPARSE_ROOM) or data[DENSE_AT] != HLL_SPARSE:
        return DECLINED
    before = length
    if several != NULL:
        memset(several, 0, sizeof(HllMarks))
    for i in range(2, op.r.arg_count):
        result = hll_add(data, &length, SPARSE_ROOM, word_at(op, i), length_at(op, i), hll_sparse_max, several)
        if result != HLL_SAME and result != HLL_CHANGED:
            return DECLINED
        changes += result == HLL_CHANGED
    if length < before:
        return DECLINED
    if changes:
        hll_invalidate(data)
        overwrite(op, 0, PyBytes_FromStringAndSize(<char*>data, length))
    write_integer(op.out, changes > 0)
    return changes


cdef bint _unite(Op* op, uint8_t* registers, bint* dense) noexcept:
    """The maximum of all registers; 0: a key is none, has expired, or is corrupt."""
    cdef char scratch[24]
    cdef char* start
    cdef size_t length
    cdef uint32_t i
    memset(registers, 0, HLL_REGISTERS)
    dense[0] = False
    for i in range(1, op.r.arg_count):
        if find_at(op, i) == NULL:
            continue
        if not is_plain(<Client>op.client, op.e, TYPE_STRING):
            return False
        length = entry_string_view(op.e, scratch, &start)
        if not hll_is_valid(<uint8_t*>start, length) or not hll_merge(registers, <uint8_t*>start, length):
            return False
        dense[0] |= start[DENSE_AT] != HLL_SPARSE
    return True


cdef int64_t _pfmerge(Op* op) except -1:
    cdef uint8_t registers[HLL_REGISTERS]
    cdef uint8_t data[HLL_LONGEST]
    cdef Entry* entries[FAST_KEYS]
    cdef size_t length, before
    cdef bint dense
    if op.r.arg_count - 1 > FAST_KEYS or not _unite(op, registers, &dense):
        return DECLINED
    find_at(op, 1)
    if not _copy(op.e, data, &length, HLL_LONGEST):
        return DECLINED
    before = length
    if (hll_take(data, &length, registers, dense, hll_sparse_max) != HLL_CHANGED or length < before
            or not find_all(op, 1, op.r.arg_count - 1, 1 << TYPE_STRING, entries)):
        return DECLINED
    overwrite(op, 0, PyBytes_FromStringAndSize(<char*>data, length))
    pass_on(op)
    changed(op, 1, _PFADD)
    write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef int64_t _count_union(Op* op) except -1:
    """What is no HyperLogLog, or a corrupt one, is found before anything is counted as a read."""
    cdef uint8_t registers[HLL_REGISTERS]
    cdef Entry* entries[FAST_KEYS]
    cdef bint dense
    if op.r.arg_count - 1 > FAST_KEYS or not _unite(op, registers, &dense):
        return DECLINED
    if not find_all(op, 1, op.r.arg_count - 1, 1 << TYPE_STRING, entries):
        return DECLINED
    write_integer(op.out, hll_count_registers(registers))
    return 0


cdef int64_t _pfcount(Op* op) except -1:
    """FREE: of one key it looks by itself. A cardinality that has to be counted is kept in the value: the definition's."""
    cdef char scratch[24]
    cdef char* start
    cdef size_t length
    cdef uint64_t cardinality = 0
    cdef Client c = <Client>op.client
    if op.r.arg_count > 2:
        return _count_union(op)
    if find_at(op, 1) == NULL:
        write_integer(op.out, 0)
        missed(c, op.b, op.r, 1)
        return 0
    if not is_plain(c, op.e, TYPE_STRING):
        return DECLINED
    length = entry_string_view(op.e, scratch, &start)
    if not hll_is_valid(<const uint8_t*>start, length) or not hll_cached(<const uint8_t*>start, &cardinality):
        return DECLINED
    touch(c, op.e)
    found(c, op.e)
    write_integer(op.out, cardinality)
    return 0


row("pfadd", WRITE, TYPE_STRING, _pfadd, "pfadd")
row("pfmerge", FREE, TYPE_STRING, _pfmerge)
row("pfcount", FREE, TYPE_STRING, _pfcount)
