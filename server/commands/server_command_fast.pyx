# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The fast paths of COMMAND GETKEYS and GETKEYSANDFLAGS, of the words of a command whose keys stand where its
specifications say, without looking at more than those."""
from libc.stdint cimport int64_t, uint32_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport PyObject

from iothreads.message cimport Batch, Request
from iothreads.resp_writer cimport write_bulk, write_header, write_raw
from server.acl.permissions cimport KeySearch, find_keys
from server.clients.client cimport Client
from server.dispatch.door cimport fits
from server.dispatch.record cimport AHEAD_SUBCOMMAND, Op, Record, record_of, subcommand_pointer
from server.dispatch.shapes cimport ANY_TYPE, DECLINED, FREE, UNKEYED, length_at, row, word_at

from server.registry.key_flags import wire_of_flags
from server.registry.keys import NOT_KEY

cdef enum:                             # Op.how
    KEYS
    WITH_FLAGS

cdef enum:
    BEFORE = 2                         # words before those of the command


cdef Record _record_of(Op* op):
    """Of the command that is asked about; None: the definition knows what to say of it."""
    cdef void* found = record_of(word_at(op, BEFORE), length_at(op, BEFORE))
    if found != NULL and (<Record>found).prefetch == AHEAD_SUBCOMMAND and op.r.arg_count > BEFORE + 1:
        found = subcommand_pointer(found, word_at(op, BEFORE + 1), length_at(op, BEFORE + 1))
    return <Record>found if found != NULL and (<Record>found).function is not None else None


cdef int64_t _count(const KeySearch* search, const Batch* b, const Request* r, int64_t* first, int64_t* end) noexcept:
    """How many keys it finds; -1: that cannot be told here."""
    if not find_keys(search, b, r, first, end):
        return -1
    return 0 if first[0] == 0 else (end[0] - first[0]) // search.step + 1


cdef int64_t _getkeys(Op* op) except -1:
    cdef Record record = _record_of(op)
    cdef Request asked = op.r[0]
    cdef int64_t first, end, keys = 0, count
    cdef list specs = None
    cdef bytes flags
    cdef int i
    asked.first_arg += BEFORE
    asked.arg_count -= BEFORE
    if (record is None or not record.needs.known or record.needs.reads_with != NULL
            or not fits(<PyObject*>record, asked.arg_count)):
        return DECLINED
    for i in range(record.needs.searches):
        count = _count(&record.needs.search[i], op.b, &asked, &first, &end)
        if count < 0:
            return DECLINED
        keys += count
    if keys == 0:
        return DECLINED
    if op.how == WITH_FLAGS:
        specs = [spec for spec in record.command.keys.specs if NOT_KEY not in spec.flags]
    write_header(op.out, c'*', keys)
    for i in range(record.needs.searches):
        if _count(&record.needs.search[i], op.b, &asked, &first, &end) == 0:
            continue
        flags = wire_of_flags(specs[i].flags, (<Client>op.client).resp) if specs is not None else b""
        while first <= end:
            if specs is not None:
                write_header(op.out, c'*', 2)
            write_bulk(op.out, word_at(op, <uint32_t>(BEFORE + first)), length_at(op, <uint32_t>(BEFORE + first)))
            write_raw(op.out, PyBytes_AS_STRING(flags), PyBytes_GET_SIZE(flags))
            first += record.needs.search[i].step
    return 0


row("command|getkeys", FREE | UNKEYED, ANY_TYPE, _getkeys, "", KEYS)
row("command|getkeysandflags", FREE | UNKEYED, ANY_TYPE, _getkeys, "", WITH_FLAGS)
