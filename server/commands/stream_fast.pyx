# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of streams: XADD with `*` or a whole ID, alone or behind MAXLEN or MINID; XTRIM; XDEL; XSETID of an ID
alone; XLEN; XRANGE and XREVRANGE of few entries.

Replicas and the AOF are told the ID that was chosen and how far trimming went. While anybody waits for a stream, XADD
is the definition's. IDs are taken in their plain form, digits or digits-digits, and `-` and `+` in ranges.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.resp_writer cimport write_integer, write_null, write_raw
from server.clients.client cimport Client, is_obeyed
from server.dispatch.option_words cimport OptionWords, meaning_at, words_of
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    DECLINED, OR_ZERO, READ, SAYS, TYPED, WAKES, WRITE, Word, changed, event_of, insert, integer_at, is_char, is_word,
    is_passed_on, length_at, notify, number_word, pass_on, pass_on_with, row, word_at)
from server.structures.rax cimport StreamId, id_less
from server.structures.table cimport TYPE_STREAM
from server.types.bulk cimport write_short
from server.types.stream cimport STREAM_LISTPACKS, stream_new_word, stream_value
from server.types.stream_log cimport (
    NODE_MAX_BYTES, TRIM_MAXLEN, TRIM_MINID, TRIM_NOTHING, StreamLog, StreamPart, StreamText, format_id, id_back,
    id_is_zero, id_max, id_next, limits, part_find, part_write, read_plain_id, stream_append, stream_delete,
    stream_edge, stream_next_id, stream_trim)

cdef enum:
    MOST_TEXTS = 128                   # fields and values that a fast path takes
    MOST_IDS = 64                      # IDs that XDEL's takes
    MOST_ENTRIES = 200                 # of one reply

cdef const Event* _XADD = event_of("xadd")
cdef const Event* _XTRIM = event_of("xtrim")
cdef const Event* _XSETID = event_of("xsetid", True)

cdef enum:                             # what words of XADD and XTRIM mean
    NO_STREAM = 1
    BY_LENGTH = 2                      # MAXLEN
    BY_ID = 6                          # MINID
    EXACTLY = 3                        # =
    ABOUT = 4                          # ~
    CHOSEN = 5                         # *: the server chooses the ID

cdef dict _TRIM = {"MAXLEN": BY_LENGTH, "MINID": BY_ID, "=": EXACTLY, "~": ABOUT}
cdef const OptionWords* _XADD_WORDS = words_of("xadd", {"NOMKSTREAM": NO_STREAM, "*": CHOSEN, **_TRIM})
cdef const OptionWords* _XTRIM_WORDS = words_of("xtrim", _TRIM)


cdef inline bint _id_at(Op* op, uint32_t at, uint64_t missing, StreamId* id) noexcept:
    return read_plain_id(word_at(op, at), length_at(op, at), missing, id)


cdef struct Trimming:                  # `<MAXLEN | MINID> [= | ~] threshold`
    int strategy                       # a TRIM_
    int64_t maxlen
    StreamId minid
    bint approx
    uint64_t limit
    uint32_t at                        # of the threshold


cdef bint _read_trimming(Op* op, const OptionWords* words, uint32_t at, Trimming* trim) noexcept:
    """What stands from argument `at` on; 0 if it is something else."""
    cdef uint32_t operator, strategy = meaning_at(op, words, at)
    trim.strategy = TRIM_NOTHING
    trim.maxlen = 0
    trim.minid = StreamId(0, 0)
    if at + 1 >= op.r.arg_count or (strategy != BY_LENGTH and strategy != BY_ID):
        return False
    operator = meaning_at(op, words, at + 1)
    trim.approx = operator == ABOUT
    trim.at = at + 2 if operator == ABOUT or operator == EXACTLY else at + 1
    trim.limit = 0
    if trim.approx:
        trim.limit = 100 * limits.node_entries if 0 < limits.node_entries <= 10000 else 0
        if trim.limit == 0:
            return False
    trim.strategy = TRIM_MAXLEN if strategy == BY_LENGTH else TRIM_MINID
    return (trim.at < op.r.arg_count
            and (integer_at(op, trim.at, &trim.maxlen) and trim.maxlen >= 0 if strategy == BY_LENGTH
                 else _id_at(op, trim.at, 0, &trim.minid)))


cdef inline uint64_t _trim(StreamLog* log, const Trimming* trim) noexcept:
    return stream_trim(log, trim.strategy, <uint64_t>trim.maxlen, trim.minid, trim.approx, trim.limit)


cdef struct Adding:                    # the words of XADD before the first field
    bint no_stream                     # NOMKSTREAM
    bint chosen                        # `*`: the server chooses the ID
    StreamId id
    uint32_t at                        # of the ID
    Trimming trim


cdef bint _read_adding(Op* op, Adding* words) noexcept:
    cdef uint32_t said = meaning_at(op, _XADD_WORDS, 2)
    words.trim.strategy = TRIM_NOTHING
    words.at = 2
    words.no_stream = said == NO_STREAM
    if words.no_stream:
        words.at = 3
        said = meaning_at(op, _XADD_WORDS, 3)
    if said == BY_LENGTH or said == BY_ID:
        if not _read_trimming(op, _XADD_WORDS, words.at, &words.trim) or words.trim.at + 3 >= op.r.arg_count:
            return False
        words.at = words.trim.at + 1
        said = meaning_at(op, _XADD_WORDS, words.at)
    words.chosen = said == CHOSEN
    return words.chosen or _id_at(op, words.at, 0, &words.id)


cdef void _pass_on_trimmed(Op* op, const Trimming* trim, StreamLog* log, const char* id, size_t n) noexcept:
    """Whole nodes went: `= length`, or `= first ID`, stands for `~` and the threshold, and behind it the ID, if any."""
    cdef StreamId first = id_max()
    cdef char first_text[48]
    cdef Word words[3]
    if not is_passed_on():
        return
    words[0] = Word("=", 1)
    if trim.strategy == TRIM_MAXLEN:
        words[1] = number_word(<int64_t>log.length)
    else:
        stream_edge(log, True, True, &first)
        words[1] = Word(&first_text[0], format_id(first_text, &first))
    words[2] = Word(id, n)
    pass_on_with(op, trim.at - 1, 2 if id == NULL else 3, words)


cdef int64_t _xadd(Op* op) except -1:
    """It tells by itself."""
    cdef StreamText texts[MOST_TEXTS]
    cdef char id_text[48]
    cdef Adding added
    cdef StreamLog* log = NULL
    cdef size_t bytes = 0
    cdef uint64_t now_ms = (<Client>op.client).db.keyspace.clock.unix_ms
    cdef uint64_t trimmed = 0
    cdef uint32_t i, first, count
    cdef Word id
    if not _read_adding(op, &added):
        return DECLINED
    first = added.at + 1
    if op.r.arg_count <= first:
        return DECLINED
    count = op.r.arg_count - first
    if count & 1 or count > MOST_TEXTS:
        return DECLINED
    for i in range(count):
        texts[i].s = word_at(op, first + i)
        texts[i].n = length_at(op, first + i)
        bytes += texts[i].n
    if bytes > NODE_MAX_BYTES or (not added.chosen and id_is_zero(&added.id)):
        return DECLINED
    if op.e != NULL:
        log = &stream_value(op.e).log
        if not stream_next_id(log, now_ms, &added.id) if added.chosen else not id_less(&log.last, &added.id):
            return DECLINED
    elif added.no_stream:
        write_null(op.out, (<Client>op.client).resp)
        return 0
    else:
        insert(op, TYPE_STREAM, STREAM_LISTPACKS, stream_new_word())
        log = &stream_value(op.e).log
        if added.chosen:
            stream_next_id(log, now_ms, &added.id)
    stream_append(log, added.id, texts, count >> 1)
    if added.trim.strategy:
        trimmed = _trim(log, &added.trim)
    id = Word(&id_text[0], format_id(id_text, &added.id))
    if added.trim.strategy and added.trim.approx:
        _pass_on_trimmed(op, &added.trim, log, id.s, id.n)
    elif added.chosen:
        pass_on_with(op, added.at, 1, &id)
    else:
        pass_on(op)
    write_short(op.out, id_text, id.n)
    changed(op, 1, _XADD)
    if trimmed:
        notify(op, 1, _XTRIM)
    return 0


# ---- dropping
cdef int64_t _xtrim(Op* op) except -1:
    """Who must be obeyed says how far: without a limit, which is the definition's."""
    cdef Trimming trim
    cdef StreamLog* log
    cdef int64_t gone = 0
    if (not _read_trimming(op, _XTRIM_WORDS, 2, &trim) or trim.at + 1 != op.r.arg_count
            or (trim.approx and is_obeyed((<Client>op.client).state))):
        return DECLINED
    if op.e != NULL:
        log = &stream_value(op.e).log
        gone = <int64_t>_trim(log, &trim)
        if gone and trim.approx:
            _pass_on_trimmed(op, &trim, log, NULL, 0)
        elif gone:
            pass_on(op)
    write_integer(op.out, gone)
    return gone


cdef int64_t _xdel(Op* op) except -1:
    cdef StreamId ids[MOST_IDS]
    cdef uint32_t i
    cdef int64_t gone = 0
    if op.r.arg_count - 2 > MOST_IDS:
        return DECLINED
    for i in range(2, op.r.arg_count):
        if not _id_at(op, i, 0, &ids[i - 2]):
            return DECLINED
    if op.e != NULL:
        for i in range(op.r.arg_count - 2):
            gone += stream_delete(&stream_value(op.e).log, ids[i])
    write_integer(op.out, gone)
    return gone


cdef int64_t _xsetid(Op* op) except -1:
    """No key counts as changed by it: it is told as an event alone."""
    cdef StreamLog* log
    cdef StreamId id
    cdef StreamId top = StreamId(0, 0)
    if op.e == NULL or op.r.arg_count != 3 or not _id_at(op, 2, 0, &id):
        return DECLINED
    log = &stream_value(op.e).log
    if id_less(&id, &log.max_deleted):
        return DECLINED
    if id_less(&id, &log.last) and log.length and stream_edge(log, False, False, &top) and id_less(&id, &top):
        return DECLINED
    log.last = id
    pass_on(op)
    changed(op, 1, _XSETID)
    write_raw(op.out, "+OK\r\n", 5)
    return 0


# ---- reading
cdef int64_t _xlen(Op* op) except -1:
    write_integer(op.out, stream_value(op.e).log.length)
    return 0


cdef bint _bound_at(Op* op, uint32_t at, bint start, StreamId* id) noexcept:
    """An ID, behind `(` the next one inwards: so one goes on from where a range ended."""
    cdef const char* word = word_at(op, at)
    cdef size_t length = length_at(op, at)
    cdef bint excluded = length > 0 and word[0] == c'('
    return (read_plain_id(word + excluded, length - excluded, 0 if start else <uint64_t>-1, id)
            and (not excluded or (id_next(id) if start else id_back(id))))


cdef int64_t _range(Op* op) except -1:
    """op.how: reversed."""
    cdef StreamPart part
    cdef int64_t most = MOST_ENTRIES + 1
    cdef uint32_t start = 3 if op.how else 2
    cdef uint32_t end = 2 if op.how else 3
    part.start = StreamId(0, 0)
    part.end = id_max()
    part.reverse = op.how
    if (op.r.arg_count != 4 and (op.r.arg_count != 6 or not is_word(op, 4, "count", 5) or not integer_at(op, 5, &most)
                                 or not 0 < most <= MOST_ENTRIES)
            or not (is_char(op, start, c'-') or _bound_at(op, start, True, &part.start))
            or not (is_char(op, end, c'+') or _bound_at(op, end, False, &part.end))):
        return DECLINED
    if op.e == NULL:
        write_raw(op.out, "*0\r\n", 4)
    elif part_find(&part, &stream_value(op.e).log, most, MOST_ENTRIES):
        part_write(&part, op.out)
    else:
        return DECLINED
    return 0


row("xadd", WRITE | WAKES, TYPE_STREAM, _xadd)
row("xtrim", WRITE | SAYS, TYPE_STREAM, _xtrim, "xtrim")
row("xsetid", WRITE, TYPE_STREAM, _xsetid)
row("xdel", WRITE, TYPE_STREAM, _xdel, "xdel")
row("xlen", READ | TYPED | OR_ZERO, TYPE_STREAM, _xlen)
row("xrange", READ, TYPE_STREAM, _range)
row("xrevrange", READ, TYPE_STREAM, _range, "", 1)
