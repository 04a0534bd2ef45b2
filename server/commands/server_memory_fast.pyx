# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The fast paths of MEMORY USAGE without SAMPLES (looking is no access, and counts as none), and of MEMORY DOCTOR."""
from libc.stdint cimport int64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.resp_writer cimport write_integer, write_null, write_verbatim
from server.clients.client cimport Client
from server.dispatch.evicting cimport has_room
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport ANY_TYPE, DECLINED, FREE, UNKEYED, find_live, row
from server.keyspace.estimate cimport entry_weight
from server.observe.memory_account cimport MemoryAccount

from server.observe.memory_advice import EMPTY, LITTLE, report

cdef int64_t _little = LITTLE
cdef bytes _empty = EMPTY.encode()
cdef MemoryAccount _memory = None
cdef object _clients = None            # len() says how many, ...
cdef object _scripts = None            # ... of these, too
cdef dict _reports = {}                # by what is unusual


def use(MemoryAccount memory, clients, scripts) -> None:
    """What is looked at: the account, connected clients, cached scripts."""
    global _memory, _clients, _scripts
    _memory, _clients, _scripts = memory, clients, scripts


cdef int64_t _usage(Op* op) except -1:
    if op.r.arg_count != 3 or not find_live(op, 2):
        return DECLINED
    if op.e == NULL:
        write_null(op.out, (<Client>op.client).resp)
    else:
        write_integer(op.out, <int64_t>entry_weight(op.e))
    return 0


cdef bytes _report():
    cdef bytes told
    if _memory.used_now() < _little:
        return _empty
    unusual = _memory.figures().unusual(len(_clients), len(_scripts))
    told = _reports.get(unusual)
    if told is None:
        told = _reports[unusual] = report(unusual).encode()
    return told


cdef int64_t _doctor(Op* op) except -1:
    cdef bytes told
    if _memory is None or op.r.arg_count != 2 or not has_room():
        return DECLINED
    told = _report()
    write_verbatim(op.out, PyBytes_AS_STRING(told), PyBytes_GET_SIZE(told), (<Client>op.client).resp)
    return 0


row("memory|doctor", FREE | UNKEYED, ANY_TYPE, _doctor)
row("memory|usage", FREE | UNKEYED, ANY_TYPE, _usage)
