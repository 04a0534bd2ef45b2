# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of writing streams: XADD with `*` or a whole ID, alone or behind MAXLEN; XTRIM MAXLEN; XDEL; XACK.

Replicas and the AOF are told the ID that was chosen and how far trimming went. While anybody waits for a stream, XADD
is the definition's. IDs are taken in their plain form, digits or digits-digits.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport format_unsigned, write_integer, write_null
from server.clients.client cimport CLIENT_FAKE, CLIENT_MASTER, Client
from server.dispatch.fastpath cimport (
    fast_path, fast_change, fast_find, fast_is_char, fast_is_word, fast_plain, fast_touch, fast_written,
    fast_written_with)
from server.keyspace.database cimport Keyspace, parse_int64
from server.structures.rax cimport StreamId, id_less
from server.structures.table cimport TYPE_STREAM, Entry, entry_set_type, table_insert_word
from server.types.bulk cimport write_short
from server.types.stream cimport STREAM_LISTPACKS, stream_new_word, stream_value
from server.types.stream_groups cimport StreamGroup, group_find, pending_remove
from server.types.stream_log cimport (
    NODE_MAX_BYTES, TRIM_MAXLEN, StreamLog, StreamText, format_id, id_is_zero, limits, read_plain_id, stream_append, stream_delete,
    stream_next_id, stream_trim)

cdef enum:
    MOST_TEXTS = 128                   # fields and values that a fast path takes
    MOST_IDS = 64                      # IDs that XACK's and XDEL's take


cdef struct Trimming:                  # `MAXLEN [= | ~] threshold`
    int64_t maxlen                     # -1: none
    bint approx
    uint64_t limit
    uint32_t at                        # of the threshold


cdef bint _read_maxlen(Batch* b, Request* r, uint32_t at, Trimming* trim) noexcept:
    """`MAXLEN [= | ~] threshold` from argument `at` on; 0 if that is not what is there."""
    trim.maxlen = -1
    if at + 1 >= r.arg_count or not fast_is_word(b, r, at, "maxlen", 6):
        return False
    trim.approx = fast_is_char(b, r, at + 1, c'~')
    trim.at = at + 2 if trim.approx or fast_is_char(b, r, at + 1, c'=') else at + 1
    trim.limit = 0
    if trim.approx:
        trim.limit = 100 * limits.node_entries if 0 < limits.node_entries <= 10000 else 0
        if trim.limit == 0:
            return False
    return (trim.at < r.arg_count and parse_int64(arg_at(b, r, trim.at), arg_length(b, r, trim.at), &trim.maxlen)
            and trim.maxlen >= 0)


cdef struct Adding:                    # the words of XADD before the first field
    bint no_stream                     # NOMKSTREAM
    bint chosen                        # `*`: the server chooses the ID
    StreamId id
    uint32_t at                        # of the ID
    Trimming trim


cdef bint _read_adding(Batch* b, Request* r, Adding* words) noexcept:
    words.trim.maxlen = -1
    words.trim.approx = False
    words.at = 2
    words.no_stream = fast_is_word(b, r, 2, "nomkstream", 10)
    if words.no_stream:
        words.at = 3
    words.chosen = fast_is_char(b, r, words.at, c'*')
    if words.chosen or read_plain_id(arg_at(b, r, words.at), arg_length(b, r, words.at), 0, &words.id):
        return True
    if not _read_maxlen(b, r, words.at, &words.trim) or words.trim.at + 3 >= r.arg_count:
        return False
    words.at = words.trim.at + 1
    words.chosen = fast_is_char(b, r, words.at, c'*')
    return words.chosen or read_plain_id(arg_at(b, r, words.at), arg_length(b, r, words.at), 0, &words.id)


cdef void _tell(Client c, Batch* b, Request* r, const Adding* added, StreamLog* log, const char* id, size_t n) noexcept:
    """Count the change; pass on the ID, and where whole nodes went, the length that is left."""
    cdef char length[24]
    cdef const char* words[3]
    cdef size_t lengths[3]
    words[2] = id
    lengths[2] = n
    if added.trim.maxlen < 0 or not added.trim.approx:
        if added.chosen:
            fast_written_with(c, b, r, 1, added.at, 1, &words[2], &lengths[2])
        else:
            fast_written(c, b, r, 1)
        return
    words[0] = b"="
    lengths[0] = 1
    words[1] = length
    lengths[1] = format_unsigned(length, log.length) - length
    fast_written_with(c, b, r, 1, added.at - 2, 3, words, lengths)


cdef int _xadd(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef StreamText texts[MOST_TEXTS]
    cdef char id_text[48]
    cdef Adding added
    cdef Entry* e
    cdef StreamLog* log = NULL
    cdef size_t bytes = 0
    cdef size_t n
    cdef uint32_t i, first, count
    if not _read_adding(b, r, &added):
        return 0
    first = added.at + 1
    if r.arg_count <= first:
        return 0
    count = r.arg_count - first
    if count & 1 or count > MOST_TEXTS:
        return 0
    for i in range(count):
        texts[i].s = arg_at(b, r, first + i)
        texts[i].n = arg_length(b, r, first + i)
        bytes += texts[i].n
    if bytes > NODE_MAX_BYTES or (not added.chosen and id_is_zero(&added.id)):
        return 0
    e = fast_find(c, b, r)
    if e != NULL:
        if not fast_plain(e, TYPE_STREAM, shared):
            return 0
        log = &stream_value(e).log
        if (not stream_next_id(log, <uint64_t>shared.clock.unix_ms, &added.id) if added.chosen
                else not id_less(&log.last, &added.id)):
            return 0
        fast_touch(e, shared)
    elif added.no_stream:
        write_null(&c.out, c.resp)
        return 1
    else:
        e = table_insert_word(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, stream_new_word())
        e.meta = shared.first_access()
        entry_set_type(e, TYPE_STREAM, STREAM_LISTPACKS)
        log = &stream_value(e).log
        if added.chosen:
            stream_next_id(log, <uint64_t>shared.clock.unix_ms, &added.id)
    stream_append(log, added.id, texts, count >> 1)
    if added.trim.maxlen >= 0:
        stream_trim(log, TRIM_MAXLEN, <uint64_t>added.trim.maxlen, StreamId(0, 0), added.trim.approx, added.trim.limit)
    n = format_id(id_text, &added.id)
    _tell(c, b, r, &added, log, id_text, n)
    write_short(&c.out, id_text, n)
    return 1


# ---- dropping
cdef int _xtrim(Client c, Batch* b, Request* r) except -1:
    """Who must be obeyed says how far: without a limit, which is the definition's."""
    cdef Trimming trim
    cdef Entry* e
    cdef StreamLog* log
    cdef int64_t gone = 0
    cdef char length[24]
    cdef const char* words[2]
    cdef size_t lengths[2]
    if (not _read_maxlen(b, r, 2, &trim) or trim.at + 1 != r.arg_count
            or (trim.approx and c.state & (CLIENT_FAKE | CLIENT_MASTER))):
        return 0
    if not fast_change(c, b, r, TYPE_STREAM, &e):
        return 0
    if e != NULL:
        log = &stream_value(e).log
        gone = <int64_t>stream_trim(log, TRIM_MAXLEN, <uint64_t>trim.maxlen, StreamId(0, 0), trim.approx, trim.limit)
        if gone and trim.approx:
            words[0] = "="
            lengths[0] = 1
            words[1] = length
            lengths[1] = format_unsigned(length, log.length) - length
            fast_written_with(c, b, r, gone, trim.at - 1, 2, words, lengths)
        elif gone:
            fast_written(c, b, r, gone)
    write_integer(&c.out, gone)
    return 1


cdef int _xdel(Client c, Batch* b, Request* r) except -1:
    cdef StreamId ids[MOST_IDS]
    cdef Entry* e
    cdef uint32_t i
    cdef uint32_t count = r.arg_count - 2
    cdef int64_t gone = 0
    if not _read_ids(b, r, 2, ids):
        return 0
    if not fast_change(c, b, r, TYPE_STREAM, &e):
        return 0
    if e != NULL:
        for i in range(count):
            gone += stream_delete(&stream_value(e).log, ids[i])
        if gone:
            fast_written(c, b, r, gone)
    write_integer(&c.out, gone)
    return 1


# ---- IDs
cdef bint _read_ids(Batch* b, Request* r, uint32_t first, StreamId* ids) noexcept:
    """Arguments from `first` on, up to MOST_IDS; 0 if there are more, or others."""
    cdef uint32_t i
    if r.arg_count - first > MOST_IDS:
        return False
    for i in range(first, r.arg_count):
        if not read_plain_id(arg_at(b, r, i), arg_length(b, r, i), 0, &ids[i - first]):
            return False
    return True


cdef int _xack(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef StreamId ids[MOST_IDS]
    cdef StreamGroup* group
    cdef Entry* e
    cdef uint32_t i
    cdef int64_t done = 0
    if not _read_ids(b, r, 3, ids):
        return 0
    e = fast_find(c, b, r)
    if e == NULL or not fast_plain(e, TYPE_STREAM, shared):
        return 0
    fast_touch(e, shared)
    shared.hits += 1
    group = group_find(&stream_value(e).groups, arg_at(b, r, 2), arg_length(b, r, 2))
    if group != NULL:
        for i in range(r.arg_count - 3):
            done += pending_remove(group, ids[i])
    if done:
        fast_written(c, b, r, done)
    write_integer(&c.out, done)
    return 1


fast_path("xadd", _xadd)
fast_path("xtrim", _xtrim)
fast_path("xdel", _xdel)
fast_path("xack", _xack)
