# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of consumer groups: XGROUP of a stream that is there, XACK, XPENDING of few entries.

IDs are taken in their plain form, `$` where it has a meaning, and `-` and `+` in ranges. What is an error is the
definition's. Of these commands no key counts as changed: only their keyspace event is told, if they have one.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.resp_writer cimport format_unsigned, write_header, write_integer, write_null, write_null_array, write_raw
from server.clients.client cimport Client
from server.dispatch.conditions cimport state
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FREE, READ, SAYS, UNKEYED, WRITE, changed, event_of, find_plain, found, integer_at, is_char,
    is_word, length_at, pass_on, refuse_value, row, touch, word_at)
from server.structures.rax cimport (
    RAX_GE, Rax, RaxCursor, StreamId, id_less, rax_first, rax_item, rax_last, rax_next, rax_seek, rax_size)
from server.structures.table cimport TYPE_STREAM
from server.types.bulk cimport write_short
from server.types.stream cimport stream_value
from server.types.stream_groups cimport (
    READ_UNKNOWN, Pending, StreamConsumer, StreamGroup, consumer_add, consumer_find, consumer_remove, group_add,
    group_find, group_remove, pending_remove)
from server.types.stream_log cimport id_max, read_plain_id, stream_write_id

from server.registry.errors import BUSY_GROUP

cdef enum:
    MOST_IDS = 64                      # of XACK
    MOST_ENTRIES = 200                 # of one reply

cdef bytes _BUSY = BUSY_GROUP.encode()
cdef const Event* _CREATE = event_of("xgroup-create", True)
cdef const Event* _SETID = event_of("xgroup-setid", True)
cdef const Event* _DESTROY = event_of("xgroup-destroy", True)
cdef const Event* _CREATE_CONSUMER = event_of("xgroup-createconsumer", True)
cdef const Event* _DELETE_CONSUMER = event_of("xgroup-delconsumer", True)


cdef inline bint _id_at(Op* op, uint32_t at, uint64_t missing, StreamId* id) noexcept:
    return read_plain_id(word_at(op, at), length_at(op, at), missing, id)


cdef inline StreamGroup* _group_at(Op* op, uint32_t at) noexcept:
    return group_find(&stream_value(op.e).groups, word_at(op, at), length_at(op, at))


# ---- XGROUP
cdef StreamGroup* _look_up(Op* op) noexcept:
    """XGROUP's key and group: op.e is touched; NULL: nothing was done."""
    cdef StreamGroup* group
    if not find_plain(op, 2, TYPE_STREAM):
        return NULL
    group = _group_at(op, 3)
    if group != NULL:
        touch(<Client>op.client, op.e)
    return group


cdef inline bint _position_at(Op* op, uint32_t at, StreamId* id) noexcept:
    """`$` or an ID."""
    if is_char(op, at, c'$'):
        id[0] = stream_value(op.e).log.last
        return True
    return _id_at(op, at, 0, id)


cdef int64_t _create(Op* op) except -1:
    """MKSTREAM has nothing to do where there is a stream."""
    cdef StreamId last
    if (op.r.arg_count > 6 or (op.r.arg_count == 6 and not is_word(op, 5, "mkstream", 8))
            or not find_plain(op, 2, TYPE_STREAM) or not _position_at(op, 4, &last)):
        return DECLINED
    if _group_at(op, 3) != NULL and refuse_value(op, _BUSY) == DECLINED:
        return DECLINED
    touch(<Client>op.client, op.e)
    if group_add(&stream_value(op.e).groups, word_at(op, 3), length_at(op, 3), last, READ_UNKNOWN) == NULL:
        return 0
    pass_on(op)
    changed(op, 1, _CREATE)
    write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef int64_t _setid(Op* op) except -1:
    cdef StreamGroup* group
    cdef StreamId last
    if op.r.arg_count != 5 or not find_plain(op, 2, TYPE_STREAM) or not _position_at(op, 4, &last):
        return DECLINED
    group = _look_up(op)
    if group == NULL:
        return DECLINED
    group.last = last
    group.entries_read = READ_UNKNOWN
    pass_on(op)
    changed(op, 1, _SETID)
    write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef int64_t _destroy(Op* op) except -1:
    """Who waits to read in the group waits for the key: the door has looked."""
    cdef bint gone
    if not find_plain(op, 2, TYPE_STREAM):
        return DECLINED
    touch(<Client>op.client, op.e)
    gone = group_remove(&stream_value(op.e).groups, word_at(op, 3), length_at(op, 3))
    if gone:
        pass_on(op)
        changed(op, 1, _DESTROY)
    write_integer(op.out, gone)
    return 0


cdef int64_t _create_consumer(Op* op) except -1:
    cdef StreamGroup* group = _look_up(op)
    cdef bint new
    if group == NULL:
        return DECLINED
    new = consumer_add(group, word_at(op, 4), length_at(op, 4), (<Client>op.client).db.keyspace.clock.unix_ms) != NULL
    if new:
        pass_on(op)
        changed(op, 1, _CREATE_CONSUMER)
    write_integer(op.out, new)
    return 0


cdef int64_t _delete_consumer(Op* op) except -1:
    cdef StreamGroup* group = _look_up(op)
    cdef StreamConsumer* consumer
    cdef int64_t pending = 0
    if group == NULL:
        return DECLINED
    consumer = consumer_find(group, word_at(op, 4), length_at(op, 4))
    if consumer != NULL:
        pending = <int64_t>consumer_remove(group, consumer)
        pass_on(op)
        changed(op, 1, _DELETE_CONSUMER)
    write_integer(op.out, pending)
    return 0


# ---- what is pending
cdef int64_t _xack(Op* op) except -1:
    """It counts as a read, too."""
    cdef StreamId ids[MOST_IDS]
    cdef StreamGroup* group
    cdef uint32_t i
    cdef int64_t done = 0
    if op.e == NULL or op.r.arg_count - 3 > MOST_IDS:
        return DECLINED
    for i in range(3, op.r.arg_count):
        if not _id_at(op, i, 0, &ids[i - 3]):
            return DECLINED
    found(<Client>op.client, op.e)
    group = _group_at(op, 2)
    if group != NULL:
        for i in range(op.r.arg_count - 3):
            done += pending_remove(group, ids[i])
    if done:
        pass_on(op)
        state.dirty += done
    write_integer(op.out, done)
    return 0


cdef void _write_summary(Op* op, StreamGroup* group) noexcept:
    """How many, the lowest and the highest ID, and the consumers that have some."""
    cdef RaxCursor edge
    cdef char digits[24]
    cdef StreamConsumer* consumer
    cdef uint32_t i, owners = 0
    write_header(op.out, c'*', 4)
    write_integer(op.out, <int64_t>rax_size(group.pending))
    if not rax_first(group.pending, &edge):
        write_null(op.out, (<Client>op.client).resp)
        write_null(op.out, (<Client>op.client).resp)
        write_null_array(op.out, (<Client>op.client).resp)
        return
    stream_write_id(op.out, &edge.id)
    rax_last(group.pending, &edge)
    stream_write_id(op.out, &edge.id)
    for i in range(group.consumer_count):
        owners += rax_size(group.consumers[i].pending) != 0
    write_header(op.out, c'*', owners)
    for i in range(group.consumer_count):
        consumer = group.consumers[i]
        if rax_size(consumer.pending):
            write_header(op.out, c'*', 2)
            write_short(op.out, consumer.name.text, consumer.name.length)
            write_short(op.out, digits, format_unsigned(digits, rax_size(consumer.pending)) - digits)


cdef struct PendingRange:              # `[IDLE ms] start end count [consumer]`
    StreamId start
    StreamId end
    int64_t most
    int64_t min_idle                   # ms; 0: any
    int64_t now_ms
    uint32_t consumer                  # argument; 0: none is named


cdef bint _read_range(Op* op, PendingRange* range) noexcept:
    cdef uint32_t at = 3
    range.min_idle = 0
    if is_word(op, 3, "idle", 4):
        if op.r.arg_count < 5 or not integer_at(op, 4, &range.min_idle):
            return False
        at = 5
    if not at + 3 <= op.r.arg_count <= at + 4:
        return False
    range.start = StreamId(0, 0)
    range.end = id_max()
    range.consumer = at + 3 if op.r.arg_count == at + 4 else 0
    return ((is_char(op, at, c'-') or _id_at(op, at, 0, &range.start))
            and (is_char(op, at + 1, c'+') or _id_at(op, at + 1, <uint64_t>-1, &range.end))
            and integer_at(op, at + 2, &range.most) and range.most <= MOST_ENTRIES)


cdef inline Pending* _next_idle(RaxCursor* cursor, bint* going, const PendingRange* range) noexcept:
    """The next one that is old enough, under the cursor; NULL: there is none. `going`: whether the cursor is on one."""
    cdef Pending* entry
    while going[0] and not id_less(&range.end, &cursor.id):
        entry = <Pending*>rax_item(cursor).value
        if range.min_idle == 0 or range.now_ms - entry.delivered_ms >= range.min_idle:
            return entry
        going[0] = rax_next(cursor)
    return NULL


cdef void _write_pending(Op* op, Rax* pending, const PendingRange* range) noexcept:
    cdef RaxCursor first, cursor
    cdef Pending* entry
    cdef int64_t count = 0
    cdef bint begins = rax_seek(pending, range.start, RAX_GE, &first)
    cdef bint going = begins
    cursor = first
    while count < range.most and _next_idle(&cursor, &going, range) != NULL:
        count += 1
        going = rax_next(&cursor)
    write_header(op.out, c'*', count)
    cursor = first
    while count:
        entry = _next_idle(&cursor, &begins, range)
        write_header(op.out, c'*', 4)
        stream_write_id(op.out, &cursor.id)
        write_short(op.out, entry.consumer.name.text, entry.consumer.name.length)
        write_integer(op.out, max(range.now_ms - entry.delivered_ms, <int64_t>0))
        write_integer(op.out, <int64_t>entry.deliveries)
        begins = rax_next(&cursor)
        count -= 1


cdef int64_t _xpending(Op* op) except -1:
    cdef PendingRange wanted
    cdef StreamConsumer* consumer
    cdef StreamGroup* group
    if op.e == NULL or (op.r.arg_count != 3 and not _read_range(op, &wanted)):
        return DECLINED
    group = _group_at(op, 2)
    if group == NULL:
        return DECLINED
    wanted.now_ms = (<Client>op.client).db.keyspace.clock.unix_ms
    if op.r.arg_count == 3:
        _write_summary(op, group)
    elif wanted.consumer == 0:
        _write_pending(op, group.pending, &wanted)
    else:
        consumer = consumer_find(group, word_at(op, wanted.consumer), length_at(op, wanted.consumer))
        if consumer != NULL:
            _write_pending(op, consumer.pending, &wanted)
        else:
            write_raw(op.out, "*0\r\n", 4)
    return 0


row("xgroup|create", FREE | UNKEYED, ANY_TYPE, _create)
row("xgroup|setid", FREE | UNKEYED, ANY_TYPE, _setid)
row("xgroup|destroy", FREE | UNKEYED, ANY_TYPE, _destroy)
row("xgroup|createconsumer", FREE | UNKEYED, ANY_TYPE, _create_consumer)
row("xgroup|delconsumer", FREE | UNKEYED, ANY_TYPE, _delete_consumer)
row("xack", WRITE | SAYS, TYPE_STREAM, _xack)
row("xpending", READ, TYPE_STREAM, _xpending)
