# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of following streams: XREAD and XREADGROUP of one stream.

XREADGROUP hands out new entries (`>`) to a consumer that is there. Who must wait because there is nothing is the
definition's. IDs are taken in their plain form.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.resp_writer cimport write_bulk, write_null_array, write_raw
from server.clients.client cimport CLIENT_SCRIPT, Client
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FREE, UNKEYED, Word, changed, event_of, find_at, found, integer_at, is_char, is_passed_on, is_plain,
    is_word, length_at, missed, number_word, pass_on_as, row, touch, word_at, word_of)
from server.structures.table cimport TYPE_STREAM
from server.types.stream cimport stream_deliver, stream_value
from server.types.stream_groups cimport StreamConsumer, StreamGroup, consumer_find, group_find
from server.types.stream_log cimport (
    StreamPart, format_id, id_max, id_next, part_find, part_to_first, part_write, read_plain_id, stream_walk_next)
from server.structures.rax cimport StreamId

cdef enum:
    MOST_ENTRIES = 200                 # of one reply

cdef const Event* _SILENT = event_of("")


cdef struct Wanted:                    # what XREAD and XREADGROUP ask for
    uint32_t key                       # arguments: the key ...
    uint32_t id                        # ... the ID ...
    uint32_t group                     # ... the group, the consumer being the next; 0: none
    int64_t most
    bint waits                         # BLOCK
    bint no_ack


cdef bint _read_words(Op* op, Wanted* wanted) noexcept:
    """0 for more than one stream, and for what the definition must look at."""
    cdef uint32_t at = 1
    cdef int64_t wait_ms
    wanted.group = 0
    wanted.most = MOST_ENTRIES + 1
    wanted.waits = wanted.no_ack = False
    while at + 2 < op.r.arg_count:
        if is_word(op, at, "streams", 7):
            wanted.key = at + 1
            wanted.id = at + 2
            return at + 3 == op.r.arg_count
        if is_word(op, at, "count", 5):
            if (not integer_at(op, at + 1, &wanted.most)
                    or not 0 < wanted.most <= MOST_ENTRIES):
                return False
            at += 2
        elif is_word(op, at, "block", 5):
            if ((<Client>op.client).state & CLIENT_SCRIPT or not integer_at(op, at + 1, &wait_ms)
                    or not 0 <= wait_ms <= 1000000000):
                return False
            wanted.waits = True
            at += 2
        elif is_word(op, at, "group", 5):
            wanted.group = at + 1
            at += 3
        elif is_word(op, at, "noack", 5):
            wanted.no_ack = True
            at += 1
        else:
            return False
    return False


cdef inline void _begin_reply(Op* op) noexcept:
    """The one stream of the reply; its entries follow."""
    if (<Client>op.client).resp == 3:
        write_raw(op.out, "%1\r\n", 4)
    else:
        write_raw(op.out, "*1\r\n*2\r\n", 8)
    write_bulk(op.out, word_at(op, op.at), length_at(op, op.at))


cdef int _look_twice(Op* op) except -1:
    """The definitions look the stream up twice, and count that."""
    cdef Client c = <Client>op.client
    cdef int i
    for i in range(2):
        if op.e != NULL:
            touch(c, op.e)
            found(c, op.e)
        else:
            missed(c, op.b, op.r, op.at)
    return 0


cdef int64_t _xread(Op* op) except -1:
    """Behind `$`, the last entry there is, nothing stands yet."""
    cdef Client c = <Client>op.client
    cdef Wanted wanted
    cdef StreamPart part
    cdef bint from_now
    if not _read_words(op, &wanted) or wanted.group or wanted.no_ack:
        return DECLINED
    from_now = is_char(op, wanted.id, c'$')
    if not from_now and (not read_plain_id(word_at(op, wanted.id), length_at(op, wanted.id), 0, &part.start)
                         or not id_next(&part.start)):
        return DECLINED
    part.end = id_max()
    part.reverse = False
    part.count = 0
    if (find_at(op, wanted.key) != NULL
            and (not is_plain(c, op.e, TYPE_STREAM)
                 or not (from_now or part_find(&part, &stream_value(op.e).log, wanted.most, MOST_ENTRIES)))):
        return DECLINED
    if part.count == 0 and wanted.waits:
        return DECLINED
    if part.count == 0:
        write_null_array(op.out, c.resp)
    else:
        _begin_reply(op)
        part_write(&part, op.out)
    _look_twice(op)
    return 0


cdef void _tell_claim(Op* op, const Wanted* wanted, const StreamId* id, int64_t now_ms) noexcept:
    """One entry was given to the consumer."""
    cdef Word words[14]
    cdef char id_text[48]
    words[0] = Word("XCLAIM", 6)
    words[1] = word_of(op, wanted.key)
    words[2] = word_of(op, wanted.group)
    words[3] = word_of(op, wanted.group + 1)
    words[4] = Word("0", 1)
    words[5] = Word(&id_text[0], format_id(id_text, id))
    words[6] = Word("TIME", 4)
    words[7] = number_word(now_ms)
    words[8] = Word("RETRYCOUNT", 10)
    words[9] = Word("1", 1)
    words[10] = Word("FORCE", 5)
    words[11] = Word("JUSTID", 6)
    words[12] = Word("LASTID", 6)
    words[13] = words[5]
    pass_on_as(op, 14, words)


cdef void _tell_position(Op* op, const Wanted* wanted, const StreamGroup* group) noexcept:
    """With NOACK only the group's position is passed on."""
    cdef Word words[7]
    cdef char id_text[48]
    words[0] = Word("XGROUP", 6)
    words[1] = Word("SETID", 5)
    words[2] = word_of(op, wanted.key)
    words[3] = word_of(op, wanted.group)
    words[4] = Word(&id_text[0], format_id(id_text, &group.last))
    words[5] = Word("ENTRIESREAD", 11)
    words[6] = number_word(group.entries_read)
    pass_on_as(op, 7, words)


cdef int64_t _xreadgroup(Op* op) except -1:
    """Several entries are passed on as a transaction, which is left to the definition; nobody hears of none."""
    cdef Client c = <Client>op.client
    cdef int64_t now_ms = c.db.keyspace.clock.unix_ms
    cdef Wanted wanted
    cdef StreamPart part
    cdef StreamGroup* group
    cdef StreamConsumer* consumer
    cdef int64_t i
    if not _read_words(op, &wanted) or not wanted.group or not is_char(op, wanted.id, c'>'):
        return DECLINED
    if find_at(op, wanted.key) == NULL or not is_plain(c, op.e, TYPE_STREAM):
        return DECLINED
    group = group_find(&stream_value(op.e).groups, word_at(op, wanted.group), length_at(op, wanted.group))
    if group == NULL:
        return DECLINED
    consumer = consumer_find(group, word_at(op, wanted.group + 1), length_at(op, wanted.group + 1))
    part.start = group.last
    part.end = id_max()
    part.reverse = False
    if (consumer == NULL or not id_next(&part.start)
            or not part_find(&part, &stream_value(op.e).log, wanted.most, MOST_ENTRIES)
            or (part.count == 0 and wanted.waits)
            or (part.count > 1 and not wanted.no_ack and is_passed_on())):
        return DECLINED
    _look_twice(op)
    consumer.seen_ms = now_ms
    if part.count == 0:
        write_null_array(op.out, c.resp)
        return 0
    part_to_first(&part)
    for i in range(part.count):
        stream_deliver(part.log, group, consumer, &part.walk.id, not wanted.no_ack, now_ms)
        if i + 1 < part.count:
            stream_walk_next(&part.walk)
    if wanted.no_ack:
        _tell_position(op, &wanted, group)
    else:
        _tell_claim(op, &wanted, &part.walk.id, now_ms)
    changed(op, 1, _SILENT)
    _begin_reply(op)
    part_write(&part, op.out)
    return 0


row("xread", FREE | UNKEYED, ANY_TYPE, _xread)
row("xreadgroup", FREE | UNKEYED, ANY_TYPE, _xreadgroup)
