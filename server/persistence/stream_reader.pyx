# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, int64_t, uint64_t

from server.persistence.rdb_format cimport RDB_STREAM, RDB_STREAM_3
from server.persistence.rdb_input cimport (
    RdbInput, RdbText, input_fail, take_block, take_count, take_length, take_milliseconds, take_raw, take_text,
    text_free)
from server.structures.listpack cimport LP_HEADER, lp_first, lp_free, lp_get_integer_if, lp_validate_integrity
from server.structures.memory cimport mem_free
from server.structures.rax cimport RaxCursor, StreamId, id_less, rax_first, rax_insert, rax_item, rax_next
from server.structures.table cimport TYPE_STREAM, Entry, entry_set_type, entry_word_ref
from server.types.stream cimport STREAM_LISTPACKS, StreamValue, stream_new_word, stream_value
from server.types.stream_groups cimport (
    Pending, StreamConsumer, StreamGroup, consumer_add, group_add, pending_add, pending_find)
from server.types.stream_log cimport StreamLog, stream_edge, stream_log_add_node, stream_node_valid
from server.types.stream_reading cimport stream_entries_read


cdef StreamId _raw_id(const unsigned char* at) noexcept nogil:
    """16 bytes, big endian."""
    cdef StreamId id = StreamId(0, 0)
    cdef int i
    for i in range(8):
        id.ms = (id.ms << 8) | at[i]
        id.seq = (id.seq << 8) | at[8 + i]
    return id


cdef bint _take_id(RdbInput* input, StreamId* id) noexcept nogil:
    return take_length(input, &id.ms) and take_length(input, &id.seq)


cdef bint _take_raw_id(RdbInput* input, StreamId* id) noexcept nogil:
    cdef const unsigned char* at = take_raw(input, 16)
    if at == NULL:
        return False
    id[0] = _raw_id(at)
    return True


cdef uint64_t _live_entries(const unsigned char* lp) noexcept nogil:
    """The count in a valid node's head."""
    cdef int64_t count = 0
    lp_get_integer_if(lp + LP_HEADER, &count)
    return count


cdef bint _take_stream_node(RdbInput* input, StreamLog* log, StreamId* last_node, uint64_t* live) noexcept:
    cdef RdbText key
    cdef StreamId id
    cdef unsigned char* lp
    cdef size_t n
    if not take_text(input, &key):
        return False
    if key.n == 16:
        id = _raw_id(<const unsigned char*>key.s)
    else:
        input_fail(input, "Stream node key entry is not the size of a stream ID")
    text_free(&key)
    lp = take_block(input, &n)
    if lp == NULL:
        return False
    if not lp_validate_integrity(lp, n, True, NULL, NULL) or not stream_node_valid(lp, n, True):
        mem_free(lp, n)
        input_fail(input, "Stream listpack integrity check failed.")
        return False
    if lp_first(lp) == NULL or (last_node[0].ms | last_node[0].seq and not id_less(last_node, &id)):
        lp_free(lp)
        input_fail(input, "Empty listpack inside stream, or one out of order")
        return False
    last_node[0] = id
    live[0] += _live_entries(lp)       # adding may move what lp points to
    if not stream_log_add_node(log, id, lp):
        lp_free(lp)
        input_fail(input, "Listpack re-added with existing key")
        return False
    return True


cdef void take_stream(RdbInput* input, int type, Entry* e) noexcept:
    cdef StreamValue* stream
    cdef StreamLog* log
    cdef uint64_t count
    cdef uint64_t live = 0
    cdef StreamId last_node = StreamId(0, 0)
    entry_word_ref(e)[0] = stream_new_word()
    entry_set_type(e, TYPE_STREAM, STREAM_LISTPACKS)
    stream = stream_value(e)
    log = &stream.log
    if not take_count(input, &count):
        return
    while count and _take_stream_node(input, log, &last_node, &live):
        count -= 1
    if not take_length(input, &log.length) or not _take_id(input, &log.last):
        return
    if type != RDB_STREAM:
        if not (_take_id(input, &log.first) and _take_id(input, &log.max_deleted) and take_length(input, &log.added)):
            return
    else:
        log.added = log.length
        stream_edge(log, True, False, &log.first)
    if log.length != live:
        if live == 0 or log.length > INT64_MAX:
            input_fail(input, "Stream length inconsistent with rax entries")
            return
        log.surplus = <int64_t>log.length - <int64_t>live
        input.miscounted = True
    if not take_count(input, &count):
        return
    while count and _take_group(input, type, stream):
        count -= 1


cdef bint _take_group(RdbInput* input, int type, StreamValue* stream) noexcept:
    cdef RdbText name
    cdef StreamId last
    cdef uint64_t read = 0
    cdef uint64_t count
    cdef StreamGroup* group
    if not take_text(input, &name):
        return False
    if not _take_id(input, &last) or (type != RDB_STREAM and not take_length(input, &read)):
        text_free(&name)
        return False
    if type == RDB_STREAM:
        read = <uint64_t>stream_entries_read(&stream.log, &last)
    group = group_add(&stream.groups, name.s, name.n, last, <int64_t>read)
    text_free(&name)
    if group == NULL:
        input_fail(input, "Duplicated consumer group name")
        return False
    if not take_count(input, &count):
        return False
    while count and _take_pending(input, group):
        count -= 1
    if not take_count(input, &count):
        return False
    while count and _take_consumer(input, type, group):
        count -= 1
    if input.fault == NULL and not _all_owned(group):
        input_fail(input, "Stream CG PEL entry without consumer")
    return input.fault == NULL


cdef bint _take_pending(RdbInput* input, StreamGroup* group) noexcept:
    cdef StreamId id
    cdef int64_t delivered
    cdef uint64_t deliveries
    if not (_take_raw_id(input, &id) and take_milliseconds(input, &delivered) and take_length(input, &deliveries)):
        return False
    if pending_add(group, id, NULL, delivered, deliveries) == NULL:
        input_fail(input, "Duplicated global PEL entry loading stream consumer group")
        return False
    return True


cdef bint _take_consumer(RdbInput* input, int type, StreamGroup* group) noexcept:
    cdef RdbText name
    cdef StreamConsumer* consumer
    cdef StreamId id
    cdef Pending* pending
    cdef uint64_t count
    if not take_text(input, &name):
        return False
    consumer = consumer_add(group, name.s, name.n, 0)
    text_free(&name)
    if consumer == NULL:
        input_fail(input, "Duplicate stream consumer detected.")
        return False
    if not take_milliseconds(input, &consumer.seen_ms):
        return False
    consumer.active_ms = consumer.seen_ms
    if type == RDB_STREAM_3 and not take_milliseconds(input, &consumer.active_ms):
        return False
    if not take_count(input, &count):
        return False
    while count and _take_raw_id(input, &id):
        count -= 1
        pending = pending_find(group, id)
        if pending == NULL or pending.consumer != NULL:
            input_fail(input, "Consumer entry not found in group global PEL")
            return False
        pending.consumer = consumer
        rax_insert(consumer.pending, id, pending, NULL)
    return input.fault == NULL


cdef bint _all_owned(const StreamGroup* group) noexcept nogil:
    cdef RaxCursor cursor
    cdef bint more = rax_first(group.pending, &cursor)
    while more:
        if (<Pending*>rax_item(&cursor).value).consumer == NULL:
            return False
        more = rax_next(&cursor)
    return True
