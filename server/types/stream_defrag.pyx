# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t

from server.structures.defrag cimport block_moved, rax_leaf_moved
from server.structures.memory cimport mem_copy_out, mem_free
from server.structures.rax cimport Rax, RaxCursor, StreamId, rax_find, rax_first, rax_item, rax_next, rax_size
from server.types.stream_groups cimport Pending, StreamConsumer, StreamGroup, StreamGroups, StreamName
from server.types.stream_log cimport StreamLog, id_is_zero
from server.types.stream_node cimport node_moved


# --- entries
cdef void* _node_moved(void* context, const StreamId* id, void* node) noexcept:
    cdef StreamLog* log = <StreamLog*>context
    if node != log.tail:
        return node_moved(node)
    log.tail = <unsigned char*>block_moved(node, log.tail_capacity)
    return log.tail


cdef bint stream_log_moved(StreamLog* log, StreamId* after) noexcept:
    if id_is_zero(after):
        log.nodes = <Rax*>block_moved(log.nodes, sizeof(Rax))
    return rax_leaf_moved(log.nodes, after, _node_moved, log)


# --- groups
cdef StreamName* _name_moved(StreamName* name) noexcept nogil:
    return <StreamName*>block_moved(name, sizeof(size_t) + (name.length if name.length else 1))


cdef StreamGroup* _group_moved(StreamGroup* group) noexcept nogil:
    """The group without what is in its maps."""
    group = <StreamGroup*>block_moved(group, sizeof(StreamGroup))
    group.name = _name_moved(group.name)
    group.pending = <Rax*>block_moved(group.pending, sizeof(Rax))
    if group.consumers != NULL:
        group.consumers = <StreamConsumer**>block_moved(group.consumers, group.consumer_capacity * sizeof(void*))
    return group


cdef StreamConsumer* _consumer_moved(StreamConsumer* consumer) noexcept nogil:
    """The consumer without its map's nodes; its pending entries hear of it. O(PENDING_MAX)."""
    cdef RaxCursor cursor
    cdef StreamConsumer* copy = NULL
    cdef bint going
    if rax_size(consumer.pending) <= PENDING_MAX:
        copy = <StreamConsumer*>mem_copy_out(consumer, sizeof(StreamConsumer))
    if copy != NULL:
        going = rax_first(copy.pending, &cursor)
        while going:
            (<Pending*>rax_item(&cursor).value).consumer = copy
            going = rax_next(&cursor)
        mem_free(consumer, sizeof(StreamConsumer))
        consumer = copy
    consumer.name = _name_moved(consumer.name)
    consumer.pending = <Rax*>block_moved(consumer.pending, sizeof(Rax))
    return consumer


cdef void* _pending_moved(void* context, const StreamId* id, void* value) noexcept:
    cdef Pending* pending = <Pending*>block_moved(value, sizeof(Pending))
    cdef void** place
    if pending != value and pending.consumer != NULL:
        place = rax_find(pending.consumer.pending, id[0])
        if place != NULL:
            place[0] = pending
    return pending


cdef bint groups_moved(StreamGroups* groups, GroupsPlace* place) noexcept:
    cdef StreamGroup* group
    cdef StreamConsumer* consumer
    if place.group >= groups.count:
        return False
    if not place.inside:
        if place.group == 0:
            groups.items = <StreamGroup**>block_moved(groups.items, groups.capacity * sizeof(void*))
        groups.items[place.group] = _group_moved(groups.items[place.group])
        place.inside = True
        return True
    group = groups.items[place.group]
    if not place.consumers:
        if not rax_leaf_moved(group.pending, &place.after, _pending_moved, NULL):
            place.consumers = True
            place.after = StreamId(0, 0)
    elif place.consumer < group.consumer_count:
        if not place.begun:
            group.consumers[place.consumer] = _consumer_moved(group.consumers[place.consumer])
            place.begun = True
        consumer = group.consumers[place.consumer]
        if not rax_leaf_moved(consumer.pending, &place.after, NULL, NULL):
            place.consumer += 1
            place.begun = False
            place.after = StreamId(0, 0)
    else:
        place.group += 1
        place.consumer = 0
        place.inside = place.consumers = False
    return True
