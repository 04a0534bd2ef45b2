# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of XINFO: STREAM, with FULL of up to MOST of each, GROUPS, CONSUMERS, of a stream that is there."""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport strlen

from iothreads.message cimport Output
from iothreads.resp_writer cimport write_header, write_integer, write_null
from server.clients.client cimport Client
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FREE, UNKEYED, find_plain, integer_at, is_word, length_at, looked_up, row, word_at)
from server.structures.rax cimport Rax, RaxCursor, StreamId, rax_first, rax_item, rax_next, rax_nodes, rax_size
from server.structures.table cimport TYPE_STREAM
from server.types.bulk cimport write_short
from server.types.stream cimport StreamValue, stream_value
from server.types.stream_groups cimport READ_UNKNOWN, Pending, StreamConsumer, StreamGroup, StreamName, group_find
from server.types.stream_reading cimport stream_lag
from server.types.stream_log cimport (
    StreamLog, StreamPart, StreamWalk, id_max, part_find, part_write, stream_walk, stream_walk_next, stream_write_entry,
    stream_write_id)

cdef enum:
    MOST = 1000                        # entries, and pending ones of each, that FULL tells


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
cdef void _facts(Op* op, StreamLog* log) noexcept:
    """Seven."""
    _number(op.out, "length", <int64_t>log.length)
    _number(op.out, "radix-tree-keys", <int64_t>rax_size(log.nodes))
    _number(op.out, "radix-tree-nodes", <int64_t>rax_nodes(log.nodes))
    _id(op.out, "last-generated-id", &log.last)
    _id(op.out, "max-deleted-entry-id", &log.max_deleted)
    _number(op.out, "entries-added", <int64_t>log.added)
    _id(op.out, "recorded-first-entry-id", &log.first)


cdef int64_t _xinfo_stream(Op* op) except -1:
    cdef StreamValue* value
    cdef StreamLog* log
    cdef int64_t count = 10
    if (not find_plain(op, 2, TYPE_STREAM) or (op.r.arg_count > 3 and not _read_full(op, &count))):
        return DECLINED
    looked_up(op)
    value = stream_value(op.e)
    log = &value.log
    if op.r.arg_count > 3:
        _write_full(op, value, count)
        return 0
    _begin(op, 10)
    _facts(op, log)
    _number(op.out, "groups", value.groups.count)
    _edge(op, "first-entry", log, False)
    _edge(op, "last-entry", log, True)
    return 0


cdef bint _read_full(Op* op, int64_t* count) noexcept:
    """`FULL [COUNT count]`."""
    if not is_word(op, 3, "full", 4):
        return False
    if op.r.arg_count == 4:
        return True
    if op.r.arg_count != 6 or not is_word(op, 4, "count", 5) or not integer_at(op, 5, count):
        return False
    if count[0] < 0:
        count[0] = 10
    return 0 < count[0] <= MOST


cdef void _write_pending(Output* out, Rax* pending, int64_t count, bint owners) noexcept:
    """At most so many, the lowest first."""
    cdef RaxCursor cursor
    cdef Pending* entry
    cdef int64_t left = min(<int64_t>rax_size(pending), count)
    cdef bint going = rax_first(pending, &cursor)
    _name(out, "pending")
    write_header(out, c'*', left)
    while going and left:
        entry = <Pending*>rax_item(&cursor).value
        write_header(out, c'*', 3 + owners)
        stream_write_id(out, &cursor.id)
        if owners:
            write_short(out, entry.consumer.name.text, entry.consumer.name.length)
        write_integer(out, entry.delivered_ms)
        write_integer(out, <int64_t>entry.deliveries)
        left -= 1
        going = rax_next(&cursor)


cdef void _write_group(Op* op, StreamValue* value, StreamGroup* group, int64_t count) noexcept:
    cdef StreamConsumer* consumer
    cdef int64_t lag
    cdef bint is_known = stream_lag(&value.log, group, &lag)
    cdef uint32_t i
    _begin(op, 7)
    _title(op.out, group.name)
    _id(op.out, "last-delivered-id", &group.last)
    _known(op, "entries-read", group.entries_read != READ_UNKNOWN, group.entries_read)
    _known(op, "lag", is_known, lag)
    _number(op.out, "pel-count", <int64_t>rax_size(group.pending))
    _write_pending(op.out, group.pending, count, True)
    _name(op.out, "consumers")
    write_header(op.out, c'*', group.consumer_count)
    for i in range(group.consumer_count):
        consumer = group.consumers[i]
        _begin(op, 5)
        _title(op.out, consumer.name)
        _number(op.out, "seen-time", consumer.seen_ms)
        _number(op.out, "active-time", consumer.active_ms)
        _number(op.out, "pel-count", <int64_t>rax_size(consumer.pending))
        _write_pending(op.out, consumer.pending, count, False)


cdef void _write_full(Op* op, StreamValue* value, int64_t count) noexcept:
    cdef StreamPart part
    cdef uint32_t i
    part.start = StreamId(0, 0)
    part.end = id_max()
    part.reverse = False
    _begin(op, 9)
    _facts(op, &value.log)
    _name(op.out, "entries")
    part_find(&part, &value.log, count, MOST)
    part_write(&part, op.out)
    _name(op.out, "groups")
    write_header(op.out, c'*', value.groups.count)
    for i in range(value.groups.count):
        _write_group(op, value, value.groups.items[i], count)


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
