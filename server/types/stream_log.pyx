# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from iothreads.decimal cimport parse_int64
from iothreads.message cimport Output, output_advance, output_reserve
from iothreads.resp_writer cimport format_unsigned, write_header
from server.structures.listpack cimport (
    LP_EMPTY_BYTES, LP_EOF, LP_HEADER, LP_REPLACE, LpEncoded, LpValue, lp_bytes, lp_compare, lp_count_more,
    lp_encode, lp_encode_integer, lp_entry_size, lp_get, lp_insert_integer_in, lp_last, lp_new_in,
    lp_prev, lp_replace_integer, lp_set_bytes, lp_shrink, lp_skip, lp_validate_integrity,
    lp_validate_next, lp_write)
from server.structures.memory cimport mem_free, mem_good_size, mem_realloc
from server.structures.rax cimport (
    RAX_LE, Rax, RaxCursor, StreamId, id_equal, id_less, rax_check, rax_find, rax_first, rax_free_step, rax_insert,
    rax_item, rax_last, rax_memory, rax_new, rax_next, rax_prev, rax_remove, rax_seek)
from server.types.bulk cimport write_element, write_short
from server.types.stream_node cimport (
    node_dup, node_free, node_is_packed, node_memory, node_open, node_pack, node_thaw, packed_node)

cdef enum:
    FRESH_BYTES = 4096                 # most room that a new node gets at once
    INTEGER_BOUND = 10                 # bytes of an integer element, at most
    NEAR = 8                           # entries that are cheaper walked over than looked up

limits.node_bytes = 4096
limits.node_entries = 100


# ---- elements
cdef inline int64_t _integer(const unsigned char* p) noexcept nogil:
    """An element as a number; 0 for text that is none (which only a payload that nobody checked could hold)."""
    cdef LpValue value
    cdef int64_t number = 0
    if p[0] < 0x80:
        return p[0]
    lp_get(p, &value)
    if value.s == NULL:
        return value.number
    parse_int64(value.s, value.length, &number)
    return number


cdef inline unsigned char* _skip(const unsigned char* p, int64_t elements) noexcept nogil:
    while elements > 0 and p[0] != LP_EOF:
        p = lp_skip(p)
        elements -= 1
    return <unsigned char*>p


cdef inline size_t _bound(size_t n) noexcept nogil:
    """Bytes that a string's element takes at most."""
    return n + 2 if n < 64 else (n + 5 if n < 4096 else n + 10)


cdef inline unsigned char* _put_integer(unsigned char* p, int64_t number) noexcept nogil:
    """Lay an integer down at p, where there is room; what follows it."""
    cdef LpEncoded e
    if 0 <= number <= 127:
        p[0] = <unsigned char>number
        p[1] = 1
        return p + 2
    lp_encode_integer(&e, number)
    lp_write(p, &e)
    return p + e.size


cdef inline unsigned char* _put_text(unsigned char* p, const StreamText* text) noexcept nogil:
    cdef LpEncoded e
    lp_encode(&e, text.s, text.n)
    lp_write(p, &e)
    return p + e.size


cdef void _set_place(StreamLog* log, StreamId node, unsigned char* lp) noexcept nogil:
    rax_find(log.nodes, node)[0] = lp


cdef unsigned char* _set_integer(StreamLog* log, StreamId node, unsigned char* lp, unsigned char** p,
                                 int64_t number) noexcept nogil:
    """Overwrite the integer at *p of a node's listpack, which may move; returns where it is."""
    cdef LpEncoded e
    cdef unsigned char* moved = lp
    lp_encode_integer(&e, number)
    if e.size == lp_entry_size(p[0]) + 1:
        lp_write(p[0], &e)
        return lp
    if lp == log.tail:
        lp_insert_integer_in(&moved, &log.tail_capacity, number, p, LP_REPLACE)
        log.tail = moved
    else:
        lp_replace_integer(&moved, p, number)
    if moved != lp:
        _set_place(log, node, moved)
    return moved


# ---- life
cdef void stream_log_init(StreamLog* log) noexcept nogil:
    memset(log, 0, sizeof(StreamLog))
    log.nodes = rax_new()


cdef void stream_log_seal(StreamLog* log) noexcept nogil:
    cdef unsigned char* lp = log.tail
    if lp == NULL:
        return
    lp_shrink(&lp, log.tail_capacity)
    if lp != log.tail:
        _set_place(log, log.tail_id, lp)
    log.tail = NULL


cdef void _free_node(void* node) noexcept:
    node_free(node)


cdef bint stream_log_free_step(StreamLog* log, size_t nodes) noexcept:
    if log.nodes == NULL:
        return True
    stream_log_seal(log)
    if not rax_free_step(log.nodes, nodes, _free_node):
        return False
    log.nodes = NULL
    return True


cdef void stream_log_copy(const StreamLog* log, StreamLog* copy) noexcept nogil:
    cdef RaxCursor cursor
    cdef bint going
    copy[0] = log[0]
    copy.tail = NULL
    copy.nodes = rax_new()
    going = rax_first(log.nodes, &cursor)
    while going:
        rax_insert(copy.nodes, cursor.id, node_dup(rax_item(&cursor).value), NULL)
        going = rax_next(&cursor)


cdef size_t stream_log_memory(const StreamLog* log) noexcept nogil:
    cdef RaxCursor cursor
    cdef void* node
    cdef size_t total = rax_memory(log.nodes)
    cdef bint going = rax_first(log.nodes, &cursor)
    while going:
        node = rax_item(&cursor).value
        total += log.tail_capacity if node == log.tail else node_memory(node)
        going = rax_next(&cursor)
    return total


cdef bint stream_log_add_node(StreamLog* log, StreamId id, unsigned char* lp) noexcept nogil:
    cdef RaxCursor before
    if rax_find(log.nodes, id) != NULL:
        return False
    stream_log_seal(log)
    if rax_last(log.nodes, &before):
        _pack(&rax_item(&before).value)
    rax_insert(log.nodes, id, lp, NULL)
    return True


cdef inline void _pack(void** node) noexcept nogil:
    """Squeeze a node that stands in `nodes` and is exact."""
    if not node_is_packed(node[0]):
        node[0] = node_pack(<unsigned char*>node[0], <uint32_t>_integer(<unsigned char*>node[0] + LP_HEADER))


cdef unsigned char* _thaw(StreamLog* log, StreamId id, void* node) noexcept nogil:
    """A node's listpack to change it."""
    cdef unsigned char* lp
    if not node_is_packed(node):
        return <unsigned char*>node
    lp = node_thaw(node)
    _set_place(log, id, lp)
    return lp


cdef void _drop_node(StreamLog* log, StreamId id, void* node) noexcept nogil:
    if node == log.tail:
        mem_free(node, log.tail_capacity)
        log.tail = NULL
    else:
        node_free(node)
    rax_remove(log.nodes, id, NULL)


# ---- adding
cdef bint stream_next_id(const StreamLog* log, uint64_t now_ms, StreamId* id) noexcept nogil:
    if now_ms > log.last.ms:
        id[0] = StreamId(now_ms, 0)
        return True
    id[0] = log.last
    return id_next(id)


cdef inline bint _find_tail(StreamLog* log) noexcept nogil:
    """Have `tail` stand for the last node; 0: there is no node."""
    cdef RaxCursor cursor
    if log.tail != NULL:
        return True
    if not rax_last(log.nodes, &cursor):
        return False
    log.tail = _thaw(log, cursor.id, rax_item(&cursor).value)
    log.tail_capacity = lp_bytes(log.tail)
    log.tail_id = cursor.id
    return True


cdef inline bint _tail_is_full(const StreamLog* log, size_t bytes) noexcept nogil:
    """Whether so many more bytes of strings want a new node."""
    cdef size_t most = limits.node_bytes
    cdef unsigned char* count = log.tail + LP_HEADER
    if most == 0 or most > NODE_MAX_BYTES:
        most = NODE_MAX_BYTES
    if lp_bytes(log.tail) + bytes >= most:
        return True
    return limits.node_entries and _integer(count) + _integer(lp_skip(count)) >= limits.node_entries


cdef unsigned char* _make_room(StreamLog* log, size_t more) noexcept nogil:
    """Room for so many bytes behind the tail's last element; returns the place."""
    cdef size_t used = lp_bytes(log.tail)
    cdef size_t capacity
    cdef unsigned char* lp
    if used + more > log.tail_capacity:
        capacity = mem_good_size(used + more + (used >> 1))
        lp = <unsigned char*>mem_realloc(log.tail, log.tail_capacity, capacity)
        log.tail_capacity = capacity
        if lp != log.tail:
            log.tail = lp
            _set_place(log, log.tail_id, lp)
    return log.tail + used - 1


cdef void _begin_node(StreamLog* log, StreamId id, const StreamText* texts, int64_t fields, size_t room) noexcept nogil:
    """A new node with its head, for an entry that needs `room`. Where others were before, it will be about as long."""
    cdef size_t expected = 0
    cdef unsigned char* p
    cdef int64_t i
    if log.tail != NULL:
        expected = lp_bytes(log.tail)
        if expected > FRESH_BYTES:
            expected = FRESH_BYTES
        stream_log_seal(log)
        _pack(rax_find(log.nodes, log.tail_id))
    room += LP_EMPTY_BYTES + 4 * INTEGER_BOUND
    for i in range(fields):
        room += _bound(texts[2 * i].n)
    log.tail_capacity = mem_good_size(room if room > expected else expected)
    log.tail = lp_new_in(log.tail_capacity)
    log.tail_id = id
    p = log.tail + LP_HEADER
    p = _put_integer(p, 1)
    p = _put_integer(p, 0)
    p = _put_integer(p, fields)
    for i in range(fields):
        p = _put_text(p, &texts[2 * i])
    p = _put_integer(p, 0)
    _close(log.tail, p, 4 + fields)
    rax_insert(log.nodes, id, log.tail, NULL)


cdef inline void _close(unsigned char* lp, unsigned char* end, int64_t elements) noexcept nogil:
    """Mark the end after elements were laid down; tell the header."""
    end[0] = LP_EOF
    lp_set_bytes(lp, <uint32_t>(end + 1 - lp))
    lp_count_more(lp, <uint32_t>elements if elements < 65535 else 65535)


cdef bint _same_fields(const unsigned char* lp, const StreamText* texts, int64_t fields) noexcept nogil:
    cdef unsigned char* p = lp_skip(lp_skip(lp + LP_HEADER))
    cdef int64_t i
    if _integer(p) != fields:
        return False
    for i in range(fields):
        p = lp_skip(p)
        if not lp_compare(p, texts[2 * i].s, texts[2 * i].n):
            return False
    return True


cdef void stream_append(StreamLog* log, StreamId id, const StreamText* texts, int64_t fields) noexcept nogil:
    cdef unsigned char* p
    cdef size_t bytes = 0
    cdef size_t room = 1 + 5 * INTEGER_BOUND
    cdef int64_t i
    cdef bint same = True
    cdef bint was_empty = stream_is_empty(log)
    for i in range(2 * fields):
        bytes += texts[i].n
        room += _bound(texts[i].n)
    if not _find_tail(log) or _tail_is_full(log, bytes):
        _begin_node(log, id, texts, fields, room)
    else:
        same = _same_fields(log.tail, texts, fields)
        p = log.tail + LP_HEADER
        _set_integer(log, log.tail_id, log.tail, &p, _integer(p) + 1)
    p = _make_room(log, room)
    p = _put_integer(p, ENTRY_SAME_FIELDS if same else 0)
    p = _put_integer(p, <int64_t>(id.ms - log.tail_id.ms))
    p = _put_integer(p, <int64_t>(id.seq - log.tail_id.seq))
    if same:
        for i in range(fields):
            p = _put_text(p, &texts[2 * i + 1])
    else:
        p = _put_integer(p, fields)
        for i in range(2 * fields):
            p = _put_text(p, &texts[i])
    p = _put_integer(p, fields + 3 if same else 2 * fields + 4)
    _close(log.tail, p, fields + 4 if same else 2 * fields + 5)
    if was_empty:
        log.first = id
    log.length += 1
    log.added += 1
    log.last = id


# ---- walking
cdef void stream_walk(StreamLog* log, StreamWalk* walk, StreamId start, StreamId end, bint reverse) noexcept nogil:
    walk.log = log
    walk.start = start
    walk.end = end
    walk.reverse = reverse
    walk.deleted_too = False
    walk.lp = NULL
    walk.rest = 0
    if not rax_seek(log.nodes, end if reverse else start, RAX_LE, &walk.node) and not reverse:
        rax_first(log.nodes, &walk.node)


cdef inline bint _enter_node(StreamWalk* walk) noexcept nogil:
    """Begin with the node under the cursor; 0: there is none."""
    cdef unsigned char* p
    if walk.node.leaf == NULL:
        return False
    walk.lp = node_open(rax_item(&walk.node).value)
    p = lp_skip(lp_skip(walk.lp + LP_HEADER))
    walk.node_fields = _integer(p)
    walk.node_field = lp_skip(p)
    if walk.reverse:
        walk.p = lp_last(walk.lp)
        walk.rest = 0
    else:
        walk.p = walk.node_field
        walk.rest = walk.node_fields + 1
    return True


cdef inline void _leave_node(StreamWalk* walk) noexcept nogil:
    walk.lp = NULL
    if not (rax_prev(&walk.node) if walk.reverse else rax_next(&walk.node)):
        walk.node.leaf = NULL


cdef inline bint _find_entry(StreamWalk* walk) noexcept nogil:
    """Stand before the next entry of this node; 0: there is none."""
    cdef int64_t elements
    cdef unsigned char* p
    if not walk.reverse:
        walk.p = _skip(walk.p, walk.rest)
        walk.rest = 0
        walk.entry = walk.p
        return walk.p[0] != LP_EOF
    p = walk.p
    elements = _integer(p)
    if elements == 0:                                  # the end of the node's head
        return False
    while elements > 0 and p != NULL:
        p = lp_prev(walk.lp, p)
        elements -= 1
    if p == NULL:
        return False
    walk.entry = p
    walk.p = lp_prev(walk.lp, p)
    return walk.p != NULL


cdef bint stream_walk_next(StreamWalk* walk) noexcept nogil:
    cdef unsigned char* p
    cdef StreamId* node = &walk.node.id
    while True:
        if walk.lp == NULL and not _enter_node(walk):
            return False
        if not _find_entry(walk):
            _leave_node(walk)
            continue
        walk.flags = _integer(walk.entry)
        p = lp_skip(walk.entry)
        walk.id.ms = node.ms + <uint64_t>_integer(p)
        p = lp_skip(p)
        walk.id.seq = node.seq + <uint64_t>_integer(p)
        p = lp_skip(p)
        if walk.flags & ENTRY_SAME_FIELDS:
            walk.fields = walk.node_fields
        else:
            walk.fields = _integer(p)
            p = lp_skip(p)
        walk.body = p
        if not walk.reverse:
            walk.p = p
            walk.rest = 1 + (walk.fields if walk.flags & ENTRY_SAME_FIELDS else 2 * walk.fields)
        if walk.flags & ENTRY_DELETED and not walk.deleted_too:
            continue
        if walk.reverse:
            if not id_less(&walk.end, &walk.id):
                return not id_less(&walk.id, &walk.start)
        elif not id_less(&walk.id, &walk.start):
            return not id_less(&walk.end, &walk.id)


cdef bint stream_has(StreamLog* log, StreamId id) noexcept nogil:
    cdef StreamWalk walk
    stream_walk(log, &walk, id, id, False)
    return stream_walk_next(&walk)


cdef bint stream_edge(StreamLog* log, bint first, bint deleted_too, StreamId* id) noexcept nogil:
    cdef StreamWalk walk
    stream_walk(log, &walk, StreamId(0, 0), id_max(), not first)
    walk.deleted_too = deleted_too
    if not stream_walk_next(&walk):
        return False
    id[0] = walk.id
    return True


cdef bint seek_entry(StreamSeek* seek, StreamId id) noexcept nogil:
    """One that is near is walked to, others are looked up."""
    cdef int steps = NEAR
    while seek.stands and id_less(&seek.walk.id, &id):
        seek.stands = steps > 0 and stream_walk_next(&seek.walk)
        steps -= 1
    if not seek.stands or id_less(&id, &seek.walk.id):
        stream_walk(seek.log, &seek.walk, id, id_max(), False)
        seek.stands = stream_walk_next(&seek.walk)
    return seek.stands and id_equal(&id, &seek.walk.id)


# ---- removing
cdef void _shorten(StreamLog* log, uint64_t entries) noexcept nogil:
    """So many entries went. A wrong length does not go below 0, and is right once nothing is left."""
    if log.length - <uint64_t>log.surplus == entries:
        log.length = 0
        log.surplus = 0
        return
    if entries > log.length:
        log.surplus += <int64_t>(entries - log.length)
        entries = log.length
    log.length -= entries


cdef void _find_first(StreamLog* log) noexcept nogil:
    if not stream_edge(log, True, False, &log.first):
        log.first = StreamId(0, 0)


cdef bint stream_delete(StreamLog* log, StreamId id) noexcept nogil:
    cdef StreamWalk walk
    cdef unsigned char* lp
    cdef unsigned char* p
    cdef int64_t count
    stream_walk(log, &walk, id, id, False)
    if not stream_walk_next(&walk):
        return False
    lp = _thaw(log, walk.node.id, rax_item(&walk.node).value)
    p = lp + (walk.entry - walk.lp)
    lp = _set_integer(log, walk.node.id, lp, &p, walk.flags | ENTRY_DELETED)
    p = lp + LP_HEADER
    count = _integer(p)
    if count <= 1:
        _drop_node(log, walk.node.id, lp)
    else:
        lp = _set_integer(log, walk.node.id, lp, &p, count - 1)
        p = lp_skip(p)
        _set_integer(log, walk.node.id, lp, &p, _integer(p) + 1)
    _shorten(log, 1)
    if id_less(&log.max_deleted, &id):
        log.max_deleted = id
    if id_equal(&id, &log.first):
        _find_first(log)
    return True


cdef inline uint64_t _live(void* node) noexcept nogil:
    """Entries of a node that are not deleted."""
    return packed_node(node).live if node_is_packed(node) else <uint64_t>_integer(<unsigned char*>node + LP_HEADER)


cdef bint _node_last(unsigned char* lp, const StreamId* node, StreamId* id) noexcept nogil:
    """The last entry of a node, a deleted one too."""
    cdef unsigned char* p = lp_last(lp)
    cdef int64_t elements = _integer(p)
    if elements == 0:
        return False
    while elements > 0 and p != NULL:
        p = lp_prev(lp, p)
        elements -= 1
    if p == NULL:
        return False
    p = lp_skip(p)
    id.ms = node.ms + <uint64_t>_integer(p)
    id.seq = node.seq + <uint64_t>_integer(lp_skip(p))
    return True


cdef uint64_t _trim_node(StreamLog* log, StreamId node, unsigned char* lp, int strategy, uint64_t maxlen,
                         const StreamId* minid) noexcept nogil:
    """Flag entries at the front of a node as deleted, as far as the rule goes; how many."""
    cdef unsigned char* p = lp_skip(lp_skip(lp + LP_HEADER))
    cdef unsigned char* at
    cdef int64_t fields = _integer(p)
    cdef int64_t flags, elements
    cdef uint64_t gone = 0
    cdef StreamId id
    cdef size_t offset
    p = _skip(p, fields + 2)
    while p[0] != LP_EOF:
        at = p
        flags = _integer(p)
        p = lp_skip(p)
        id.ms = node.ms + <uint64_t>_integer(p)
        p = lp_skip(p)
        id.seq = node.seq + <uint64_t>_integer(p)
        p = lp_skip(p)
        if log.length <= maxlen if strategy == TRIM_MAXLEN else not id_less(&id, minid):
            break
        elements = fields if flags & ENTRY_SAME_FIELDS else 2 * _integer(p) + 1
        p = _skip(p, elements + 1)
        if not flags & ENTRY_DELETED:
            offset = p - lp
            lp = _set_integer(log, node, lp, &at, flags | ENTRY_DELETED)
            p = lp + offset
            _shorten(log, 1)
            gone += 1
    p = lp + LP_HEADER
    lp = _set_integer(log, node, lp, &p, _integer(p) - <int64_t>gone)
    p = lp_skip(p)
    _set_integer(log, node, lp, &p, _integer(p) + <int64_t>gone)
    return gone


cdef uint64_t stream_trim(StreamLog* log, int strategy, uint64_t maxlen, StreamId minid, bint approx,
                          uint64_t limit) noexcept nogil:
    cdef RaxCursor cursor
    cdef void* node
    cdef uint64_t entries
    cdef uint64_t gone = 0
    cdef StreamId last
    cdef bint whole
    while rax_first(log.nodes, &cursor):
        if strategy == TRIM_MAXLEN and log.length <= maxlen:
            break
        node = rax_item(&cursor).value
        entries = _live(node)
        if limit and gone + entries > limit:
            break
        if strategy == TRIM_MAXLEN:
            whole = log.length >= entries and log.length - entries >= maxlen
        else:
            last = StreamId(0, 0)
            _node_last(node_open(node), &cursor.id, &last)
            whole = id_less(&last, &minid)
        if not whole:
            if not approx:
                gone += _trim_node(log, cursor.id, _thaw(log, cursor.id, node), strategy, maxlen, &minid)
            break
        _drop_node(log, cursor.id, node)
        _shorten(log, entries)
        gone += entries
    if gone:
        _find_first(log)
    return gone


# ---- parts
cdef bint part_find(StreamPart* part, StreamLog* log, int64_t most, int64_t limit) noexcept nogil:
    part.count = 0
    part.log = log
    stream_walk(log, &part.walk, part.start, part.end, part.reverse)
    while part.count < most and stream_walk_next(&part.walk):
        part.count += 1
        if part.count > limit:
            return False
    part.opened = most == 1
    return True


cdef void part_to_first(StreamPart* part) noexcept nogil:
    if not part.opened:
        stream_walk(part.log, &part.walk, part.start, part.end, part.reverse)
        stream_walk_next(&part.walk)
        part.opened = part.count == 1


cdef void part_write(StreamPart* part, Output* out) noexcept nogil:
    cdef int64_t left = part.count
    write_header(out, c'*', left)
    if left:
        part_to_first(part)
    while left:
        stream_write_entry(&part.walk, out)
        left -= 1
        if left:
            stream_walk_next(&part.walk)


# ---- IDs as text
cdef inline const char* _digits(const char* p, const char* end, uint64_t* number) noexcept nogil:
    """Up to 19 digits; where they end."""
    cdef const char* start = p
    number[0] = 0
    while p < end and p - start < 19 and c'0' <= p[0] <= c'9':
        number[0] = number[0] * 10 + <uint64_t>(p[0] - c'0')
        p += 1
    return p


cdef bint read_plain_id(const char* text, size_t length, uint64_t missing, StreamId* id) noexcept nogil:
    cdef const char* end = text + length
    cdef const char* p = _digits(text, end, &id.ms)
    id.seq = missing
    if p == text:
        return False
    if p == end:
        return True
    text = p + 1
    if p[0] != c'-' or text == end:
        return False
    return _digits(text, end, &id.seq) == end


# ---- replies
cdef size_t format_id(char* at, const StreamId* id) noexcept nogil:
    cdef char* p = format_unsigned(at, id.ms)
    p[0] = c'-'
    return format_unsigned(p + 1, id.seq) - at


cdef size_t stream_write_id(Output* out, const StreamId* id) noexcept nogil:
    cdef char text[48]
    cdef size_t n = format_id(text, id)
    write_short(out, text, n)
    return n


cdef void stream_write_entry(StreamWalk* walk, Output* out) noexcept nogil:
    cdef LpValue value
    cdef unsigned char* p = walk.body
    cdef unsigned char* field = walk.node_field
    cdef bint same = walk.flags & ENTRY_SAME_FIELDS
    cdef int64_t i
    write_header(out, c'*', 2)
    stream_write_id(out, &walk.id)
    write_header(out, c'*', 2 * walk.fields)
    for i in range(walk.fields):
        if same:
            lp_get(field, &value)
            field = lp_skip(field)
        else:
            lp_get(p, &value)
            p = lp_skip(p)
        write_element(out, &value)
        lp_get(p, &value)
        write_element(out, &value)
        p = lp_skip(p)
    if not walk.reverse:                               # the walk need not go over it again
        walk.p = p
        walk.rest = 1


# ---- bytes from outside
cdef inline bint _take_integer(const unsigned char* lp, const unsigned char** next, size_t size,
                               int64_t* number) noexcept nogil:
    cdef const unsigned char* p = next[0]
    cdef LpValue value
    if p == NULL or p[0] == LP_EOF or not lp_validate_next(lp, next, size):
        return False
    lp_get(p, &value)
    if value.s != NULL:
        return parse_int64(value.s, value.length, number)
    number[0] = value.number
    return True


cdef inline bint _take_many(const unsigned char* lp, const unsigned char** next, size_t size,
                            int64_t count) noexcept nogil:
    while count > 0:
        if next[0] == NULL or next[0][0] == LP_EOF or not lp_validate_next(lp, next, size):
            return False
        count -= 1
    return True


cdef bint stream_node_valid(const unsigned char* lp, size_t size, bint deep) noexcept nogil:
    cdef const unsigned char* next = lp + LP_HEADER
    cdef int64_t count, deleted, node_fields, fields, flags, number
    if not lp_validate_integrity(lp, size, False, NULL, NULL):
        return False
    if not deep:
        return True
    if (not _take_integer(lp, &next, size, &count) or not _take_integer(lp, &next, size, &deleted)
            or not _take_integer(lp, &next, size, &node_fields) or count < 0 or deleted < 0 or node_fields < 0
            or not _take_many(lp, &next, size, node_fields)
            or not _take_integer(lp, &next, size, &number) or number != 0):
        return False
    count += deleted
    while count > 0:
        count -= 1
        if (not _take_integer(lp, &next, size, &flags) or not _take_integer(lp, &next, size, &number)
                or not _take_integer(lp, &next, size, &number)):
            return False
        fields = node_fields
        if not flags & ENTRY_SAME_FIELDS:
            if not _take_integer(lp, &next, size, &fields) or fields < 0 or fields > <int64_t>size:
                return False
            if not _take_many(lp, &next, size, 2 * fields) or not _take_integer(lp, &next, size, &number):
                return False
            if number != 2 * fields + 4:
                return False
        elif (not _take_many(lp, &next, size, fields) or not _take_integer(lp, &next, size, &number)
                or number != fields + 3):
            return False
    return next == lp + size - 1


# ---- proof
cdef const char* stream_log_check(StreamLog* log) noexcept nogil:
    cdef RaxCursor cursor
    cdef StreamWalk walk
    cdef StreamId last = StreamId(0, 0)
    cdef StreamId first = StreamId(0, 0)
    cdef const char* fault = rax_check(log.nodes)
    cdef unsigned char* lp
    cdef uint64_t count = 0
    cdef uint64_t live = 0
    cdef uint64_t said = 0
    cdef bint going
    if fault != NULL:
        return fault
    going = rax_first(log.nodes, &cursor)
    while going:
        lp = node_open(rax_item(&cursor).value)
        if (not stream_node_valid(lp, lp_bytes(lp), True)
                or not lp_validate_integrity(lp, lp_bytes(lp), True, NULL, NULL)):
            return b"a node is malformed"
        if _live(rax_item(&cursor).value) != <uint64_t>_integer(lp + LP_HEADER):
            return b"a squeezed node counts otherwise than its listpack"
        if _integer(lp + LP_HEADER) < 1:
            return b"a node without entries"
        if lp == log.tail and (lp_bytes(lp) > log.tail_capacity or not id_equal(&cursor.id, &log.tail_id)):
            return b"the tail is over its capacity, or under another ID"
        said += <uint64_t>_integer(lp + LP_HEADER)
        going = rax_next(&cursor)
    if log.tail != NULL and (rax_find(log.nodes, log.tail_id) == NULL
                             or rax_find(log.nodes, log.tail_id)[0] != <void*>log.tail):
        return b"the tail is no node"
    stream_walk(log, &walk, StreamId(0, 0), id_max(), False)
    walk.deleted_too = True
    while stream_walk_next(&walk):
        if count and not id_less(&last, &walk.id):
            return b"entries out of order"
        last = walk.id
        count += 1
        if not walk.flags & ENTRY_DELETED:
            if live == 0:
                first = walk.id
            live += 1
    if live != said or live + <uint64_t>log.surplus != log.length:
        return b"the length is wrong"
    if not id_equal(&first, &log.first):
        return b"the first ID is wrong"
    if id_less(&log.last, &last):
        return b"an entry is above the last ID"
    return NULL
