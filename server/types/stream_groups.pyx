# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove

from server.structures.memory cimport mem_alloc, mem_free, mem_good_size, mem_realloc
from server.structures.rax cimport (
    Rax, RaxCursor, StreamId, rax_check, rax_find, rax_first, rax_free, rax_free_step, rax_insert, rax_item, rax_memory,
    rax_new, rax_next, rax_remove, rax_size)


# ---- names
cdef inline size_t _name_bytes(size_t n) noexcept nogil:
    return sizeof(size_t) + (n if n else 1)


cdef StreamName* _name_new(const char* text, size_t n) noexcept nogil:
    cdef StreamName* name = <StreamName*>mem_alloc(_name_bytes(n))
    name.length = n
    memcpy(name.text, text, n)
    return name


cdef inline void _name_free(StreamName* name) noexcept nogil:
    mem_free(name, _name_bytes(name.length))


cdef inline int _name_compare(const StreamName* name, const char* text, size_t n) noexcept nogil:
    cdef int order = memcmp(name.text, text, name.length if name.length < n else n)
    if order:
        return order
    return (name.length > n) - (name.length < n)


# ---- arrays sorted by name: their items are structs that begin with the name
cdef inline StreamName* _name_of(void* item) noexcept nogil:
    return (<StreamName**>item)[0]


cdef uint32_t _place(void** items, uint32_t count, const char* name, size_t n, bint* found) noexcept nogil:
    """Where the name is, or where it belongs."""
    cdef uint32_t low = 0
    cdef uint32_t high = count
    cdef uint32_t middle
    cdef int order
    found[0] = False
    while low < high:
        middle = (low + high) >> 1
        order = _name_compare(_name_of(items[middle]), name, n)
        if order == 0:
            found[0] = True
            return middle
        if order < 0:
            low = middle + 1
        else:
            high = middle
    return low


cdef void** _put(void** items, uint32_t count, uint32_t* capacity, uint32_t at, void* item) noexcept nogil:
    """The array, perhaps moved, with one more item."""
    cdef uint32_t grown
    if count == capacity[0]:
        grown = capacity[0] + (capacity[0] >> 1) + 1
        if items == NULL:
            items = <void**>mem_alloc(grown * sizeof(void*))
        else:
            items = <void**>mem_realloc(items, capacity[0] * sizeof(void*), grown * sizeof(void*))
        capacity[0] = grown
    memmove(items + at + 1, items + at, (count - at) * sizeof(void*))
    items[at] = item
    return items


cdef void _take(void** items, uint32_t count, uint32_t at) noexcept nogil:
    memmove(items + at, items + at + 1, (count - at - 1) * sizeof(void*))


# ---- groups
cdef StreamGroup* group_find(const StreamGroups* groups, const char* name, size_t n) noexcept nogil:
    cdef bint found
    cdef uint32_t at = _place(<void**>groups.items, groups.count, name, n, &found)
    return groups.items[at] if found else NULL


cdef StreamGroup* group_add(StreamGroups* groups, const char* name, size_t n, StreamId last,
                            int64_t entries_read) noexcept nogil:
    cdef bint found
    cdef uint32_t at = _place(<void**>groups.items, groups.count, name, n, &found)
    cdef StreamGroup* group
    if found:
        return NULL
    group = <StreamGroup*>mem_alloc(sizeof(StreamGroup))
    group.name = _name_new(name, n)
    group.last = last
    group.entries_read = entries_read
    group.pending = rax_new()
    group.consumers = NULL
    group.consumer_count = group.consumer_capacity = 0
    groups.items = <StreamGroup**>_put(<void**>groups.items, groups.count, &groups.capacity, at, group)
    groups.count += 1
    return group


cdef void _free_pending(void* pending) noexcept:
    mem_free(pending, sizeof(Pending))


cdef bint _free_group_step(StreamGroup* group, size_t entries) noexcept:
    cdef StreamConsumer* consumer
    while group.consumer_count:
        consumer = group.consumers[group.consumer_count - 1]
        if not rax_free_step(consumer.pending, entries, NULL):
            return False
        _free_consumer(consumer)
        group.consumer_count -= 1
    if not rax_free_step(group.pending, entries, _free_pending):
        return False
    if group.consumers != NULL:
        mem_free(group.consumers, group.consumer_capacity * sizeof(void*))
    _name_free(group.name)
    mem_free(group, sizeof(StreamGroup))
    return True


cdef inline void _free_consumer(StreamConsumer* consumer) noexcept nogil:
    """Without its map."""
    _name_free(consumer.name)
    mem_free(consumer, sizeof(StreamConsumer))


cdef bint group_remove(StreamGroups* groups, const char* name, size_t n) noexcept:
    cdef bint found
    cdef uint32_t at = _place(<void**>groups.items, groups.count, name, n, &found)
    if not found:
        return False
    _free_group_step(groups.items[at], <size_t>-1)
    _take(<void**>groups.items, groups.count, at)
    groups.count -= 1
    return True


cdef bint groups_free_step(StreamGroups* groups, size_t entries) noexcept:
    while groups.count:
        if not _free_group_step(groups.items[groups.count - 1], entries):
            return False
        groups.count -= 1
    if groups.items != NULL:
        mem_free(groups.items, groups.capacity * sizeof(void*))
        groups.items = NULL
        groups.capacity = 0
    return True


cdef void _copy_group(const StreamGroup* group, StreamGroup* copy) noexcept nogil:
    cdef StreamConsumer* consumer
    cdef StreamConsumer* twin
    cdef Pending* pending
    cdef RaxCursor cursor
    cdef bint going
    cdef uint32_t i
    for i in range(group.consumer_count):
        consumer = group.consumers[i]
        twin = consumer_add(copy, consumer.name.text, consumer.name.length, consumer.seen_ms)
        twin.active_ms = consumer.active_ms
        going = rax_first(consumer.pending, &cursor)
        while going:
            pending = <Pending*>rax_item(&cursor).value
            pending_add(copy, cursor.id, twin, pending.delivered_ms, pending.deliveries)
            going = rax_next(&cursor)


cdef void groups_copy(const StreamGroups* groups, StreamGroups* copy) noexcept nogil:
    cdef StreamGroup* group
    cdef uint32_t i
    copy.items = NULL
    copy.count = copy.capacity = 0
    for i in range(groups.count):
        group = groups.items[i]
        _copy_group(group, group_add(copy, group.name.text, group.name.length, group.last, group.entries_read))


cdef size_t groups_memory(const StreamGroups* groups) noexcept nogil:
    cdef size_t total = mem_good_size(groups.capacity * sizeof(void*)) if groups.capacity else 0
    cdef StreamGroup* group
    cdef StreamConsumer* consumer
    cdef uint32_t i, j
    for i in range(groups.count):
        group = groups.items[i]
        total += mem_good_size(sizeof(StreamGroup)) + mem_good_size(_name_bytes(group.name.length))
        total += rax_memory(group.pending) + rax_size(group.pending) * mem_good_size(sizeof(Pending))
        if group.consumer_capacity:
            total += mem_good_size(group.consumer_capacity * sizeof(void*))
        for j in range(group.consumer_count):
            consumer = group.consumers[j]
            total += mem_good_size(sizeof(StreamConsumer)) + mem_good_size(_name_bytes(consumer.name.length))
            total += rax_memory(consumer.pending)
    return total


cdef size_t groups_effort(const StreamGroups* groups) noexcept nogil:
    cdef size_t total = 0
    cdef uint32_t i
    for i in range(groups.count):
        total += 1 + groups.items[i].consumer_count + 2 * rax_size(groups.items[i].pending)
    return total


# ---- consumers
cdef StreamConsumer* consumer_find(const StreamGroup* group, const char* name, size_t n) noexcept nogil:
    cdef bint found
    cdef uint32_t at = _place(<void**>group.consumers, group.consumer_count, name, n, &found)
    return group.consumers[at] if found else NULL


cdef StreamConsumer* consumer_add(StreamGroup* group, const char* name, size_t n, int64_t now_ms) noexcept nogil:
    cdef bint found
    cdef uint32_t at = _place(<void**>group.consumers, group.consumer_count, name, n, &found)
    cdef StreamConsumer* consumer
    if found:
        return NULL
    consumer = <StreamConsumer*>mem_alloc(sizeof(StreamConsumer))
    consumer.name = _name_new(name, n)
    consumer.seen_ms = now_ms
    consumer.active_ms = -1
    consumer.pending = rax_new()
    group.consumers = <StreamConsumer**>_put(<void**>group.consumers, group.consumer_count, &group.consumer_capacity,
                                             at, consumer)
    group.consumer_count += 1
    return consumer


cdef uint64_t consumer_remove(StreamGroup* group, StreamConsumer* consumer) noexcept:
    cdef uint64_t pending = rax_size(consumer.pending)
    cdef RaxCursor cursor
    cdef void* value
    cdef bint found
    cdef bint going = rax_first(consumer.pending, &cursor)
    while going:
        rax_remove(group.pending, cursor.id, &value)
        _free_pending(value)
        going = rax_next(&cursor)
    _take(<void**>group.consumers, group.consumer_count,
          _place(<void**>group.consumers, group.consumer_count, consumer.name.text, consumer.name.length, &found))
    group.consumer_count -= 1
    rax_free(consumer.pending, NULL)
    _free_consumer(consumer)
    return pending


# ---- pending entries
cdef Pending* pending_find(const StreamGroup* group, StreamId id) noexcept nogil:
    cdef void** place = rax_find(group.pending, id)
    return <Pending*>place[0] if place != NULL else NULL


cdef Pending* pending_add(StreamGroup* group, StreamId id, StreamConsumer* consumer, int64_t now_ms,
                          uint64_t deliveries) noexcept nogil:
    cdef Pending* pending
    if rax_find(group.pending, id) != NULL:
        return NULL
    pending = <Pending*>mem_alloc(sizeof(Pending))
    pending.delivered_ms = now_ms
    pending.deliveries = deliveries
    pending.consumer = consumer
    rax_insert(group.pending, id, pending, NULL)
    if consumer != NULL:
        rax_insert(consumer.pending, id, pending, NULL)
    return pending


cdef void pending_give(Pending* pending, StreamId id, StreamConsumer* consumer) noexcept nogil:
    if pending.consumer == consumer:
        return
    if pending.consumer != NULL:
        rax_remove(pending.consumer.pending, id, NULL)
    pending.consumer = consumer
    rax_insert(consumer.pending, id, pending, NULL)


cdef bint pending_remove(StreamGroup* group, StreamId id) noexcept nogil:
    cdef void* value
    if not rax_remove(group.pending, id, &value):
        return False
    if (<Pending*>value).consumer != NULL:
        rax_remove((<Pending*>value).consumer.pending, id, NULL)
    mem_free(value, sizeof(Pending))
    return True


# ---- proof
cdef const char* _check_group(const StreamGroup* group) noexcept nogil:
    cdef RaxCursor cursor
    cdef StreamConsumer* consumer
    cdef Pending* pending
    cdef size_t held = 0
    cdef uint32_t i
    cdef bint going
    cdef const char* fault = rax_check(group.pending)
    if fault != NULL:
        return fault
    for i in range(group.consumer_count):
        consumer = group.consumers[i]
        if i and _name_compare(group.consumers[i - 1].name, consumer.name.text, consumer.name.length) >= 0:
            return b"consumers out of order"
        fault = rax_check(consumer.pending)
        if fault != NULL:
            return fault
        held += rax_size(consumer.pending)
        going = rax_first(consumer.pending, &cursor)
        while going:
            pending = <Pending*>rax_item(&cursor).value
            if pending.consumer != consumer or pending_find(group, cursor.id) != pending:
                return b"a pending entry is not its consumer's, or not its group's"
            going = rax_next(&cursor)
    if held != rax_size(group.pending):
        return b"a pending entry without a consumer"
    return NULL


cdef const char* groups_check(const StreamGroups* groups) noexcept nogil:
    cdef const char* fault
    cdef uint32_t i
    for i in range(groups.count):
        if i and _name_compare(groups.items[i - 1].name, groups.items[i].name.text, groups.items[i].name.length) >= 0:
            return b"groups out of order"
        fault = _check_group(groups.items[i])
        if fault != NULL:
            return fault
    return NULL
