# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of all keys, where none may expire: RANDOMKEY, SCAN without a pattern and a type."""
from libc.stdint cimport int64_t, uint64_t

from iothreads.resp_writer cimport write_bulk, write_null
from server.clients.client cimport Client
from server.dispatch.fast_words cimport read_scan, write_scanned
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport ANY_TYPE, DECLINED, FREE, UNKEYED, row
from server.structures.slot_keys cimport table_hides
from server.structures.table cimport Entry, entry_key, entry_key_length, table_fair_random


cdef int64_t _randomkey(Op* op) except -1:
    cdef Entry* e
    if op.table.expires or table_hides(op.table):
        return DECLINED
    e = table_fair_random(op.table)
    if e == NULL:
        write_null(op.out, (<Client>op.client).resp)
    else:
        write_bulk(op.out, entry_key(e), entry_key_length(e))
    return 0


cdef int64_t _scan(Op* op) except -1:
    cdef uint64_t cursor
    cdef int64_t count
    if op.table.expires or not read_scan(op, 1, &cursor, &count):
        return DECLINED
    cursor, found = (<Client>op.client).db.scan(cursor, count)
    write_scanned(op.out, cursor, found)
    return 0


row("randomkey", FREE | UNKEYED, ANY_TYPE, _randomkey)
row("scan", FREE | UNKEYED, ANY_TYPE, _scan)
