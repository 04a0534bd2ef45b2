# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of the server as a whole: DBSIZE, TIME, SWAPDB of databases that nobody watches or waits in."""
from libc.stdint cimport int64_t

from cpython.dict cimport PyDict_Size

from iothreads.resp_writer cimport format_signed, write_bulk, write_header, write_integer, write_raw
from server.clients.client cimport Client
from server.dispatch.conditions cimport SLOW_CLUSTER, state
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport ANY_TYPE, DECLINED, FREE, UNKEYED, integer_at, pass_on, propagation_, row
from server.keyspace.database cimport Database
from server.registry.clock cimport clock_refresh, clock_state
from server.structures.slot_keys cimport table_shown_size


cdef int64_t _dbsize(Op* op) except -1:
    write_integer(op.out, table_shown_size(op.table))
    return 0


cdef inline void _write_number(Op* op, int64_t value) noexcept:
    cdef char digits[24]
    write_bulk(op.out, digits, format_signed(digits, value) - digits)


cdef int64_t _time(Op* op) except -1:
    """In a script, or in EXEC, time stands still."""
    if propagation_.depth == 0:
        clock_refresh()
    write_header(op.out, c'*', 2)
    _write_number(op, clock_state().unix_us // 1000000)
    _write_number(op, clock_state().unix_us % 1000000)
    return 0


cdef inline bint _is_minded(Database db) except -1:
    return PyDict_Size(db.watched) != 0 or PyDict_Size(db.blocking) != 0


cdef int64_t _swapdb(Op* op) except -1:
    cdef list databases = (<Client>op.client).db.keyspace.databases
    cdef int64_t first, second
    if (state.all & SLOW_CLUSTER or not integer_at(op, 1, &first) or not integer_at(op, 2, &second)
            or not 0 <= first < len(databases) or not 0 <= second < len(databases)
            or _is_minded(databases[first]) or _is_minded(databases[second])):
        return DECLINED
    if first != second:
        (<Client>op.client).db.keyspace.swap(first, second)
    state.dirty += 1
    pass_on(op)
    write_raw(op.out, "+OK\r\n", 5)
    return 1


row("dbsize", FREE | UNKEYED, ANY_TYPE, _dbsize)
row("time", FREE | UNKEYED, ANY_TYPE, _time)
row("swapdb", FREE | UNKEYED, ANY_TYPE, _swapdb)
