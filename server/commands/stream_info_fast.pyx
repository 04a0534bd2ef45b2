# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of XINFO: STREAM without FULL, GROUPS, CONSUMERS, of a stream that is there."""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport strlen

from iothreads.message cimport Output
from iothreads.resp_writer cimport write_header, write_integer, write_null
from server.clients.client cimport Client
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport ANY_TYPE, DECLINED, FREE, UNKEYED, find_plain, length_at, looked_up, row, word_at
from server.structures.rax cimport StreamId, rax_nodes, rax_size
from server.structures.table cimport TYPE_STREAM
from server.types.bulk cimport write_short
from server.types.stream cimport StreamValue, stream_value
from server.types.stream_groups cimport READ_UNKNOWN, StreamConsumer, StreamGroup, StreamName, group_find
from server.types.stream_reading cimport stream_lag
from server.types.stream_log cimport (
    StreamLog, StreamWalk, id_max, stream_walk, stream_walk_next, stream_write_entry, stream_write_id)


# ---- facts: a name and a value each
cdef inline void _begin(Op* op, uint32_t facts) noexcept:
    """A map of so many."""
    if (<Client>op.client).resp == 3:
        write_header(op.out, c'%', facts)
    else:
        write_header(op.out, c'*', 2 * facts)


cdef inline void _name(Output* out, const char* name) noexcept:
    write_short(out, name, strlen(name))


cdef inline void _number(Output* out, const char* name, int64_t value) noexcept:
    _name(out, name)
    write_integer(out, value)


cdef inline void _id(Output* out, const char* name, const StreamId* id) noexcept:
    _name(out, name)
    stream_write_id(out, id)


cdef inline void _title(Output* out, const StreamName* name) noexcept:
    _name(out, "name")
    write_short(out, name.text, name.length)


cdef void _edge(Op* op, const char* name, StreamLog* log, bint last) noexcept:
    """The first or the last entry; null when there is none."""
    cdef StreamWalk walk
    _name(op.out, name)
    stream_walk(log, &walk, StreamId(0, 0), id_max(), last)
    if stream_walk_next(&walk):
        stream_write_entry(&walk, op.out)
    else:
        write_null(op.out, (<Client>op.client).resp)


# ---- XINFO
cdef int64_t _xinfo_stream(Op* op) except -1:
    cdef StreamValue* value
    cdef StreamLog* log
    if op.r.arg_count != 3 or not find_plain(op, 2, TYPE_STREAM):
        return DECLINED
    looked_up(op)
    value = stream_value(op.e)
    log = &value.log
    _begin(op, 10)
    _number(op.out, "length", <int64_t>log.length)
    _number(op.out, "radix-tree-keys", <int64_t>rax_size(log.nodes))
    _number(op.out, "radix-tree-nodes", <int64_t>rax_nodes(log.nodes))
    _id(op.out, "last-generated-id", &log.last)
    _id(op.out, "max-deleted-entry-id", &log.max_deleted)
    _number(op.out, "entries-added", <int64_t>log.added)
    _id(op.out, "recorded-first-entry-id", &log.first)
    _number(op.out, "groups", value.groups.count)
    _edge(op, "first-entry", log, False)
    _edge(op, "last-entry", log, True)
    return 0


cdef int64_t _xinfo_groups(Op* op) except -1:
    cdef StreamValue* value
    cdef StreamGroup* group
    cdef int64_t lag
    cdef bint is_known
    cdef uint32_t i
    if not find_plain(op, 2, TYPE_STREAM):
        return DECLINED
    looked_up(op)
    value = stream_value(op.e)
    write_header(op.out, c'*', value.groups.count)
    for i in range(value.groups.count):
        group = value.groups.items[i]
        _begin(op, 6)
        _title(op.out, group.name)
        _number(op.out, "consumers", group.consumer_count)
        _number(op.out, "pending", <int64_t>rax_size(group.pending))
        _id(op.out, "last-delivered-id", &group.last)
        _known(op, "entries-read", group.entries_read != READ_UNKNOWN, group.entries_read)
        is_known = stream_lag(&value.log, group, &lag)
        _known(op, "lag", is_known, lag)
    return 0


cdef inline void _known(Op* op, const char* name, bint known, int64_t value) noexcept:
    _name(op.out, name)
    if known:
        write_integer(op.out, value)
    else:
        write_null(op.out, (<Client>op.client).resp)


cdef int64_t _xinfo_consumers(Op* op) except -1:
    cdef int64_t now_ms = (<Client>op.client).db.keyspace.clock.unix_ms
    cdef StreamConsumer* consumer
    cdef StreamGroup* group
    cdef uint32_t i
    if not find_plain(op, 2, TYPE_STREAM):
        return DECLINED
    group = group_find(&stream_value(op.e).groups, word_at(op, 3), length_at(op, 3))
    if group == NULL:
        return DECLINED
    looked_up(op)
    write_header(op.out, c'*', group.consumer_count)
    for i in range(group.consumer_count):
        consumer = group.consumers[i]
        _begin(op, 4)
        _title(op.out, consumer.name)
        _number(op.out, "pending", <int64_t>rax_size(consumer.pending))
        _number(op.out, "idle", max(now_ms - consumer.seen_ms, <int64_t>0))
        _number(op.out, "inactive", now_ms - consumer.active_ms if consumer.active_ms != -1 else -1)
    return 0


row("xinfo|stream", FREE | UNKEYED, ANY_TYPE, _xinfo_stream)
row("xinfo|groups", FREE | UNKEYED, ANY_TYPE, _xinfo_groups)
row("xinfo|consumers", FREE | UNKEYED, ANY_TYPE, _xinfo_consumers)
