# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of reading streams: XLEN, XRANGE and XREVRANGE of few entries, XREAD and XREADGROUP of one stream.

XREADGROUP hands out new entries (`>`) to a consumer that is there. Who must wait because there is nothing is the
definition's. IDs are taken in their plain form, and `-` and `+` in ranges.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport (
    format_signed, format_unsigned, write_bulk, write_header, write_integer, write_null_array, write_raw)
from server.clients.client cimport CLIENT_SCRIPT, Client
from server.dispatch.fastpath cimport (
    FastWord, fast_path, fast_is_char, fast_is_propagated, fast_is_word, fast_look, fast_plain, fast_touch,
    fast_written_otherwise)
from server.keyspace.database cimport Keyspace, parse_int64
from server.structures.rax cimport StreamId
from server.structures.table cimport TYPE_STREAM, Entry, table_find, table_hash
from server.types.stream cimport stream_deliver, stream_value
from server.types.stream_groups cimport StreamConsumer, StreamGroup, consumer_find, group_find
from server.types.stream_log cimport (
    StreamLog, StreamWalk, format_id, id_max, id_next, read_plain_id, stream_walk, stream_walk_next, stream_write_entry)

cdef enum:
    MOST_ENTRIES = 200                 # of one reply


# ---- entries
cdef struct Entries:                   # what a reply is made of
    StreamLog* log
    StreamId start
    StreamId end
    bint reverse
    bint opened                        # the walk stands on the first entry, and its node is the one that was opened last
    StreamWalk walk
    int64_t count


cdef bint _find(Entries* found, Entry* e, int64_t most) noexcept:
    """Count what is to come, at most so many; 0: too many for a fast path."""
    found.count = 0
    found.log = &stream_value(e).log
    stream_walk(found.log, &found.walk, found.start, found.end, found.reverse)
    while found.count < most and stream_walk_next(&found.walk):
        found.count += 1
        if found.count > MOST_ENTRIES:
            return False
    found.opened = most == 1
    return True


cdef inline void _to_first(Entries* found) noexcept:
    """Have the walk stand on the first entry, once more."""
    if not found.opened:
        stream_walk(found.log, &found.walk, found.start, found.end, found.reverse)
        stream_walk_next(&found.walk)
        found.opened = found.count == 1


cdef void _write(Client c, Entries* found) noexcept:
    """An array of them."""
    cdef int64_t left = found.count
    write_header(&c.out, c'*', left)
    if left:
        _to_first(found)
    while left:
        stream_write_entry(&found.walk, &c.out)
        left -= 1
        if left:
            stream_walk_next(&found.walk)


# ---- ranges
cdef bint _read_count(Batch* b, Request* r, int64_t* most) noexcept:
    """COUNT, or nothing, behind the limits of a range."""
    most[0] = MOST_ENTRIES + 1
    if r.arg_count == 4:
        return True
    return (r.arg_count == 6 and fast_is_word(b, r, 4, "count", 5)
            and parse_int64(arg_at(b, r, 5), arg_length(b, r, 5), most) and 0 < most[0] <= MOST_ENTRIES)


cdef int _range(Client c, Batch* b, Request* r, uint32_t start_at, uint32_t end_at, bint reverse) except -1:
    cdef Entries found
    cdef Entry* e
    cdef int64_t most
    found.start = StreamId(0, 0)
    found.end = id_max()
    found.reverse = reverse
    if not (_read_count(b, r, &most)
            and (fast_is_char(b, r, start_at, c'-') or read_plain_id(arg_at(b, r, start_at), arg_length(b, r, start_at), 0, &found.start))
            and (fast_is_char(b, r, end_at, c'+') or read_plain_id(arg_at(b, r, end_at), arg_length(b, r, end_at), <uint64_t>-1, &found.end))
            and fast_look(c, b, r, TYPE_STREAM, &e)):
        return 0
    if e == NULL:
        write_raw(&c.out, "*0\r\n", 4)
        return 1
    if not _find(&found, e, most):
        c.db.keyspace.hits -= 1        # the definition will count it
        return 0
    _write(c, &found)
    return 1


cdef int _xrange(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, 2, 3, False)


cdef int _xrevrange(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, 3, 2, True)


cdef int _xlen(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    if not fast_look(c, b, r, TYPE_STREAM, &e):
        return 0
    write_integer(&c.out, stream_value(e).log.length if e != NULL else 0)
    return 1


# ---- following
cdef struct Wanted:                    # what XREAD and XREADGROUP ask for
    uint32_t key                       # arguments: the key ...
    uint32_t id                        # ... the ID ...
    uint32_t group                     # ... the group, the consumer being the next; 0: none
    int64_t most
    bint waits                         # BLOCK
    bint no_ack


cdef bint _read_words(Client c, Batch* b, Request* r, Wanted* wanted) noexcept:
    """0 for more than one stream, and for what the definition must look at."""
    cdef uint32_t at = 1
    cdef int64_t wait_ms
    wanted.group = 0
    wanted.most = MOST_ENTRIES + 1
    wanted.waits = wanted.no_ack = False
    while at + 2 < r.arg_count:
        if fast_is_word(b, r, at, "streams", 7):
            wanted.key = at + 1
            wanted.id = at + 2
            return at + 3 == r.arg_count
        if fast_is_word(b, r, at, "count", 5):
            if (not parse_int64(arg_at(b, r, at + 1), arg_length(b, r, at + 1), &wanted.most)
                    or not 0 < wanted.most <= MOST_ENTRIES):
                return False
            at += 2
        elif fast_is_word(b, r, at, "block", 5):
            if (c.state & CLIENT_SCRIPT or not parse_int64(arg_at(b, r, at + 1), arg_length(b, r, at + 1), &wait_ms)
                    or not 0 <= wait_ms <= 1000000000):
                return False
            wanted.waits = True
            at += 2
        elif fast_is_word(b, r, at, "group", 5):
            wanted.group = at + 1
            at += 3
        elif fast_is_word(b, r, at, "noack", 5):
            wanted.no_ack = True
            at += 1
        else:
            return False
    return False


cdef inline Entry* _stream(Client c, Batch* b, Request* r, const Wanted* wanted) noexcept:
    return table_find(c.db.table, arg_at(b, r, wanted.key), arg_length(b, r, wanted.key),
                      table_hash(arg_at(b, r, wanted.key), arg_length(b, r, wanted.key)))


cdef inline void _begin_reply(Client c, Batch* b, Request* r, const Wanted* wanted) noexcept:
    """The one stream of the reply; its entries follow."""
    if c.resp == 3:
        write_raw(&c.out, "%1\r\n", 4)
    else:
        write_raw(&c.out, "*1\r\n*2\r\n", 8)
    write_bulk(&c.out, arg_at(b, r, wanted.key), arg_length(b, r, wanted.key))


cdef int _xread(Client c, Batch* b, Request* r) except -1:
    """The definition looks the stream up twice, and counts that."""
    cdef Keyspace shared = c.db.keyspace
    cdef Wanted wanted
    cdef Entries found
    cdef Entry* e
    if (not _read_words(c, b, r, &wanted) or wanted.group or wanted.no_ack
            or not read_plain_id(arg_at(b, r, wanted.id), arg_length(b, r, wanted.id), 0, &found.start) or not id_next(&found.start)):
        return 0
    found.end = id_max()
    found.reverse = False
    e = _stream(c, b, r, &wanted)
    found.count = 0
    if e != NULL and (not fast_plain(e, TYPE_STREAM, shared)
                      or not _find(&found, e, wanted.most)):
        return 0
    if found.count == 0 and wanted.waits:
        return 0
    if e == NULL:
        shared.misses += 2
    else:
        fast_touch(e, shared)
        shared.hits += 2
    if found.count == 0:
        write_null_array(&c.out, c.resp)
        return 1
    _begin_reply(c, b, r, &wanted)
    _write(c, &found)
    return 1


cdef void _tell_claim(Client c, Batch* b, Request* r, const Wanted* wanted, const StreamId* id, int64_t now_ms) noexcept:
    """One entry was given to the consumer."""
    cdef FastWord words[14]
    cdef char id_text[48]
    cdef char now_text[24]
    words[0] = FastWord("XCLAIM", 6)
    words[1] = FastWord(arg_at(b, r, wanted.key), arg_length(b, r, wanted.key))
    words[2] = FastWord(arg_at(b, r, wanted.group), arg_length(b, r, wanted.group))
    words[3] = FastWord(arg_at(b, r, wanted.group + 1), arg_length(b, r, wanted.group + 1))
    words[4] = FastWord("0", 1)
    words[5] = FastWord(&id_text[0], format_id(id_text, id))
    words[6] = FastWord("TIME", 4)
    words[7] = FastWord(&now_text[0], format_unsigned(now_text, <uint64_t>now_ms) - now_text)
    words[8] = FastWord("RETRYCOUNT", 10)
    words[9] = FastWord("1", 1)
    words[10] = FastWord("FORCE", 5)
    words[11] = FastWord("JUSTID", 6)
    words[12] = FastWord("LASTID", 6)
    words[13] = words[5]
    fast_written_otherwise(c, 1, 14, words)


cdef void _tell_position(Client c, Batch* b, Request* r, const Wanted* wanted, const StreamGroup* group) noexcept:
    """With NOACK only the group's position is passed on."""
    cdef FastWord words[7]
    cdef char id_text[48]
    cdef char read_text[24]
    words[0] = FastWord("XGROUP", 6)
    words[1] = FastWord("SETID", 5)
    words[2] = FastWord(arg_at(b, r, wanted.key), arg_length(b, r, wanted.key))
    words[3] = FastWord(arg_at(b, r, wanted.group), arg_length(b, r, wanted.group))
    words[4] = FastWord(&id_text[0], format_id(id_text, &group.last))
    words[5] = FastWord("ENTRIESREAD", 11)
    words[6] = FastWord(&read_text[0], format_signed(read_text, group.entries_read) - read_text)
    fast_written_otherwise(c, 1, 7, words)


cdef int _xreadgroup(Client c, Batch* b, Request* r) except -1:
    """Several entries are passed on as a transaction, which is left to the definition. Lookups count as in XREAD."""
    cdef Keyspace shared = c.db.keyspace
    cdef int64_t now_ms = shared.clock.unix_ms
    cdef Wanted wanted
    cdef Entries found
    cdef StreamGroup* group
    cdef StreamConsumer* consumer
    cdef Entry* e
    cdef int64_t i
    if not _read_words(c, b, r, &wanted) or not wanted.group or not fast_is_char(b, r, wanted.id, c'>'):
        return 0
    e = _stream(c, b, r, &wanted)
    if e == NULL or not fast_plain(e, TYPE_STREAM, shared):
        return 0
    group = group_find(&stream_value(e).groups, arg_at(b, r, wanted.group), arg_length(b, r, wanted.group))
    if group == NULL:
        return 0
    consumer = consumer_find(group, arg_at(b, r, wanted.group + 1), arg_length(b, r, wanted.group + 1))
    found.start = group.last
    found.end = id_max()
    found.reverse = False
    if (consumer == NULL or not id_next(&found.start) or not _find(&found, e, wanted.most)
            or found.count == 0 or (found.count > 1 and not wanted.no_ack and fast_is_propagated())):
        return 0
    fast_touch(e, shared)
    shared.hits += 2
    consumer.seen_ms = now_ms
    _to_first(&found)
    for i in range(found.count):
        stream_deliver(found.log, group, consumer, &found.walk.id, not wanted.no_ack, now_ms)
        if i + 1 < found.count:
            stream_walk_next(&found.walk)
    if wanted.no_ack:
        _tell_position(c, b, r, &wanted, group)
    else:
        _tell_claim(c, b, r, &wanted, &found.walk.id, now_ms)
    _begin_reply(c, b, r, &wanted)
    _write(c, &found)
    return 1


fast_path("xlen", _xlen)
fast_path("xrange", _xrange)
fast_path("xrevrange", _xrevrange)
fast_path("xread", _xread, False)
fast_path("xreadgroup", _xreadgroup, False)
