# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.string cimport memcpy, memmove

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.message cimport Chunk, Output, output_advance, output_reserve
from iothreads.resp_writer cimport format_unsigned, write_header
from server.registry.reply_writer cimport WrittenReply
from server.structures.listpack cimport LpValue, lp_get, lp_skip
from server.structures.memory cimport mem_alloc, mem_free, mem_good_size
from server.structures.rax cimport (
    RAX_GE, Rax, RaxCursor, id_less, rax_first, rax_item, rax_last, rax_next, rax_nodes, rax_seek, rax_size)
from server.structures.table cimport TYPE_STREAM, entry_set_type
from server.types.bulk cimport element_bytes
from server.types.stream_groups cimport (
    READ_UNKNOWN, StreamName, consumer_add, consumer_find, consumer_remove, group_add, group_find, group_remove,
    groups_check, groups_copy, groups_effort, groups_free_step, groups_memory, pending_add, pending_find, pending_give,
    pending_remove)
from server.types.stream_log cimport (
    ENTRY_SAME_FIELDS, NODE_MAX_BYTES, TRIM_MAXLEN, TRIM_MINID, StreamText, StreamWalk, format_id, id_max, id_next,
    stream_append, stream_delete, stream_edge, stream_has, stream_log_check, stream_log_copy, stream_log_free_step,
    stream_log_init, stream_log_memory, stream_next_id, stream_trim, stream_walk, stream_walk_next, stream_write_entry)
from server.types.stream_log cimport limits as node_limits
from server.types.stream_reading cimport stream_deliver, stream_lag, stream_write_history
from server.types.value cimport TypeTraits, traits_of, value_class

MAXLEN = TRIM_MAXLEN
MINID = TRIM_MINID
UNKNOWN = READ_UNKNOWN
MAX_BYTES = NODE_MAX_BYTES

cdef enum:
    HEADER_ROOM = 24                   # bytes kept for an array header whose count is known only at the end


def set_limits(config) -> None:
    """Follow stream-node-max-bytes and stream-node-max-entries."""
    node_limits.node_bytes = config.stream_node_max_bytes
    node_limits.node_entries = config.stream_node_max_entries


# ---- IDs
cdef inline StreamId _id(tuple id):
    return StreamId(<uint64_t>id[0], <uint64_t>id[1])


cdef inline tuple _tuple(const StreamId* id):
    return id.ms, id.seq


cdef inline bytes _text(const StreamId* id):
    cdef char text[48]
    return PyBytes_FromStringAndSize(text, format_id(text, id))


cdef inline bytes _name(const StreamName* name):
    return PyBytes_FromStringAndSize(name.text, name.length)


cdef uint64_t stream_new_word() noexcept nogil:
    cdef StreamValue* value = <StreamValue*>mem_alloc(sizeof(StreamValue))
    stream_log_init(&value.log)
    value.groups.items = NULL
    value.groups.count = value.groups.capacity = 0
    return <uint64_t>value


# ---- arrays whose length shows at the end
cdef inline void _begin_array(Output* out) noexcept nogil:
    """In an Output that holds nothing yet."""
    output_reserve(out, HEADER_ROOM)
    output_advance(out, HEADER_ROOM)


cdef void _end_array(Output* out, uint64_t count) noexcept nogil:
    cdef char header[HEADER_ROOM]
    cdef Chunk* chunk = out.head
    cdef char* p
    cdef size_t n
    header[0] = c'*'
    p = format_unsigned(header + 1, count)
    p[0] = c'\r'
    p[1] = c'\n'
    n = p + 2 - header
    memcpy(chunk.bytes, header, n)
    memmove(chunk.bytes + n, chunk.bytes + HEADER_ROOM, chunk.used - HEADER_ROOM)
    chunk.used -= HEADER_ROOM - n
    out.bytes -= HEADER_ROOM - n


# ---- the view
cdef class Stream(Value):
    """A stream. IDs are tuples (ms, seq); fields and values are bytes."""
    TYPE = TYPE_STREAM

    cdef int create(self) except -1:
        entry_word_ref(self.entry)[0] = stream_new_word()
        entry_set_type(self.entry, TYPE_STREAM, STREAM_LISTPACKS)
        return 0

    def __len__(self) -> int:
        return stream_value(self.entry).log.length

    def encoding_name(self) -> str:
        """What OBJECT ENCODING says."""
        return "stream"

    @property
    def last_id(self) -> tuple:
        """The ID added last, or what XSETID said."""
        return _tuple(&stream_value(self.entry).log.last)

    @property
    def first_id(self) -> tuple:
        """The first entry's ID, (0, 0) when empty."""
        return _tuple(&stream_value(self.entry).log.first)

    @property
    def max_deleted_id(self) -> tuple:
        """The highest ID that was deleted, (0, 0) for none."""
        return _tuple(&stream_value(self.entry).log.max_deleted)

    @property
    def entries_added(self) -> int:
        """How many entries were ever added."""
        return stream_value(self.entry).log.added

    def set_ids(self, tuple last_id, entries_added=None, tuple max_deleted_id=(0, 0)) -> None:
        """XSETID; None and (0, 0) leave theirs as they are."""
        cdef StreamLog* log = &stream_value(self.entry).log
        log.last = _id(last_id)
        if entries_added is not None:
            log.added = entries_added
        if max_deleted_id != (0, 0):
            log.max_deleted = _id(max_deleted_id)

    # ---- entries
    def next_id(self, uint64_t now_ms) -> tuple | None:
        """The ID that `*` stands for: the time, or the follower of the last ID; None when there is none."""
        cdef StreamId id
        return _tuple(&id) if stream_next_id(&stream_value(self.entry).log, now_ms, &id) else None

    def append(self, tuple id, pairs) -> None:
        """Add an entry. The ID is above last_id; pairs: field, value, field, value... of MAX_BYTES together at most.
        Complexity: O(bytes)."""
        cdef Py_ssize_t count = len(pairs)
        cdef StreamText* texts = <StreamText*>mem_alloc(count * sizeof(StreamText))
        cdef bytes text
        cdef Py_ssize_t i
        for i in range(count):
            text = pairs[i]
            texts[i].s = PyBytes_AS_STRING(text)
            texts[i].n = PyBytes_GET_SIZE(text)
        stream_append(&stream_value(self.entry).log, _id(id), texts, count >> 1)
        mem_free(texts, count * sizeof(StreamText))

    def delete(self, ids) -> int:
        """Delete entries; how many were there. Complexity: O(log N) each, and a walk through its node."""
        cdef tuple id
        cdef int deleted = 0
        for id in ids:
            deleted += stream_delete(&stream_value(self.entry).log, _id(id))
        return deleted

    def trim(self, int strategy, threshold, bint approx, uint64_t limit) -> int:
        """Drop the oldest entries: all but `threshold` many (MAXLEN), or those below that ID (MINID); how many went.
        approx: only whole nodes; limit: at most so many entries, 0 for any number. Complexity: O(entries that go)."""
        if strategy == TRIM_MAXLEN:
            return stream_trim(&stream_value(self.entry).log, strategy, threshold, StreamId(0, 0), approx, limit)
        return stream_trim(&stream_value(self.entry).log, strategy, 0, _id(threshold), approx, limit)

    def has(self, tuple id) -> bool:
        """Whether there is such an entry. Complexity: O(log N), and a walk through its node."""
        return stream_has(&stream_value(self.entry).log, _id(id))

    def edge(self, bint first, bint deleted_too=False) -> tuple | None:
        """The ID of the first or last entry; None without one."""
        cdef StreamId id
        return _tuple(&id) if stream_edge(&stream_value(self.entry).log, first, deleted_too, &id) else None

    def range(self, tuple start, tuple end, uint64_t count=0, bint reverse=False) -> WrittenReply:
        """The reply [[ID, [field, value...]]...] of entries start..end, both included; at most `count`, 0 for all.
        Complexity: O(log N + M)."""
        cdef WrittenReply written = WrittenReply()
        cdef StreamWalk walk
        cdef uint64_t found = 0
        stream_walk(&stream_value(self.entry).log, &walk, _id(start), _id(end), reverse)
        _begin_array(&written.output)
        while stream_walk_next(&walk):
            stream_write_entry(&walk, &written.output)
            found += 1
            if found == count:
                break
        _end_array(&written.output, found)
        return written

    def entries_reply(self, list ids, bint bare=False) -> WrittenReply | None:
        """Entries, [ID, [field, value...]], as an array in one reply; bare: the one without an array. None: one is gone."""
        cdef WrittenReply written = WrittenReply()
        cdef StreamWalk walk
        cdef StreamId wanted
        if not bare:
            write_header(&written.output, c'*', len(ids))
        for id in ids:
            wanted = _id(id)
            stream_walk(&stream_value(self.entry).log, &walk, wanted, wanted, False)
            if not stream_walk_next(&walk):
                return None
            stream_write_entry(&walk, &written.output)
        return written

    def items(self, tuple start=(0, 0), uint64_t count=0) -> list:
        """Entries from an ID on as [(ID, [field, value...])], at most `count`, 0 for all (rewriting, digest, tests)."""
        cdef list found = []
        cdef StreamWalk walk
        stream_walk(&stream_value(self.entry).log, &walk, _id(start), id_max(), False)
        while stream_walk_next(&walk):
            found.append((_tuple(&walk.id), _pairs(&walk)))
            if <uint64_t>len(found) == count:
                break
        return found

    def nodes(self) -> tuple[int, int]:
        """How many listpacks there are, and how many nodes Redis's radix tree would have for them."""
        cdef Rax* nodes = stream_value(self.entry).log.nodes
        return rax_size(nodes), rax_nodes(nodes)

    # ---- groups
    def group(self, bytes name) -> Group | None:
        """The consumer group of this name."""
        cdef StreamGroups* groups = &stream_value(self.entry).groups
        return _group(self, group_find(groups, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)))

    def groups(self) -> list[Group]:
        """All consumer groups by name."""
        cdef StreamValue* value = stream_value(self.entry)
        return [_group(self, value.groups.items[i]) for i in range(value.groups.count)]

    def create_group(self, bytes name, tuple last_id, int64_t entries_read) -> Group | None:
        """A new group that has read up to an ID; None when there is one of this name."""
        return _group(self, group_add(&stream_value(self.entry).groups, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name),
                                      _id(last_id), entries_read))

    def remove_group(self, bytes name) -> bool:
        """Forget a group and all that is pending in it. Complexity: O(pending)."""
        return group_remove(&stream_value(self.entry).groups, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))

    def check(self) -> None:
        """AssertionError unless all is well."""
        cdef const char* fault = stream_log_check(&stream_value(self.entry).log)
        if fault == NULL:
            fault = groups_check(&stream_value(self.entry).groups)
        if fault != NULL:
            raise AssertionError(fault.decode())


cdef list _pairs(StreamWalk* walk):
    cdef list pairs = []
    cdef LpValue value
    cdef unsigned char* p = walk.body
    cdef unsigned char* field = walk.node_field
    cdef bint same = walk.flags & ENTRY_SAME_FIELDS
    cdef int64_t i
    for i in range(walk.fields if same else 2 * walk.fields):
        if same:
            lp_get(field, &value)
            field = lp_skip(field)
            pairs.append(element_bytes(&value))
        lp_get(p, &value)
        p = lp_skip(p)
        pairs.append(element_bytes(&value))
    return pairs


# ---- groups
cdef Group _group(Stream stream, StreamGroup* group):
    cdef Group view
    if group == NULL:
        return None
    view = Group.__new__(Group)
    view.stream = stream
    view.group = group
    return view


cdef class Group:
    """A consumer group."""

    @property
    def name(self) -> bytes:
        """Its name."""
        return _name(self.group.name)

    @property
    def last_id(self) -> tuple:
        """The last entry that was delivered to any consumer."""
        return _tuple(&self.group.last)

    @last_id.setter
    def last_id(self, tuple id) -> None:
        self.group.last = _id(id)

    @property
    def entries_read(self) -> int:
        """How many entries of the stream were read up to last_id; UNKNOWN when that cannot be told."""
        return self.group.entries_read

    @entries_read.setter
    def entries_read(self, int64_t count) -> None:
        self.group.entries_read = count

    @property
    def pending_count(self) -> int:
        """Entries delivered and not acknowledged."""
        return rax_size(self.group.pending)

    def lag(self) -> int | None:
        """How many entries are still to be read; None when that cannot be told. Complexity: O(1)."""
        cdef int64_t lag
        return lag if stream_lag(&stream_value(self.stream.entry).log, self.group, &lag) else None

    # ---- consumers
    def consumer(self, bytes name) -> Consumer | None:
        """The consumer of this name."""
        return _consumer(consumer_find(self.group, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)))

    def consumers(self) -> list[Consumer]:
        """All consumers by name."""
        return [_consumer(self.group.consumers[i]) for i in range(self.group.consumer_count)]

    def create_consumer(self, bytes name, int64_t now_ms) -> Consumer | None:
        """A new consumer; None when there is one of this name."""
        return _consumer(consumer_add(self.group, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), now_ms))

    def remove_consumer(self, bytes name) -> int | None:
        """Forget a consumer and what is pending for it: how many entries; None without such a consumer."""
        cdef StreamConsumer* consumer = consumer_find(self.group, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
        return None if consumer == NULL else consumer_remove(self.group, consumer)

    # ---- reading
    def read_new(self, Consumer consumer, uint64_t count, bint pending, int64_t now_ms) -> tuple[WrittenReply, list]:
        """Deliver entries above last_id to a consumer: the reply, and their IDs as text. `pending`: they stay pending
        until they are acknowledged. Complexity: O(M log P)."""
        cdef WrittenReply written = WrittenReply()
        cdef StreamLog* log = &stream_value(self.stream.entry).log
        cdef StreamId start = self.group.last
        cdef StreamWalk walk
        cdef list ids = []
        cdef uint64_t found = 0
        id_next(&start)
        stream_walk(log, &walk, start, id_max(), False)
        _begin_array(&written.output)
        while stream_walk_next(&walk):
            stream_write_entry(&walk, &written.output)
            ids.append(_text(&walk.id))
            stream_deliver(log, self.group, consumer.consumer, &walk.id, pending, now_ms)
            found += 1
            if found == count:
                break
        _end_array(&written.output, found)
        return written, ids

    def read_history(self, Consumer consumer, tuple start, uint64_t count, int64_t now_ms, int resp) -> WrittenReply:
        """What is pending for a consumer from an ID on, as a reply; null instead of fields where the entry was deleted.
        Counts as one more delivery of each. Complexity: O(M log N)."""
        cdef WrittenReply written = WrittenReply()
        stream_write_history(&stream_value(self.stream.entry).log, consumer.consumer, _id(start), <int64_t>count,
                             now_ms, &written.output, resp)
        return written

    # ---- what is pending
    def acknowledge(self, ids) -> int:
        """Entries that are done; how many were pending. Complexity: O(log P) each."""
        cdef tuple id
        cdef int done = 0
        for id in ids:
            done += pending_remove(self.group, _id(id))
        return done

    def pending(self, tuple id) -> PendingEntry | None:
        """The pending entry with this ID."""
        cdef StreamId place = _id(id)
        return _pending(self.group, place, pending_find(self.group, place))

    def add_pending(self, tuple id, Consumer consumer, int64_t now_ms, uint64_t deliveries) -> PendingEntry:
        """Make an ID that is not pending pending for a consumer."""
        cdef StreamId place = _id(id)
        return _pending(self.group, place, pending_add(self.group, place, consumer.consumer, now_ms, deliveries))

    def pending_from(self, tuple id) -> PendingEntry | None:
        """The first pending entry whose ID is this or a higher one."""
        cdef RaxCursor cursor
        if not rax_seek(self.group.pending, _id(id), RAX_GE, &cursor):
            return None
        return _pending(self.group, cursor.id, <Pending*>rax_item(&cursor).value)

    def pending_range(self, Consumer consumer, tuple start, tuple end, int64_t count, int64_t min_idle=0,
                      int64_t now_ms=0) -> list:
        """[(ID as text, consumer's name, delivered at (Unix ms), deliveries)...] of entries start..end, of the group or
        of one consumer; at most `count` (0 none, -1 all). min_idle: only what was delivered so many ms ago or more."""
        cdef list found = []
        cdef Pending* entry
        cdef RaxCursor cursor
        cdef StreamId last = _id(end)
        cdef Rax* all_pending = self.group.pending if consumer is None else consumer.consumer.pending
        cdef bint going = rax_seek(all_pending, _id(start), RAX_GE, &cursor)
        while count and going and not id_less(&last, &cursor.id):
            entry = <Pending*>rax_item(&cursor).value
            if not min_idle or now_ms - entry.delivered_ms >= min_idle:
                found.append((_text(&cursor.id), _name(entry.consumer.name), entry.delivered_ms, <int64_t>entry.deliveries))
                count -= 1
            going = rax_next(&cursor)
        return found

    def pending_edges(self) -> tuple[bytes, bytes] | None:
        """The lowest and the highest ID that is pending, as text; None without one."""
        cdef RaxCursor first, last
        if not rax_first(self.group.pending, &first) or not rax_last(self.group.pending, &last):
            return None
        return _text(&first.id), _text(&last.id)


cdef Consumer _consumer(StreamConsumer* consumer):
    cdef Consumer view
    if consumer == NULL:
        return None
    view = Consumer.__new__(Consumer)
    view.consumer = consumer
    return view


cdef class Consumer:
    """A consumer of a group."""

    @property
    def name(self) -> bytes:
        """Its name."""
        return _name(self.consumer.name)

    @property
    def seen_ms(self) -> int:
        """When it last tried something, Unix ms."""
        return self.consumer.seen_ms

    @seen_ms.setter
    def seen_ms(self, int64_t now_ms) -> None:
        self.consumer.seen_ms = now_ms

    @property
    def active_ms(self) -> int:
        """When it last got something, Unix ms; -1 never."""
        return self.consumer.active_ms

    @active_ms.setter
    def active_ms(self, int64_t now_ms) -> None:
        self.consumer.active_ms = now_ms

    @property
    def pending_count(self) -> int:
        """Entries delivered to it and not acknowledged."""
        return rax_size(self.consumer.pending)


cdef PendingEntry _pending(StreamGroup* group, StreamId place, Pending* pending):
    cdef PendingEntry view
    if pending == NULL:
        return None
    view = PendingEntry.__new__(PendingEntry)
    view.group = group
    view.pending = pending
    view.place = place
    return view


cdef class PendingEntry:
    """An entry that was delivered and not acknowledged."""

    @property
    def id(self) -> tuple:
        """Its ID."""
        return _tuple(&self.place)

    @property
    def owner(self) -> bytes:
        """The name of the consumer that it was delivered to."""
        return _name(self.pending.consumer.name)

    @property
    def delivered_ms(self) -> int:
        """When it was last delivered, Unix ms."""
        return self.pending.delivered_ms

    @property
    def deliveries(self) -> int:
        """How often it was delivered. Beyond 2^63 - 1, where XCLAIM can set it, it is negative, as Redis shows it."""
        return <int64_t>self.pending.deliveries

    def claim(self, Consumer consumer, int64_t delivered_ms, object deliveries) -> None:
        """It is this consumer's now, delivered then and so often (the lower 64 bits count)."""
        pending_give(self.pending, self.place, consumer.consumer)
        self.pending.delivered_ms = delivered_ms
        self.pending.deliveries = deliveries & UINT64_MAX

    def remove(self) -> None:
        """It is pending no more. The view is good for nothing afterwards."""
        pending_remove(self.group, self.place)
        self.pending = NULL


# ---- what the keyspace needs of the type
cdef bint _release_step(int encoding, uint64_t* word, size_t effort) noexcept:
    cdef StreamValue* value = <StreamValue*>word[0]
    if not stream_log_free_step(&value.log, effort) or not groups_free_step(&value.groups, effort):
        return False
    mem_free(value, sizeof(StreamValue))
    return True


cdef void _release(int encoding, uint64_t word) noexcept:
    _release_step(encoding, &word, <size_t>-1)


cdef size_t _effort(int encoding, uint64_t word) noexcept:
    cdef StreamValue* value = <StreamValue*>word
    return rax_size(value.log.nodes) + groups_effort(&value.groups)


cdef size_t _memory(int encoding, uint64_t word) noexcept:
    cdef StreamValue* value = <StreamValue*>word
    return mem_good_size(sizeof(StreamValue)) + stream_log_memory(&value.log) + groups_memory(&value.groups)


cdef uint64_t _copy(int encoding, uint64_t word) noexcept:
    cdef StreamValue* value = <StreamValue*>word
    cdef StreamValue* copy = <StreamValue*>mem_alloc(sizeof(StreamValue))
    stream_log_copy(&value.log, &copy.log)
    groups_copy(&value.groups, &copy.groups)
    return <uint64_t>copy


cdef TypeTraits* _traits = traits_of(TYPE_STREAM)
_traits.release = _release
_traits.release_step = _release_step
_traits.effort = _effort
_traits.memory = _memory
_traits.copy = _copy
value_class(Stream)
