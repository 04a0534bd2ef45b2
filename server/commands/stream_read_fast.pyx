# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of following streams: XREAD of several, XREADGROUP of one stream.

XREADGROUP hands out new entries (`>`) to a consumer that is there, or tells what is pending for it. IDs are taken in
their plain form. Where there is nothing they say what they wait for.
"""
from libc.stdint cimport int64_t, uint32_t

from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.resp_writer cimport write_bulk, write_header, write_null_array, write_raw
from server.clients.client cimport CLIENT_SCRIPT, Client
from server.dispatch.record cimport Op, Wish
from server.dispatch.conditions cimport state
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FREE, UNKEYED, Word, begin_unit, end_unit, find_at, find_plain, integer_at, is_char, is_plain,
    is_word, length_at, looked_up, missed, number_word, pass_on_as, row, waits, word_at,
    word_of)
from server.structures.table cimport TYPE_STREAM, Entry
from server.types.stream cimport stream_value
from server.types.stream_groups cimport StreamConsumer, StreamGroup, consumer_find, group_find
from server.types.stream_reading cimport stream_deliver, stream_write_history
from server.types.stream_log cimport (
    StreamLog, StreamPart, format_id, id_max, id_next, part_find, part_to_first, part_write, read_plain_id, stream_walk_next)
from server.structures.rax cimport StreamId

cdef enum:
    MOST_ENTRIES = 200                 # of one stream
    MOST_STREAMS = 16


cdef struct Wanted:                    # what XREAD and XREADGROUP ask for
    uint32_t streams                   # how many
    uint32_t key                       # arguments: the first key ...
    uint32_t id                        # ... the first ID ...
    uint32_t group                     # ... the group, the consumer being the next; 0: none
    int64_t most
    bint waits                         # BLOCK ...
    int64_t wait_ms                    # ... for so long
    bint no_ack


cdef bint _read_words(Op* op, Wanted* wanted) noexcept:
    """0 for what the definition must look at."""
    cdef uint32_t at = 1
    wanted.group = 0
    wanted.most = MOST_ENTRIES + 1
    wanted.waits = wanted.no_ack = False
    while at + 2 < op.r.arg_count:
        if is_word(op, at, "streams", 7):
            wanted.streams = (op.r.arg_count - at - 1) // 2
            wanted.key = at + 1
            wanted.id = at + 1 + wanted.streams
            return 0 < wanted.streams <= MOST_STREAMS and wanted.id + wanted.streams == op.r.arg_count
        if is_word(op, at, "count", 5):
            if (not integer_at(op, at + 1, &wanted.most)
                    or not 0 < wanted.most <= MOST_ENTRIES):
                return False
            at += 2
        elif is_word(op, at, "block", 5):
            if ((<Client>op.client).state & CLIENT_SCRIPT or not integer_at(op, at + 1, &wanted.wait_ms)
                    or not 0 <= wanted.wait_ms <= 1000000000):
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


cdef inline void _begin_reply(Op* op, uint32_t streams) noexcept:
    """A reply of so many streams."""
    write_header(op.out, c'%' if (<Client>op.client).resp == 3 else c'*', streams)


cdef inline void _begin_stream(Op* op, uint32_t at) noexcept:
    """The one in argument `at`; its entries follow."""
    if (<Client>op.client).resp != 3:
        write_raw(op.out, "*2\r\n", 4)
    write_bulk(op.out, word_at(op, at), length_at(op, at))


cdef int _look(Op* op, const Wanted* wanted, Entry** entries) except -1:
    """Streams are counted as looked up."""
    cdef uint32_t i
    for i in range(wanted.streams):
        op.e = entries[i]
        if op.e != NULL:
            looked_up(op)
        else:
            missed(<Client>op.client, op.b, op.r, wanted.key + i)
    return 0


cdef bint _find_part(Op* op, const Wanted* wanted, uint32_t i, StreamPart* part) noexcept:
    """What the stream at op.e has behind the ID; `$`: nothing stands behind its last entry yet. 0: the definition's."""
    cdef uint32_t at = wanted.id + i
    cdef bint from_now = is_char(op, at, c'$')
    part.count = 0
    part.opened = False
    if not from_now and (not read_plain_id(word_at(op, at), length_at(op, at), 0, &part.start)
                         or not id_next(&part.start)):
        return False
    if op.e == NULL:
        return True
    part.end = id_max()
    part.reverse = False
    if not is_plain(<Client>op.client, op.e, TYPE_STREAM):
        return False
    return from_now or part_find(part, &stream_value(op.e).log, wanted.most, MOST_ENTRIES)


cdef int64_t _xread(Op* op) except -1:
    """The definition looks streams up twice, and counts that."""
    cdef Client c = <Client>op.client
    cdef Wanted wanted
    cdef StreamPart parts[MOST_STREAMS]
    cdef Entry* entries[MOST_STREAMS]
    cdef uint32_t i, count = 0
    if not _read_words(op, &wanted) or wanted.group or wanted.no_ack:
        return DECLINED
    for i in range(wanted.streams):
        entries[i] = find_at(op, wanted.key + i)
        if not _find_part(op, &wanted, i, &parts[i]):
            return DECLINED
        parts[i].opened &= wanted.streams == 1         # the others' nodes are opened, too
        count += parts[i].count > 0
    if count == 0 and wanted.waits:
        return DECLINED
    if count == 0:
        write_null_array(op.out, c.resp)
    else:
        _begin_reply(op, count)
    for i in range(wanted.streams):
        if parts[i].count:
            _begin_stream(op, wanted.key + i)
            part_write(&parts[i], op.out)
    _look(op, &wanted, entries)
    _look(op, &wanted, entries)
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


cdef int64_t _tell_history(Op* op, const Wanted* wanted, StreamConsumer* consumer) except -1:
    """Each is delivered once more, which nobody hears of."""
    cdef Client c = <Client>op.client
    cdef StreamId start
    if not read_plain_id(word_at(op, wanted.id), length_at(op, wanted.id), 0, &start) or not id_next(&start):
        return DECLINED
    looked_up(op)
    looked_up(op)
    consumer.seen_ms = c.db.keyspace.clock.unix_ms
    state.dirty += 1
    _begin_reply(op, 1)
    _begin_stream(op, wanted.key)
    stream_write_history(&stream_value(op.e).log, consumer, start, wanted.most if wanted.most <= MOST_ENTRIES else 0,
                         consumer.seen_ms, op.out, c.resp)
    return 0


cdef int _deliver(Op* op, const Wanted* wanted, StreamPart* part, StreamGroup* group,
                  StreamConsumer* consumer) except -1:
    """Give the part to the consumer, and say so."""
    cdef bint began = part.count > 1 and not wanted.no_ack and begin_unit()
    cdef int64_t i
    part_to_first(part)
    for i in range(part.count):
        if i:
            stream_walk_next(&part.walk)
        stream_deliver(part.log, group, consumer, &part.walk.id, not wanted.no_ack, consumer.seen_ms)
        if not wanted.no_ack:
            _tell_claim(op, wanted, &part.walk.id, consumer.seen_ms)
    if wanted.no_ack:
        _tell_position(op, wanted, group)
    state.dirty += 1
    return end_unit(<Client>op.client, began)


cdef bint _find_new(const Wanted* wanted, const StreamGroup* group, StreamPart* part, StreamLog* log) noexcept:
    """What nobody of the group was given yet. 0: the definition's."""
    part.start = group.last
    part.end = id_max()
    part.reverse = False
    return id_next(&part.start) and part_find(part, log, wanted.most, MOST_ENTRIES)


cdef int64_t _xreadgroup(Op* op) except -1:
    """The definition looks a stream up twice. No key counts as changed."""
    cdef Client c = <Client>op.client
    cdef Wanted wanted
    cdef StreamPart part
    cdef StreamGroup* group
    cdef StreamConsumer* consumer
    if (not _read_words(op, &wanted) or not wanted.group or wanted.streams != 1
            or not find_plain(op, wanted.key, TYPE_STREAM)):
        return DECLINED
    group = group_find(&stream_value(op.e).groups, word_at(op, wanted.group), length_at(op, wanted.group))
    if group == NULL:
        return DECLINED
    consumer = consumer_find(group, word_at(op, wanted.group + 1), length_at(op, wanted.group + 1))
    if consumer == NULL:
        return DECLINED
    if not is_char(op, wanted.id, c'>'):
        return _tell_history(op, &wanted, consumer)
    if not _find_new(&wanted, group, &part, &stream_value(op.e).log) or (part.count == 0 and wanted.waits):
        return DECLINED
    looked_up(op)
    looked_up(op)
    consumer.seen_ms = c.db.keyspace.clock.unix_ms
    if part.count == 0:
        write_null_array(op.out, c.resp)
        return 0
    _deliver(op, &wanted, &part, group, consumer)
    _begin_reply(op, 1)
    _begin_stream(op, wanted.key)
    part_write(&part, op.out)
    return 0


# ---- what is waited for where nothing is there
cdef inline void _wish_streams(Wish* wish, const Wanted* wanted, bint on_no_key) noexcept:
    wish.first, wish.end, wish.type = wanted.key, wanted.id, TYPE_STREAM
    wish.ms, wish.on_no_key = wanted.wait_ms, on_no_key


cdef int _fix_ids(Op* op, const Wanted* wanted, Entry** entries, list words) except -1:
    """The words of the request; `$` becomes the ID that it stands for."""
    cdef char id_text[48]
    cdef StreamId id
    cdef uint32_t i
    for i in range(op.r.arg_count):
        if i >= wanted.id and is_char(op, i, c'$'):
            if entries[i - wanted.id] != NULL:
                id = stream_value(entries[i - wanted.id]).log.last
            else:
                id.ms = id.seq = 0
            words.append(PyBytes_FromStringAndSize(id_text, format_id(id_text, &id)))
        else:
            words.append(PyBytes_FromStringAndSize(word_at(op, i), length_at(op, i)))
    return 0


cdef bint _wish_xread(Op* op, Wish* wish, list words) except -1:
    cdef Wanted wanted
    cdef StreamPart part
    cdef Entry* entries[MOST_STREAMS]
    cdef bint from_now = False
    cdef uint32_t i
    if not _read_words(op, &wanted) or wanted.group or wanted.no_ack or not wanted.waits:
        return False
    for i in range(wanted.streams):
        entries[i] = find_at(op, wanted.key + i)
        if not _find_part(op, &wanted, i, &part) or part.count:
            return False
        from_now |= is_char(op, wanted.id + i, c'$')
    _look(op, &wanted, entries)
    _look(op, &wanted, entries)
    if from_now:
        _fix_ids(op, &wanted, entries, words)
    _wish_streams(wish, &wanted, False)
    return True


cdef bint _wish_xreadgroup(Op* op, Wish* wish, list words) except -1:
    """New entries, for a consumer that is there."""
    cdef Wanted wanted
    cdef StreamPart part
    cdef StreamGroup* group
    cdef StreamConsumer* consumer
    if (not _read_words(op, &wanted) or not wanted.group or not wanted.waits or wanted.streams != 1
            or not is_char(op, wanted.id, c'>') or not find_plain(op, wanted.key, TYPE_STREAM)):
        return False
    group = group_find(&stream_value(op.e).groups, word_at(op, wanted.group), length_at(op, wanted.group))
    if group == NULL:
        return False
    consumer = consumer_find(group, word_at(op, wanted.group + 1), length_at(op, wanted.group + 1))
    if consumer == NULL or not _find_new(&wanted, group, &part, &stream_value(op.e).log) or part.count:
        return False
    looked_up(op)
    looked_up(op)
    consumer.seen_ms = (<Client>op.client).db.keyspace.clock.unix_ms
    _wish_streams(wish, &wanted, True)
    return True


row("xread", FREE | UNKEYED, ANY_TYPE, _xread)
row("xreadgroup", FREE | UNKEYED, ANY_TYPE, _xreadgroup)
waits("xread", _wish_xread)
waits("xreadgroup", _wish_xreadgroup)
