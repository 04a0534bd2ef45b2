# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of taking over what is pending: XCLAIM and XAUTOCLAIM of few entries, by a consumer that is there.

Each claim is passed on as an XCLAIM that leaves its receiver no choice; several are one unit. An entry that was deleted
meanwhile is pending no more, which that XCLAIM says too. No key counts as changed by any of it.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.resp_writer cimport write_header
from server.clients.client cimport Client
from server.dispatch.conditions cimport state
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport (
    DECLINED, SAYS, WRITE, Word, begin_unit, end_unit, found, integer_at, is_char, is_passed_on, is_word, length_at,
    number_word, pass_on_as, row, word_at, word_of)
from server.structures.rax cimport RAX_GE, RaxCursor, StreamId, id_less, rax_item, rax_next, rax_seek
from server.structures.table cimport TYPE_STREAM
from server.types.stream cimport stream_value
from server.types.stream_groups cimport (
    Pending, StreamConsumer, StreamGroup, consumer_find, group_find, pending_add, pending_find, pending_give,
    pending_remove)
from server.types.stream_log cimport (
    StreamLog, StreamSeek, format_id, id_next, read_plain_id, seek_begin, seek_entry, stream_write_entry,
    stream_write_id)

cdef enum:
    MOST = 100                         # entries that one command claims
    ATTEMPTS = 10                      # entries that XAUTOCLAIM looks at, for each that it may claim

cdef int64_t _FAR_MS = 1 << 53         # that no time is away


cdef struct Claim:                     # what XCLAIM and XAUTOCLAIM say
    StreamLog* log
    StreamGroup* group
    StreamConsumer* consumer
    int64_t now_ms
    int64_t min_idle                   # ms
    int64_t delivered_ms               # -1: now
    int64_t deliveries                 # -1: one more, with JUSTID as many
    bint force
    bint just_id
    StreamId last                      # LASTID
    bint told                          # an XCLAIM has told the group's last ID
    StreamId ids[MOST]                 # that were claimed
    uint32_t count


# ---- words
cdef bint _begin(Op* op, Claim* claim) noexcept:
    """Key, group, consumer and min-idle-time; 0 if one is not there."""
    if op.e == NULL or not integer_at(op, 4, &claim.min_idle):
        return False
    claim.log = &stream_value(op.e).log
    claim.group = group_find(&stream_value(op.e).groups, word_at(op, 2), length_at(op, 2))
    if claim.group == NULL:
        return False
    claim.consumer = consumer_find(claim.group, word_at(op, 3), length_at(op, 3))
    claim.now_ms = (<Client>op.client).db.keyspace.clock.unix_ms
    claim.min_idle = max(claim.min_idle, <int64_t>0)
    claim.delivered_ms = claim.deliveries = -1
    claim.force = claim.just_id = claim.told = False
    claim.last = StreamId(0, 0)
    claim.count = 0
    return claim.consumer != NULL


cdef bint _read_claim_options(Op* op, uint32_t at, Claim* claim) noexcept:
    cdef int64_t value
    while at < op.r.arg_count:
        if is_word(op, at, "justid", 6):
            claim.just_id = True
            at += 1
            continue
        if is_word(op, at, "force", 5):
            claim.force = True
            at += 1
            continue
        if at + 1 == op.r.arg_count:
            return False
        if is_word(op, at, "lastid", 6):
            if not read_plain_id(word_at(op, at + 1), length_at(op, at + 1), 0, &claim.last):
                return False
        elif not integer_at(op, at + 1, &value) or not -_FAR_MS < value < _FAR_MS:
            return False
        elif is_word(op, at, "time", 4):
            claim.delivered_ms = value
        elif is_word(op, at, "idle", 4):
            claim.delivered_ms = claim.now_ms - value
        elif is_word(op, at, "retrycount", 10):
            claim.deliveries = value
        else:
            return False
        at += 2
    return True


# ---- claiming
cdef void _tell(Op* op, Claim* claim, const StreamId* id, const Pending* entry, Word written) noexcept:
    """Whose an entry is, since when, and how often it was delivered. written: its ID; empty: as one writes it."""
    cdef char id_text[48]
    cdef char last_text[48]
    cdef Word words[14]
    state.dirty += 1
    claim.told = True
    if not is_passed_on():
        return
    words[0] = Word("XCLAIM", 6)
    words[1] = word_of(op, 1)
    words[2] = word_of(op, 2)
    words[3] = Word(&entry.consumer.name.text[0], entry.consumer.name.length)
    words[4] = Word("0", 1)
    words[5] = written if written.n else Word(&id_text[0], format_id(id_text, id))
    words[6] = Word("TIME", 4)
    words[7] = number_word(entry.delivered_ms)
    words[8] = Word("RETRYCOUNT", 10)
    words[9] = number_word(<int64_t>entry.deliveries)
    words[10] = Word("FORCE", 5)
    words[11] = Word("JUSTID", 6)
    words[12] = Word("LASTID", 6)
    words[13] = Word(&last_text[0], format_id(last_text, &claim.group.last))
    pass_on_as(op, 14, words)


cdef bint _claim(Op* op, Claim* claim, StreamId id, Pending* entry, Word written) noexcept:
    """Give an entry that exists to the consumer; entry: NULL when it is not pending. 0: not that one."""
    if entry == NULL:
        if not claim.force:
            return False
        entry = pending_add(claim.group, id, claim.consumer, claim.now_ms, 1)
    elif claim.min_idle and claim.now_ms - entry.delivered_ms < claim.min_idle:
        return False
    pending_give(entry, id, claim.consumer)
    entry.delivered_ms = claim.delivered_ms if 0 <= claim.delivered_ms <= claim.now_ms else claim.now_ms
    if claim.deliveries >= 0:
        entry.deliveries = <uint64_t>claim.deliveries
    elif not claim.just_id:
        entry.deliveries += 1
    claim.consumer.active_ms = claim.now_ms
    claim.ids[claim.count] = id
    claim.count += 1
    _tell(op, claim, &id, entry, written)
    return True


cdef void _let_go(Op* op, Claim* claim, StreamId id, Pending* entry, Word written) noexcept:
    """It was deleted."""
    _tell(op, claim, &id, entry, written)
    pending_remove(claim.group, id)


cdef void _write_claimed(Op* op, Claim* claim) noexcept:
    cdef StreamSeek seek
    cdef uint32_t i
    write_header(op.out, c'*', claim.count)
    seek_begin(&seek, claim.log)
    for i in range(claim.count):
        if claim.just_id:
            stream_write_id(op.out, &claim.ids[i])
        else:
            seek_entry(&seek, claim.ids[i])
            stream_write_entry(&seek.walk, op.out)


# ---- XCLAIM
cdef void _tell_last(Op* op, const Claim* claim) noexcept:
    """LASTID moved the group, and no XCLAIM tells."""
    cdef char last_text[48]
    cdef Word words[7]
    state.dirty += 1
    words[0] = Word("XGROUP", 6)
    words[1] = Word("SETID", 5)
    words[2] = word_of(op, 1)
    words[3] = word_of(op, 2)
    words[4] = Word(&last_text[0], format_id(last_text, &claim.group.last))
    words[5] = Word("ENTRIESREAD", 11)
    words[6] = number_word(claim.group.entries_read)
    pass_on_as(op, 7, words)


cdef void _claim_all(Op* op, Claim* claim, const StreamId* ids, uint32_t count) noexcept:
    """What arguments 5 and following name."""
    cdef StreamSeek seek
    cdef Pending* entry
    cdef uint32_t i
    seek_begin(&seek, claim.log)
    for i in range(count):
        entry = pending_find(claim.group, ids[i])
        if seek_entry(&seek, ids[i]):
            _claim(op, claim, ids[i], entry, word_of(op, 5 + i))
        elif entry != NULL:
            _let_go(op, claim, ids[i], entry, word_of(op, 5 + i))


cdef int64_t _xclaim(Op* op) except -1:
    """It counts as a read."""
    cdef StreamId ids[MOST]
    cdef Claim claim
    cdef uint32_t count = 0
    cdef bint moved, began
    if not _begin(op, &claim):
        return DECLINED
    while (5 + count < op.r.arg_count
            and read_plain_id(word_at(op, 5 + count), length_at(op, 5 + count), 0, &ids[count])):
        count += 1
        if count == MOST:
            return DECLINED
    if not _read_claim_options(op, 5 + count, &claim):
        return DECLINED
    found(<Client>op.client, op.e)
    moved = id_less(&claim.group.last, &claim.last)
    if moved:
        claim.group.last = claim.last
    claim.consumer.seen_ms = claim.now_ms
    began = count > 1 and begin_unit()
    _claim_all(op, &claim, ids, count)
    if moved and not claim.told:
        _tell_last(op, &claim)
    end_unit(<Client>op.client, began)
    _write_claimed(op, &claim)
    return 0


# ---- XAUTOCLAIM
cdef bint _read_auto_options(Op* op, int64_t* count, Claim* claim) noexcept:
    """`[COUNT count] [JUSTID]`."""
    cdef uint32_t at = 6
    count[0] = MOST
    while at < op.r.arg_count:
        if is_word(op, at, "justid", 6):
            claim.just_id = True
            at += 1
        elif (is_word(op, at, "count", 5) and at + 1 < op.r.arg_count and integer_at(op, at + 1, count)
                and 0 < count[0] <= MOST):
            at += 2
        else:
            return False
    return True


cdef int64_t _xautoclaim(Op* op) except -1:
    """It counts as a read."""
    cdef StreamId start = StreamId(0, 0)
    cdef StreamId after
    cdef StreamId deleted[MOST]
    cdef Claim claim
    cdef StreamSeek seek
    cdef RaxCursor cursor
    cdef Pending* entry
    cdef int64_t count, attempts
    cdef uint32_t i, gone = 0
    cdef bint going, began
    if (not _begin(op, &claim) or not _read_auto_options(op, &count, &claim)
            or not (is_char(op, 5, c'-') or read_plain_id(word_at(op, 5), length_at(op, 5), 0, &start))):
        return DECLINED
    found(<Client>op.client, op.e)
    claim.consumer.seen_ms = claim.now_ms
    attempts = count * ATTEMPTS
    began = count > 1 and begin_unit()
    seek_begin(&seek, claim.log)
    going = rax_seek(claim.group.pending, start, RAX_GE, &cursor)
    while going and attempts and count:
        attempts -= 1
        entry = <Pending*>rax_item(&cursor).value
        if seek_entry(&seek, cursor.id):
            count -= _claim(op, &claim, cursor.id, entry, Word(NULL, 0))
            going = rax_next(&cursor)
        else:
            after = deleted[gone] = cursor.id
            gone += 1
            count -= 1
            _let_go(op, &claim, after, entry, Word(NULL, 0))
            going = id_next(&after) and rax_seek(claim.group.pending, after, RAX_GE, &cursor)
    end_unit(<Client>op.client, began)
    write_header(op.out, c'*', 3)
    start = cursor.id if going else StreamId(0, 0)
    stream_write_id(op.out, &start)
    _write_claimed(op, &claim)
    write_header(op.out, c'*', gone)
    for i in range(gone):
        stream_write_id(op.out, &deleted[i])
    return 0


row("xclaim", WRITE | SAYS, TYPE_STREAM, _xclaim)
row("xautoclaim", WRITE | SAYS, TYPE_STREAM, _xautoclaim)
