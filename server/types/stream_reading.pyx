# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from iothreads.resp_writer cimport write_header, write_null_array
from server.structures.rax cimport RAX_GE, RaxCursor, id_less, rax_item, rax_next, rax_seek
from server.types.stream_groups cimport READ_UNKNOWN, Pending, pending_add, pending_find, pending_give
from server.types.stream_log cimport (
    StreamSeek, id_compare, id_is_zero, seek_begin, seek_entry, stream_is_empty, stream_write_entry, stream_write_id)


# ---- how far a group has read
cdef bint _has_deletions_from(const StreamLog* log, const StreamId* id) noexcept nogil:
    """Whether an entry at or after this ID was deleted, so that IDs do not tell counts."""
    if stream_is_empty(log) or id_is_zero(&log.max_deleted) or id_less(&log.max_deleted, &log.first):
        return False
    return not id_less(&log.max_deleted, id)


cdef int64_t stream_entries_read(const StreamLog* log, const StreamId* id) noexcept nogil:
    cdef int order
    if log.added == 0:
        return 0
    order = id_compare(id, &log.last)
    if order == 0 or (order < 0 and stream_is_empty(log)):
        return <int64_t>log.added
    if order > 0:
        return READ_UNKNOWN
    if id_is_zero(&log.max_deleted) or id_less(&log.max_deleted, &log.first):
        order = id_compare(id, &log.first)
        if order <= 0:
            return max(<int64_t>(log.added - log.length) + (order == 0), <int64_t>READ_UNKNOWN)
    return READ_UNKNOWN


cdef bint stream_lag(const StreamLog* log, const StreamGroup* group, int64_t* lag) noexcept nogil:
    cdef int64_t read = group.entries_read
    if log.added == 0:
        lag[0] = 0
        return True
    if read == READ_UNKNOWN or _has_deletions_from(log, &group.last):
        read = stream_entries_read(log, &group.last)
    lag[0] = <int64_t>log.added - read
    return read != READ_UNKNOWN


cdef inline void _note_read(const StreamLog* log, StreamGroup* group, const StreamId* id) noexcept nogil:
    """An entry above what the group has read is delivered: count on where counting is possible."""
    if group.entries_read != READ_UNKNOWN and not _has_deletions_from(log, id):
        group.entries_read += 1
    elif log.added:
        group.entries_read = stream_entries_read(log, id)
    group.last = id[0]


cdef void stream_deliver(const StreamLog* log, StreamGroup* group, StreamConsumer* consumer, const StreamId* id,
                         bint pending, int64_t now_ms) noexcept:
    cdef Pending* entry
    if id_less(&group.last, id):
        _note_read(log, group, id)
    if not pending:
        return
    entry = pending_add(group, id[0], consumer, now_ms, 1)
    if entry == NULL:                                  # XGROUP SETID went back: it was somebody's already
        entry = pending_find(group, id[0])
        pending_give(entry, id[0], consumer)
        entry.delivered_ms = now_ms
        entry.deliveries = 1
    consumer.active_ms = now_ms


# ---- what a consumer was given before
cdef int64_t _count_pending(StreamConsumer* consumer, const StreamId* start, int64_t most) noexcept nogil:
    """From an ID on, at most so many; 0: all."""
    cdef RaxCursor cursor
    cdef int64_t count = 0
    cdef bint going = rax_seek(consumer.pending, start[0], RAX_GE, &cursor)
    while going:
        count += 1
        going = count != most and rax_next(&cursor)
    return count


cdef int64_t stream_write_history(StreamLog* log, StreamConsumer* consumer, StreamId start, int64_t most,
                                  int64_t now_ms, Output* out, int resp) noexcept:
    cdef int64_t left, count = _count_pending(consumer, &start, most)
    cdef Pending* entry
    cdef StreamSeek seek
    cdef RaxCursor cursor
    write_header(out, c'*', count)
    seek_begin(&seek, log)
    rax_seek(consumer.pending, start, RAX_GE, &cursor)
    for left in range(count, 0, -1):
        if seek_entry(&seek, cursor.id):
            stream_write_entry(&seek.walk, out)
            entry = <Pending*>rax_item(&cursor).value
            entry.delivered_ms = now_ms
            entry.deliveries += 1
        else:
            write_header(out, c'*', 2)
            stream_write_id(out, &cursor.id)
            write_null_array(out, resp)
        rax_next(&cursor)
    return count
