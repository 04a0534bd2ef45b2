# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of the server as a whole: DBSIZE, TIME, INFO, SWAPDB of databases that nobody watches or waits in."""
from libc.stdint cimport int64_t

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_Size

from iothreads.resp_writer cimport format_signed, write_bulk, write_header, write_integer, write_raw, write_verbatim
from server.clients.client cimport Client
from server.dispatch.conditions cimport SLOW_CLUSTER, state
from server.dispatch.loop cimport Loop
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport (ANY_TYPE, DECLINED, FREE, UNKEYED, integer_at, is_word, length_at, pass_on,
                                     propagation_, row, word_at)
from server.keyspace.database cimport Database
from server.registry.clock cimport clock_refresh, clock_state
from server.registry.info_writer cimport add_sections
from server.registry.text_writer cimport Text, text_begin, text_end
from server.structures.slot_keys cimport table_shown_size

from server.registry.info import pages_of


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


cdef int64_t _info(Op* op) except -1:
    """A mistake in what a field is read by is told by the definition, as any mistake of ours. Who asks how many commands fast
    paths took (INFO debug) is none of them."""
    cdef Client c = <Client>op.client
    cdef tuple words = ()
    cdef Text text
    if not isinstance(c.loop, Loop) or (<Loop>c.loop).server.config.sentinel_mode:
        return DECLINED
    if op.r.arg_count == 2 and is_word(op, 1, "debug", 5):
        return DECLINED
    if op.r.arg_count > 1:
        words = tuple([PyBytes_FromStringAndSize(word_at(op, i), length_at(op, i)) for i in range(1, op.r.arg_count)])
    text.bytes = NULL
    try:
        text_begin(&text)
        parts = (<Loop>c.loop).server.parts
        add_sections(&text, pages_of(words), parts.where, parts.kept)
        write_verbatim(op.out, text.bytes, text.used, c.resp)
        return 0
    except Exception:
        return DECLINED
    finally:
        text_end(&text)


row("info", FREE | UNKEYED, ANY_TYPE, _info)
row("dbsize", FREE | UNKEYED, ANY_TYPE, _dbsize)
row("time", FREE | UNKEYED, ANY_TYPE, _time)
row("swapdb", FREE | UNKEYED, ANY_TYPE, _swapdb)
