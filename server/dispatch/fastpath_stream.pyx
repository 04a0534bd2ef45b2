# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of streams: XADD with `*` for its ID, alone or behind MAXLEN; XACK; XLEN; XRANGE, XREVRANGE of few entries.

Replicas and the AOF are told the ID that was chosen and how far trimming went. While anybody waits for a stream, XADD
is the definition's. IDs are taken in their plain form, digits or digits-digits, and `-` and `+` in ranges.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport format_unsigned, write_header, write_integer, write_raw
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (
    attach_fast_path, fast_expired, fast_find, fast_is_word, fast_touch, fast_written, fast_written_with)
from server.keyspace.database cimport Keyspace, parse_int64
from server.structures.rax cimport StreamId
from server.structures.table cimport TYPE_STREAM, Entry, entry_set_type, entry_type, table_insert_word
from server.types.bulk cimport write_short
from server.types.stream cimport STREAM_LISTPACKS, stream_new_word, stream_value
from server.types.stream_groups cimport StreamGroup, group_find, pending_remove
from server.types.stream_log cimport (
    NODE_MAX_BYTES, TRIM_MAXLEN, StreamLog, StreamText, StreamWalk, format_id, id_max, limits, stream_append,
    stream_next_id, stream_trim, stream_walk, stream_walk_next, stream_write_entry)

cdef enum:
    MOST_TEXTS = 128                   # fields and values that a fast path takes
    MOST_IDS = 64                      # IDs that XACK's takes
    MOST_ENTRIES = 200                 # what COUNT may say for the ranges'


cdef inline bint _is_char(Batch* b, Request* r, uint32_t at, char what) noexcept:
    return arg_length(b, r, at) == 1 and arg_at(b, r, at)[0] == what


cdef struct Trimming:                  # `MAXLEN [= | ~] threshold`
    int64_t maxlen                     # -1: none
    bint approx
    uint64_t limit
    uint32_t at                        # of the threshold


cdef bint _read_maxlen(Batch* b, Request* r, Trimming* trim) noexcept:
    """The words before `*`, which is the next; 0 if there is anything else."""
    trim.maxlen = -1
    trim.at = 1
    trim.approx = False
    if _is_char(b, r, 2, c'*'):
        return True
    if r.arg_count < 7 or not fast_is_word(b, r, 2, b"maxlen", 6):
        return False
    trim.approx = _is_char(b, r, 3, c'~')
    trim.at = 4 if trim.approx or _is_char(b, r, 3, c'=') else 3
    trim.limit = 0
    if trim.approx:
        trim.limit = 100 * limits.node_entries if 0 < limits.node_entries <= 10000 else 0
        if trim.limit == 0:
            return False
    return (parse_int64(arg_at(b, r, trim.at), arg_length(b, r, trim.at), &trim.maxlen) and trim.maxlen >= 0
            and _is_char(b, r, trim.at + 1, c'*'))


cdef void _tell(Client c, Batch* b, Request* r, const Trimming* trim, StreamLog* log, const char* id,
                size_t n) noexcept:
    """Count the change; pass on the ID, and where whole nodes went, the length that is left."""
    cdef char length[24]
    cdef const char* words[3]
    cdef size_t lengths[3]
    words[2] = id
    lengths[2] = n
    if trim.maxlen < 0 or not trim.approx:
        fast_written_with(c, b, r, 1, trim.at + 1, 1, &words[2], &lengths[2])
        return
    words[0] = b"="
    lengths[0] = 1
    words[1] = length
    lengths[1] = format_unsigned(length, log.length) - length
    fast_written_with(c, b, r, 1, trim.at - 1, 3, words, lengths)


cdef int _xadd(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef StreamText texts[MOST_TEXTS]
    cdef char id_text[48]
    cdef Trimming trim
    cdef Entry* e
    cdef StreamLog* log
    cdef StreamId id
    cdef size_t bytes = 0
    cdef size_t n
    cdef uint32_t i, first, count
    if r.arg_count < 5 or not _read_maxlen(b, r, &trim):
        return 0
    first = trim.at + 2
    if r.arg_count <= first:
        return 0
    count = r.arg_count - first
    if count & 1 or count > MOST_TEXTS:
        return 0
    for i in range(count):
        texts[i].s = arg_at(b, r, first + i)
        texts[i].n = arg_length(b, r, first + i)
        bytes += texts[i].n
    if bytes > NODE_MAX_BYTES:
        return 0
    e = fast_find(c, b, r)
    if e == NULL:
        e = table_insert_word(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, stream_new_word())
        e.meta = shared.first_access()
        entry_set_type(e, TYPE_STREAM, STREAM_LISTPACKS)
        log = &stream_value(e).log
        stream_next_id(log, <uint64_t>shared.clock.unix_ms, &id)
    else:
        if entry_type(e) != TYPE_STREAM or fast_expired(e, shared):
            return 0
        log = &stream_value(e).log
        if not stream_next_id(log, <uint64_t>shared.clock.unix_ms, &id):
            return 0
        fast_touch(e, shared)
    stream_append(log, id, texts, count >> 1)
    if trim.maxlen >= 0:
        stream_trim(log, TRIM_MAXLEN, <uint64_t>trim.maxlen, StreamId(0, 0), trim.approx, trim.limit)
    n = format_id(id_text, &id)
    _tell(c, b, r, &trim, log, id_text, n)
    write_short(&c.out, id_text, n)
    return 1


# ---- IDs
cdef inline const char* _digits(const char* p, const char* end, uint64_t* number) noexcept:
    """Up to 19 digits; where they end."""
    cdef const char* start = p
    number[0] = 0
    while p < end and p - start < 19 and c'0' <= p[0] <= c'9':
        number[0] = number[0] * 10 + <uint64_t>(p[0] - c'0')
        p += 1
    return p


cdef bint _read_id(Batch* b, Request* r, uint32_t at, uint64_t missing, StreamId* id) noexcept:
    """An ID in its plain form; 0 for any other."""
    cdef const char* start = arg_at(b, r, at)
    cdef const char* end = start + arg_length(b, r, at)
    cdef const char* p = _digits(start, end, &id.ms)
    id.seq = missing
    if p == start:
        return False
    if p == end:
        return True
    start = p + 1
    if p[0] != c'-' or start == end:
        return False
    return _digits(start, end, &id.seq) == end


cdef int _xack(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef StreamId ids[MOST_IDS]
    cdef StreamGroup* group
    cdef Entry* e
    cdef uint32_t i
    cdef uint32_t count = r.arg_count - 3
    cdef int64_t done = 0
    if r.arg_count < 4 or count > MOST_IDS:
        return 0
    for i in range(count):
        if not _read_id(b, r, 3 + i, 0, &ids[i]):
            return 0
    e = fast_find(c, b, r)
    if e == NULL:
        return 0
    if entry_type(e) != TYPE_STREAM or fast_expired(e, shared):
        return 0
    fast_touch(e, shared)
    shared.hits += 1
    group = group_find(&stream_value(e).groups, arg_at(b, r, 2), arg_length(b, r, 2))
    if group != NULL:
        for i in range(count):
            done += pending_remove(group, ids[i])
    if done:
        fast_written(c, b, r, done)
    write_integer(&c.out, done)
    return 1


# ---- ranges
cdef int _range(Client c, Batch* b, Request* r, uint32_t start_at, uint32_t end_at, bint reverse) except -1:
    """With COUNT only: what is to come is counted in a first walk."""
    cdef Keyspace shared = c.db.keyspace
    cdef StreamId start = StreamId(0, 0)
    cdef StreamId end = id_max()
    cdef StreamWalk walk
    cdef Entry* e
    cdef int64_t count
    cdef int64_t found = 0
    if (r.arg_count != 6 or not fast_is_word(b, r, 4, b"count", 5)
            or not parse_int64(arg_at(b, r, 5), arg_length(b, r, 5), &count) or not 0 < count <= MOST_ENTRIES
            or not (_is_char(b, r, start_at, c'-') or _read_id(b, r, start_at, 0, &start))
            or not (_is_char(b, r, end_at, c'+') or _read_id(b, r, end_at, <uint64_t>-1, &end))):
        return 0
    e = fast_find(c, b, r)
    if e == NULL:
        shared.misses += 1
        write_raw(&c.out, "*0\r\n", 4)
        return 1
    if entry_type(e) != TYPE_STREAM or fast_expired(e, shared):
        return 0
    fast_touch(e, shared)
    shared.hits += 1
    stream_walk(&stream_value(e).log, &walk, start, end, reverse)
    while found < count and stream_walk_next(&walk):
        found += 1
    write_header(&c.out, c'*', found)
    stream_walk(&stream_value(e).log, &walk, start, end, reverse)
    while found and stream_walk_next(&walk):
        stream_write_entry(&walk, &c.out)
        found -= 1
    return 1


cdef int _xrange(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, 2, 3, False)


cdef int _xrevrange(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, 3, 2, True)


cdef int _xlen(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e
    e = fast_find(c, b, r)
    if e == NULL:
        shared.misses += 1
        write_integer(&c.out, 0)
        return 1
    if entry_type(e) != TYPE_STREAM or fast_expired(e, shared):
        return 0
    fast_touch(e, shared)
    shared.hits += 1
    write_integer(&c.out, stream_value(e).log.length)
    return 1


def attach(dict records) -> None:
    """Give the stream commands their fast paths."""
    attach_fast_path(records, "xadd", _xadd)
    attach_fast_path(records, "xack", _xack)
    attach_fast_path(records, "xlen", _xlen)
    attach_fast_path(records, "xrange", _xrange)
    attach_fast_path(records, "xrevrange", _xrevrange)
