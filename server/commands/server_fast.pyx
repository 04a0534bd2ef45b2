# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of the server as a whole: DBSIZE, TIME, INFO, SWAPDB of databases that nobody watches or waits in, and
flushing what is empty."""
from libc.stdint cimport int64_t, uint32_t

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_Size

from iothreads.resp_writer cimport format_signed, write_bulk, write_header, write_integer, write_raw, write_verbatim
from server.clients.client cimport Client
from server.clients.tracking cimport Tracking
from server.dispatch.conditions cimport SLOW_CLUSTER, state
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport (ANY_TYPE, DECLINED, FREE, UNKEYED, integer_at, is_word, length_at, pass_on, propagation_,
                                     row, word_at)
from server.keyspace.database cimport Database
from server.registry.clock cimport clock_refresh, clock_state
from server.registry.info_writer cimport add_sections
from server.registry.text_writer cimport Text, text_begin, text_end
from server.structures.slot_keys cimport table_shown_size
from server.structures.table cimport table_size

from server.registry.info import pages_of

cdef object _parts = None              # who answers for what INFO tells
cdef object _make_room = None          # the server's, which adds up all that memory is used by
cdef Tracking _tracking = None
cdef object _leaves_files_alone = None # FLUSHALL would neither write a file nor end a child that does


def use(parts, make_room, Tracking tracking, leaves_files_alone) -> None:
    """What they need of a server with keys. Without it (a sentinel) all is the definitions'."""
    global _parts, _make_room, _tracking, _leaves_files_alone
    _parts, _make_room, _tracking, _leaves_files_alone = parts, make_room, tracking, leaves_files_alone


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


# ---- INFO
cdef bint _asks_for_debug(Op* op) noexcept:
    """Who asks how many commands fast paths took is none of them."""
    cdef uint32_t i
    for i in range(1, op.r.arg_count):
        if is_word(op, i, "debug", 5):
            return True
    return False


cdef int _add_info(Op* op, Text* text) except -1:
    cdef tuple words = ()
    if op.r.arg_count > 1:
        words = tuple([PyBytes_FromStringAndSize(word_at(op, i), length_at(op, i)) for i in range(1, op.r.arg_count)])
    return add_sections(text, pages_of(words), _parts.where, _parts.kept)


cdef int64_t _info(Op* op) except -1:
    """A mistake in how a field is read is told by the definition, as any mistake of ours."""
    cdef Text text
    if _parts is None or _asks_for_debug(op):
        return DECLINED
    text.bytes = NULL
    try:
        if propagation_.depth == 0:    # in a script, or in EXEC, time stands still, and room was made
            clock_refresh()
            if state.max_memory:
                _make_room()
        text_begin(&text)
        _add_info(op, &text)
        write_verbatim(op.out, text.bytes, text.used, (<Client>op.client).resp)
        return 0
    except Exception:
        return DECLINED
    finally:
        text_end(&text)


# ---- flushing what is empty: nothing changes, but AOF and replicas hear of it, for a replica may have more than we do
cdef inline bint _is_flush(Op* op) noexcept:
    return op.r.arg_count == 1 or op.r.arg_count == 2 and (is_word(op, 1, "sync", 4) or is_word(op, 1, "async", 5))


cdef inline bint _nobody_tracks() noexcept:
    return (_tracking is not None and PyDict_Size(_tracking.clients) == 0
            and table_size(_tracking.keys.table) == 0)


cdef inline bint _is_bare(Database db) except -1:
    return table_size(db.table) == 0 and not _is_minded(db)


cdef int64_t _flushed_nothing(Op* op) except -1:
    pass_on(op)
    write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef int64_t _flushdb(Op* op) except -1:
    if not _is_flush(op) or state.all & SLOW_CLUSTER or not _nobody_tracks() or not _is_bare((<Client>op.client).db):
        return DECLINED
    return _flushed_nothing(op)


cdef int64_t _flushall(Op* op) except -1:
    cdef Database db
    if not _is_flush(op) or state.all & SLOW_CLUSTER or not _nobody_tracks():
        return DECLINED
    for db in (<Client>op.client).db.keyspace.databases:
        if not _is_bare(db):
            return DECLINED
    return _flushed_nothing(op) if _leaves_files_alone() else DECLINED


row("info", FREE | UNKEYED, ANY_TYPE, _info)
row("flushdb", FREE | UNKEYED, ANY_TYPE, _flushdb)
row("flushall", FREE | UNKEYED, ANY_TYPE, _flushall)
row("dbsize", FREE | UNKEYED, ANY_TYPE, _dbsize)
row("time", FREE | UNKEYED, ANY_TYPE, _time)
row("swapdb", FREE | UNKEYED, ANY_TYPE, _swapdb)
