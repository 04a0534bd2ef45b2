# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Quicklist: what is too long to be inline; layout, limits and every function's contract are in quicklist.pxd.

In this order: a node's block (its spare room, its compression), the chain of nodes, both ends, walking, and the
changes in the middle. The rules when a node is split, merged or compressed again are those of Redis 7.2: the result
shows in DUMP payloads and in DEBUG OBJECT. Where the spare room lies is ours and shows nowhere.

Packing away is ours too, in lists without list-compress-depth. Most memory of a long list is in nodes that nobody has
touched for long, and a node holds enough elements for LZF to save a third or two where they are alike. Random digits and
letters have no repetitions, but few kinds of bytes (`narrow`). So:

* A node is packed away when a push at its end did not fit and began the next one. It is squeezed once in its life, 2-20
  us for 8 KB; a kilobyte of it tells what to try. Saving less than an eighth it stays as it is.
* The first reading walk opens it into a buffer of the process: a scan of the whole list (a digest, SORT, one LRANGE 0 -1)
  costs time, not memory. The second one brings it back for good, as does any pop, push or change in it.
* What came back stays: a stack that flaps over a border does not pay for a node twice. Nor is a node packed away while
  the one at the other end stays: what is pushed here is a queue's then, and comes back.
* A forked child opens, and never changes, nodes: it shares their memory.

`info` has QL_LZF in both kinds of lists; q.compress tells which it is.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from posix.types cimport pid_t
from posix.unistd cimport getpid
from libc.string cimport memcmp, memcpy, memmove

from server.structures.listpack cimport (
    LP_COUNT_UNKNOWN, LP_EMPTY_BYTES, LP_EOF, LP_HEADER, LpEncoded, LpValue, lp_bytes, lp_compare, lp_cut, lp_encode,
    lp_first, lp_free, lp_get, lp_length, lp_new, lp_next, lp_prev, lp_put, lp_repr, lp_seek, lp_set_bytes,
    lp_set_header_count, lp_skip, lp_write, lp_integer_text, LP_INTEGER_TEXT,
)
from server.structures.lzf cimport lzf_compress, lzf_decompress, lzf_estimate
from server.structures.memory cimport mem_alloc, mem_free, mem_good_size, mem_realloc
from server.structures.narrow cimport narrow_pack, narrow_unpack

cdef enum:
    SCRATCH = 65536                    # bytes
    COMPRESS_MIN = 48                  # bytes: smaller nodes are not worth compressing
    COMPRESS_GAIN = 8                  # bytes that compression must save
    PACK_MIN = 512                     # bytes of the smallest node that is packed away
    PACK_MAX = SCRATCH                 # and of the largest: opening one never takes long
    SAMPLE = 512                       # bytes of a node that are tried first
    QUEUE_MAX = 4096                   # nodes of a queue: in a longer one its memory is worth more than that time
    ELEMENT_EXTRA = 10                 # most bytes that an element needs beside its own
    SHED_MIN = 64                      # bytes: smaller blocks are not cut down
    DEFAULT_THRESHOLD = 1073741824     # 1 GB
    FILL_MAX = 32767
    COMPRESS_MAX = 65535

cdef size_t quicklist_packed_threshold = DEFAULT_THRESHOLD
cdef unsigned char scratch[SCRATCH]    # where a node is compressed before its size is known; main thread only
cdef unsigned char opened[PACK_MAX]    # the bytes of the node that was opened last
cdef pid_t packer = 0                  # the process that packs away; its children only open


cdef bint quicklist_set_packed_threshold(size_t bytes) noexcept nogil:
    global quicklist_packed_threshold
    if bytes > (<size_t>1 << 32) - (1 << 20):
        return False
    quicklist_packed_threshold = bytes if bytes else <size_t>DEFAULT_THRESHOLD
    return True


# --- a node's block

cdef inline uint64_t _block_bytes(const QuicklistNode* node) noexcept nogil:
    """What the block was allocated with."""
    if node.info & QL_PLAIN and not node.info & QL_LZF:
        return quicklist_node_size(node)
    return node.capacity


cdef inline unsigned char* _lp(const QuicklistNode* node) noexcept nogil:
    return node.block + node.head


cdef inline void _set_count(QuicklistNode* node, uint64_t count) noexcept nogil:
    node.info = (node.info & ~<uint32_t>QL_COUNT) | <uint32_t>count


cdef void _refit(Quicklist* q, QuicklistNode* node, size_t capacity, size_t head) noexcept nogil:
    """Move the listpack of a packed node into a block of `capacity` bytes, at `head`."""
    cdef unsigned char* block = <unsigned char*>mem_alloc(capacity)
    memcpy(block + head, _lp(node), node.size)
    mem_free(node.block, node.capacity)
    q.memory += capacity
    q.memory -= node.capacity
    node.block = block
    node.head = <uint32_t>head
    node.capacity = <uint32_t>capacity


cdef size_t _roomy(const Quicklist* q, size_t needed, size_t capacity) noexcept nogil:
    """A capacity for `needed` bytes that leaves room to grow: an eighth more than the last, and up to a whole node
    where the list is so long that this is little; never more than a full node can use."""
    cdef size_t full = quicklist_size_limit(q.fill) + ELEMENT_EXTRA, share = q.memory >> 5
    cdef size_t roomy = needed + (capacity >> 3 if capacity >> 3 > 32 else 32)
    if needed >= full:
        return needed
    if roomy < share:
        roomy = share
    roomy = mem_good_size(roomy)
    return roomy if roomy < full else full


cdef void _make_room(Quicklist* q, QuicklistNode* node, size_t need, int end) noexcept nogil:
    """See that `need` bytes are free before (QL_HEAD) or behind (QL_TAIL) the listpack of a packed node."""
    cdef size_t capacity = node.capacity, head
    if (node.head if end == QL_HEAD else capacity - node.head - node.size) >= need:
        return
    if capacity - node.size >= need + (capacity >> 2):     # enough on the other side: slide over, seldom
        head = capacity - node.size if end == QL_HEAD else 0
        memmove(node.block + head, _lp(node), node.size)
        node.head = <uint32_t>head
        return
    capacity = _roomy(q, node.size + need, capacity)
    _refit(q, node, capacity, capacity - node.size if end == QL_HEAD else 0)


cdef inline void _shed(Quicklist* q, QuicklistNode* node) noexcept nogil:
    """After deletions inside an unpacked packed node: a block that is more than half empty is cut to size."""
    if node.capacity > SHED_MIN and node.size < node.capacity >> 1:
        _refit(q, node, node.size, 0)


cdef QuicklistNode* _node_new(Quicklist* q, size_t capacity, uint32_t info) noexcept nogil:
    """A node and its block, not in the chain yet; plain ones have `capacity` bytes of element."""
    cdef QuicklistNode* node = <QuicklistNode*>mem_alloc(sizeof(QuicklistNode))
    node.prev = node.next = NULL
    node.block = <unsigned char*>mem_alloc(capacity)
    node.info = info
    if info & QL_PLAIN:
        node.size = <uint32_t>capacity
        node.head = <uint32_t>(<uint64_t>capacity >> 32)
        node.capacity = 0
    else:
        node.size = 0
        node.head = 0
        node.capacity = <uint32_t>capacity
    q.memory += sizeof(QuicklistNode) + capacity
    return node


cdef QuicklistNode* _plain_node(Quicklist* q, const char* s, size_t n) noexcept nogil:
    cdef QuicklistNode* node = _node_new(q, n, QL_PLAIN | 1)
    memcpy(node.block, s, n)
    return node


cdef QuicklistNode* _packed_node(Quicklist* q, const char* s, size_t n, int end) noexcept nogil:
    """A node of one element, its spare room at the end that will be pushed to."""
    cdef LpEncoded e
    cdef size_t size, capacity
    cdef QuicklistNode* node
    cdef unsigned char* lp
    lp_encode(&e, s, n)
    size = LP_EMPTY_BYTES + e.size
    capacity = _roomy(q, size, 0)
    node = _node_new(q, capacity, 1)
    node.size = <uint32_t>size
    node.head = <uint32_t>(capacity - size) if end == QL_HEAD else 0
    lp = _lp(node)
    lp_set_bytes(lp, <uint32_t>size)
    lp_set_header_count(lp, 1)
    lp_write(lp + LP_HEADER, &e)
    lp[size - 1] = LP_EOF
    return node


cdef QuicklistNode* _element_node(Quicklist* q, const char* s, size_t n, int end) noexcept nogil:
    if n >= quicklist_packed_threshold:
        return _plain_node(q, s, n)
    return _packed_node(q, s, n, end)


# --- compression

cdef void _compress_node(Quicklist* q, QuicklistNode* node) noexcept nogil:
    """Keep the node as LZF if that saves enough; otherwise it stays as it is."""
    cdef uint64_t size
    cdef size_t n, room
    cdef unsigned char* out
    if node == NULL or node.info & (QL_LZF | QL_PINNED):
        return
    node.info &= ~<uint32_t>QL_RECOMPRESS
    size = quicklist_node_size(node)
    if size < COMPRESS_MIN or size > <uint64_t>0xFFFFFFFF:
        return
    room = size - COMPRESS_GAIN - 1
    out = &scratch[0] if room <= SCRATCH else <unsigned char*>mem_alloc(room)
    n = lzf_compress(quicklist_node_data(node), size, out, room)
    if n:
        q.memory += n
        q.memory -= _block_bytes(node)
        mem_free(node.block, _block_bytes(node))
        node.block = <unsigned char*>mem_alloc(n)
        memcpy(node.block, out, n)
        node.head = 0
        node.capacity = <uint32_t>n
        node.info |= QL_LZF
    if out != &scratch[0]:
        mem_free(out, room)


cdef inline void _unpack(const QuicklistNode* node, unsigned char* out) noexcept nogil:
    """Write the bytes of a compressed node: they are of our own making, so it cannot fail."""
    if node.info & QL_NARROW:
        narrow_unpack(node.block, out, node.size)
    else:
        lzf_decompress(node.block, node.capacity, out, node.size)


cdef void _decompress_node(Quicklist* q, QuicklistNode* node) noexcept nogil:
    cdef unsigned char* block
    if node == NULL or not node.info & QL_LZF:
        return
    block = <unsigned char*>mem_alloc(node.size)
    _unpack(node, block)
    mem_free(node.block, node.capacity)
    q.memory += node.size
    q.memory -= node.capacity
    node.block = block
    node.capacity = 0 if node.info & QL_PLAIN else node.size
    node.info &= ~<uint32_t>(QL_LZF | QL_NARROW | QL_RECOMPRESS | QL_READ)


cdef inline void _decompress_for_use(Quicklist* q, QuicklistNode* node) noexcept nogil:
    if node.info & QL_LZF:
        _decompress_node(q, node)
        node.info |= QL_RECOMPRESS if q.compress else QL_STAYS


cdef inline void _recompress_only(Quicklist* q, QuicklistNode* node) noexcept nogil:
    if node.info & QL_RECOMPRESS:
        _compress_node(q, node)


cdef void _enforce_depth(Quicklist* q, QuicklistNode* node) noexcept nogil:
    """Unpack the nodes near the ends, compress `node` (if not NULL) and the first ones beyond, on both sides."""
    cdef QuicklistNode* forward = q.head
    cdef QuicklistNode* backward = q.tail
    cdef bint near_end = False
    cdef int depth
    if q.compress == 0 or q.length == 0 or q.length < <uint32_t>q.compress * 2:
        return
    for depth in range(q.compress):
        _decompress_node(q, forward)
        _decompress_node(q, backward)
        if forward == node or backward == node:
            near_end = True
        if forward == backward or forward.next == backward:
            return
        forward = forward.next
        backward = backward.prev
    if not near_end:
        _compress_node(q, node)
    _compress_node(q, forward)
    _compress_node(q, backward)


cdef inline void _compress(Quicklist* q, QuicklistNode* node) noexcept nogil:
    if q.compress == 0 and not node.info & QL_RECOMPRESS:
        return
    if node.info & QL_RECOMPRESS:
        _compress_node(q, node)
    else:
        _enforce_depth(q, node)


# --- packing away

cdef inline size_t _eleven_sixteenths(size_t n) noexcept nogil:
    return (n * 11) >> 4


cdef size_t _squeeze(const unsigned char* lp, size_t size, uint32_t* form) noexcept nogil:
    """Write a listpack's shorter form to `scratch`; returns its bytes, 0 if it does not save an eighth. A sample in LZF
    tells which form to try first; the other is tried where the first disappoints."""
    cdef size_t room = size - (size >> 3), sampled = SAMPLE if size > SAMPLE else size
    cdef size_t sample = lzf_estimate(lp, sampled)
    cdef size_t narrow, n
    form[0] = QL_LZF
    if sample <= _eleven_sixteenths(sampled):
        return lzf_compress(lp, size, &scratch[0], room)
    narrow = narrow_pack(lp, size, &scratch[0], room)
    if sample <= sampled - (sampled >> 4) and not 0 < narrow <= _eleven_sixteenths(size):
        n = lzf_compress(lp, size, &scratch[0], narrow - 1 if narrow else room)
        if n:
            return n
        if narrow:
            narrow_pack(lp, size, &scratch[0], room)
    form[0] |= QL_NARROW
    return narrow


cdef bint _pack_away(Quicklist* q, QuicklistNode* node) noexcept nogil:
    """Keep a packed node that was filled in a shorter form, if that saves an eighth; 0: it stays as it is."""
    global packer
    cdef QuicklistNode* other = q.head if node == q.tail else q.tail
    cdef bint queued = other != node and other.info & QL_STAYS and q.length < QUEUE_MAX
    cdef size_t size = node.size, n
    cdef uint32_t form
    if q.compress or node.info & (QL_PLAIN | QL_LZF | QL_STAYS | QL_PINNED) or not PACK_MIN <= size <= PACK_MAX:
        return False
    n = 0 if queued else _squeeze(_lp(node), size, &form)
    if n == 0:
        node.info |= QL_STAYS
        return False
    if packer == 0:
        packer = getpid()
    q.memory += n
    q.memory -= node.capacity
    mem_free(node.block, node.capacity)
    node.block = <unsigned char*>mem_alloc(n)
    memcpy(node.block, scratch, n)
    node.head = 0
    node.capacity = <uint32_t>n
    node.info |= form
    return True


cdef const unsigned char* quicklist_node_open(const QuicklistNode* node) noexcept nogil:
    if not node.info & QL_LZF or node.size > PACK_MAX:
        return quicklist_node_data(node)
    _unpack(node, &opened[0])
    return opened


cdef void quicklist_node_unpack(Quicklist* q, QuicklistNode* node) noexcept nogil:
    _decompress_for_use(q, node)


cdef inline unsigned char* _read(Quicklist* q, QuicklistNode* node) noexcept nogil:
    """The bytes of a node for a walk: opened the first time, and always in a child; unpacked otherwise."""
    if node.info & QL_LZF and q.compress == 0 and (not node.info & QL_READ or getpid() != packer):
        if getpid() == packer:
            node.info |= QL_READ
        return <unsigned char*>quicklist_node_open(node)
    _decompress_for_use(q, node)
    return <unsigned char*>quicklist_node_data(node)


cdef inline void _unpack_entry(QuicklistIter* it, QuicklistEntry* entry) noexcept nogil:
    """An entry is about to change: have it in its node, not in the buffer that the walk may have opened."""
    if entry.node.info & QL_LZF:
        quicklist_node_unpack(it.list, entry.node)
        entry.p = _lp(entry.node) + (entry.p - &opened[0])


cdef void _leave(Quicklist* q, QuicklistNode* node) noexcept nogil:
    """Pushes go on beyond this node: it is packed away, or gives back spare room that is more than a trifle."""
    cdef size_t slack
    if node == NULL or node.info & (QL_PLAIN | QL_LZF) or _pack_away(q, node):
        return
    slack = node.capacity - node.size
    if slack > 64 and slack > node.size >> 4:
        _refit(q, node, node.size, 0)


# --- the chain

cdef void _link(Quicklist* q, QuicklistNode* old, QuicklistNode* node, bint after) noexcept nogil:
    """Put a node beside an old one (NULL in an empty list). Elements are counted by the caller."""
    if after:
        node.prev = old
        if old != NULL:
            node.next = old.next
            if old.next != NULL:
                old.next.prev = node
            old.next = node
        if q.tail == old:
            q.tail = node
    else:
        node.next = old
        if old != NULL:
            node.prev = old.prev
            if old.prev != NULL:
                old.prev.next = node
            old.prev = node
        if q.head == old:
            q.head = node
    if q.length == 0:
        q.head = q.tail = node
    q.length += 1
    if old != NULL:
        _compress(q, old)
    _compress(q, node)


cdef void _free_node(Quicklist* q, QuicklistNode* node) noexcept nogil:
    global quicklist_mark
    if node == quicklist_mark:
        quicklist_mark = node.next
    q.memory -= sizeof(QuicklistNode) + _block_bytes(node)
    mem_free(node.block, _block_bytes(node))
    mem_free(node, sizeof(QuicklistNode))


cdef void _delete_node(Quicklist* q, QuicklistNode* node) noexcept nogil:
    """Take the node and what it counts out of the list."""
    if node.next != NULL:
        node.next.prev = node.prev
    else:
        q.tail = node.prev
    if node.prev != NULL:
        node.prev.next = node.next
    else:
        q.head = node.next
    q.length -= 1
    q.count -= quicklist_node_count(node)
    _enforce_depth(q, NULL)
    _free_node(q, node)


# --- life

cdef void quicklist_set_options(Quicklist* q, int fill, int compress) noexcept nogil:
    q.fill = <int16_t>(FILL_MAX if fill > FILL_MAX else -5 if fill < -5 else fill)
    q.compress = <uint16_t>(COMPRESS_MAX if compress > COMPRESS_MAX else 0 if compress < 0 else compress)


cdef Quicklist* quicklist_new(int fill, int compress) noexcept nogil:
    cdef Quicklist* q = <Quicklist*>mem_alloc(sizeof(Quicklist))
    q.head = q.tail = NULL
    q.count = 0
    q.length = 0
    q.memory = sizeof(Quicklist)
    quicklist_set_options(q, fill, compress)
    return q


cdef bint quicklist_free_step(Quicklist* q, size_t nodes) noexcept nogil:
    cdef QuicklistNode* node
    while q.head != NULL and nodes:
        node = q.head
        q.head = node.next
        q.length -= 1
        q.count -= quicklist_node_count(node)
        _free_node(q, node)
        nodes -= 1
    if q.head != NULL:
        q.head.prev = NULL
        return False
    mem_free(q, sizeof(Quicklist))
    return True


cdef void quicklist_free(Quicklist* q) noexcept nogil:
    quicklist_free_step(q, <size_t>-1)


cdef Quicklist* quicklist_dup(const Quicklist* q) noexcept nogil:
    """Node for node, compressed ones as they are; the spare room stays behind."""
    cdef Quicklist* copy = quicklist_new(q.fill, q.compress)
    cdef const QuicklistNode* node = q.head
    cdef QuicklistNode* twin
    cdef size_t n
    while node != NULL:
        n = node.capacity if node.info & QL_LZF else quicklist_node_size(node)
        twin = _node_new(copy, n, node.info & (QL_PLAIN | QL_COUNT))
        memcpy(twin.block, quicklist_node_data(node), n)
        if node.info & QL_LZF:
            twin.info |= node.info & (QL_LZF | QL_NARROW)
            twin.capacity = <uint32_t>n
        if not node.info & QL_PLAIN or node.info & QL_LZF:
            twin.head = 0
            twin.size = node.size
        copy.count += quicklist_node_count(node)
        twin.prev = copy.tail
        if copy.tail != NULL:
            copy.tail.next = twin
        else:
            copy.head = twin
        copy.tail = twin
        copy.length += 1
        node = node.next
    return copy


# --- listpack <-> quicklist

cdef void quicklist_append_listpack(Quicklist* q, unsigned char* lp) noexcept nogil:
    cdef uint64_t count = lp_length(lp)
    cdef QuicklistNode* node
    if count > QL_COUNT:                       # more than a node can count: only a payload of half a gigabyte has that
        _append_each(q, lp)
        return
    node = <QuicklistNode*>mem_alloc(sizeof(QuicklistNode))
    node.prev = node.next = NULL
    node.block = lp
    node.head = 0
    node.size = node.capacity = lp_bytes(lp)
    node.info = <uint32_t>count
    q.memory += sizeof(QuicklistNode) + node.capacity
    _leave(q, q.tail)
    _link(q, q.tail, node, True)
    q.count += count


cdef void _append_each(Quicklist* q, unsigned char* lp) noexcept nogil:
    cdef unsigned char* p = lp_first(lp)
    cdef LpValue value
    cdef char text[LP_INTEGER_TEXT]
    while p != NULL:
        lp_get(p, &value)
        if value.s != NULL:
            quicklist_push_tail(q, value.s, value.length)
        else:
            quicklist_push_tail(q, text, lp_integer_text(value.number, text))
        p = lp_next(lp, p)
    lp_free(lp)


cdef void quicklist_append_plain(Quicklist* q, unsigned char* data, size_t n) noexcept nogil:
    cdef QuicklistNode* node = <QuicklistNode*>mem_alloc(sizeof(QuicklistNode))
    node.prev = node.next = NULL
    node.block = data
    node.size = <uint32_t>n
    node.head = <uint32_t>(<uint64_t>n >> 32)
    node.capacity = 0
    node.info = QL_PLAIN | 1
    q.memory += sizeof(QuicklistNode) + n
    _leave(q, q.tail)
    _link(q, q.tail, node, True)
    q.count += 1


cdef Quicklist* quicklist_from_listpack(unsigned char* lp, int fill, int compress) noexcept nogil:
    cdef Quicklist* q = quicklist_new(fill, compress)
    if lp_first(lp) == NULL:
        lp_free(lp)
    else:
        quicklist_append_listpack(q, lp)
    return q


cdef unsigned char* quicklist_take_listpack(Quicklist* q) noexcept nogil:
    cdef QuicklistNode* node = q.head
    cdef unsigned char* lp
    if node == NULL:
        lp = lp_new()
    elif q.length > 1 or node.info & QL_PLAIN:
        return NULL
    else:
        _decompress_node(q, node)
        memmove(node.block, _lp(node), node.size)
        lp = <unsigned char*>mem_realloc(node.block, node.capacity, node.size)
        node.block = NULL
        _free_node(q, node)
    mem_free(q, sizeof(Quicklist))
    return lp


# --- ends

cdef void quicklist_push_tail_slow(Quicklist* q, const char* s, size_t n) noexcept nogil:
    if _fits(q, q.tail, n):
        _decompress_for_use(q, q.tail)
        _make_room(q, q.tail, n + ELEMENT_EXTRA, QL_TAIL)
        quicklist_push_tail(q, s, n)
        return
    _leave(q, q.tail)
    _link(q, q.tail, _element_node(q, s, n, QL_TAIL), True)
    q.count += 1


cdef void quicklist_push_head_slow(Quicklist* q, const char* s, size_t n) noexcept nogil:
    if _fits(q, q.head, n):
        _decompress_for_use(q, q.head)
        _make_room(q, q.head, n + ELEMENT_EXTRA, QL_HEAD)
        quicklist_push_head(q, s, n)
        return
    _leave(q, q.head)
    _link(q, q.head, _element_node(q, s, n, QL_HEAD), False)
    q.count += 1


cdef void quicklist_drop_slow(Quicklist* q, int end) noexcept nogil:
    cdef QuicklistNode* node = q.head if end == QL_HEAD else q.tail
    cdef QuicklistNode* following = node.next if end == QL_HEAD else node.prev
    if node.info & QL_PLAIN or quicklist_node_count(node) == 1:
        if following != NULL:
            following.info |= node.info & QL_STAYS         # it is the next to come back
        _delete_node(q, node)
        return
    if node.info & QL_LZF:
        _decompress_for_use(q, node)
    else:
        _refit(q, node, node.size + (node.size >> 1), 0 if end == QL_HEAD else node.size >> 1)
    quicklist_drop(q, end)


# --- walking

cdef void quicklist_iter(Quicklist* q, QuicklistIter* it, int direction) noexcept nogil:
    it.list = q
    it.node = q.head if direction == QL_HEAD else q.tail
    it.p = NULL
    it.offset = 0 if direction == QL_HEAD else -1
    it.direction = direction


cdef bint quicklist_iter_at(Quicklist* q, QuicklistIter* it, int64_t index, int direction) noexcept nogil:
    """Count nodes from the nearer end; O(nodes) and then O(elements of a node)."""
    cdef uint64_t place = <uint64_t>index if index >= 0 else <uint64_t>-(index + 1)
    cdef uint64_t passed = 0
    cdef QuicklistNode* node
    it.list = q
    it.node = NULL
    it.p = NULL
    it.direction = direction
    if place >= q.count:
        return False
    if index < 0:
        place = q.count - 1 - place
    if place < q.count // 2:
        node = q.head
        while passed + quicklist_node_count(node) <= place:
            passed += quicklist_node_count(node)
            node = node.next
    else:
        node = q.tail
        passed = q.count - quicklist_node_count(node)
        while passed > place:
            node = node.prev
            passed -= quicklist_node_count(node)
    it.node = node
    it.offset = place - passed
    if direction == QL_TAIL:
        it.offset -= quicklist_node_count(node)
    return True


cdef inline unsigned char* _walked(QuicklistNode* node) noexcept nogil:
    """The listpack that a walk in this node is in."""
    return &opened[0] if node.info & QL_LZF else _lp(node)


cdef bint quicklist_next_slow(QuicklistIter* it, QuicklistEntry* entry) noexcept nogil:
    cdef QuicklistNode* node
    while it.node != NULL:
        node = it.node
        if it.p == NULL:
            it.p = _read(it.list, node)
            if not node.info & QL_PLAIN:
                it.p = lp_seek(it.p, it.offset)
        elif node.info & QL_PLAIN:
            it.p = NULL
        elif it.direction == QL_HEAD:
            it.p = lp_next(_walked(node), it.p)
            it.offset += 1
        else:
            it.p = lp_prev(_walked(node), it.p)
            it.offset -= 1
        if it.p != NULL:
            entry.node = node
            entry.p = it.p
            entry.offset = it.offset
            if node.info & QL_PLAIN:
                entry.value.s = <const char*>node.block
                entry.value.length = quicklist_node_size(node)
            else:
                lp_get(it.p, &entry.value)
            return True
        _compress(it.list, node)
        it.node = node.next if it.direction == QL_HEAD else node.prev
        it.offset = 0 if it.direction == QL_HEAD else -1
    return False


cdef void quicklist_iter_done(QuicklistIter* it) noexcept nogil:
    if it.node != NULL:
        _compress(it.list, it.node)
        it.node = NULL
        it.p = NULL


cdef bint quicklist_index(Quicklist* q, QuicklistIter* it, int64_t index, QuicklistEntry* entry) noexcept nogil:
    return quicklist_iter_at(q, it, index, QL_HEAD) and quicklist_next_slow(it, entry)


cdef bint quicklist_compare(const QuicklistEntry* entry, const char* s, size_t n) noexcept nogil:
    if entry.node.info & QL_PLAIN:
        return entry.value.length == n and memcmp(entry.value.s, s, n) == 0
    return lp_compare(entry.p, s, n)


# --- changes in the middle

cdef bint _put(Quicklist* q, QuicklistNode* node, unsigned char* p, size_t replaced, const char* s,
               size_t n) noexcept nogil:
    """Write an element at p, over `replaced` bytes, in an unpacked packed node; 0 if a listpack cannot be that long."""
    cdef LpEncoded e
    cdef size_t offset = p - _lp(node)
    lp_encode(&e, s, n)
    if <uint64_t>node.size + e.size - replaced > <uint64_t>0xFFFFFFFF:
        return False
    if e.size > replaced:
        _make_room(q, node, e.size - replaced, QL_TAIL)
    lp_put(_lp(node), offset, replaced, &e)
    node.size = lp_bytes(_lp(node))
    if replaced == 0:
        node.info += 1
    elif e.size < replaced:
        _shed(q, node)
    return True


cdef QuicklistNode* _split(Quicklist* q, QuicklistNode* node, int64_t offset, bint after) noexcept nogil:
    """Cut a packed node in two behind (after) or before the element at `offset`; returns the part that it gave up,
    which is not in the chain: the later elements if after, else the earlier ones. Neither part's count changes the list's."""
    cdef uint64_t count = quicklist_node_count(node)
    cdef uint64_t kept
    cdef unsigned char* lp = _lp(node)
    cdef unsigned char* cut
    cdef QuicklistNode* part
    cdef uint32_t left, right                  # bytes of elements
    if offset < 0:
        offset += count
    kept = offset + 1 if after else offset     # elements left of the cut
    cut = lp_seek(lp, kept)
    if cut == NULL:
        cut = lp + node.size - 1
    left = <uint32_t>(cut - lp) - LP_HEADER
    right = node.size - LP_EMPTY_BYTES - left
    part = _node_new(q, LP_EMPTY_BYTES + (right if after else left), 0)
    part.size = part.capacity
    memcpy(part.block + LP_HEADER, cut if after else lp + LP_HEADER, right if after else left)
    part.block[part.size - 1] = LP_EOF
    if after:
        cut[0] = LP_EOF
        node.size = LP_EMPTY_BYTES + left
        _describe(node, kept)
        _describe(part, count - kept)
    else:
        node.head += left
        node.size = LP_EMPTY_BYTES + right
        _describe(node, count - kept)
        _describe(part, kept)
    _shed(q, node)
    return part


cdef inline void _describe(QuicklistNode* node, uint64_t count) noexcept nogil:
    """Write a packed node's size and count into its listpack's header."""
    lp_set_bytes(_lp(node), node.size)
    lp_set_header_count(_lp(node), <uint32_t>count if count < LP_COUNT_UNKNOWN else LP_COUNT_UNKNOWN)
    _set_count(node, count)


cdef bint _may_merge(const Quicklist* q, const QuicklistNode* a, const QuicklistNode* b) noexcept nogil:
    return (a != NULL and b != NULL and not (a.info | b.info) & QL_PLAIN
            and not quicklist_node_exceeds_limit(q.fill, <size_t>a.size + b.size - LP_EMPTY_BYTES,
                                                 <uint64_t>quicklist_node_count(a) + quicklist_node_count(b)))


cdef QuicklistNode* _merge(Quicklist* q, QuicklistNode* a, QuicklistNode* b) noexcept nogil:
    """Join neighbours, a left of b, into the one with more bytes; the other is gone."""
    cdef QuicklistNode* keep
    cdef QuicklistNode* other
    cdef unsigned char* block
    cdef uint32_t size
    cdef uint64_t count = <uint64_t>quicklist_node_count(a) + quicklist_node_count(b)
    _decompress_node(q, a)
    _decompress_node(q, b)
    keep = a if a.size >= b.size else b
    other = b if keep == a else a
    size = a.size + b.size - LP_EMPTY_BYTES
    block = <unsigned char*>mem_alloc(size)
    memcpy(block, _lp(a), a.size - 1)
    memcpy(block + a.size - 1, _lp(b) + LP_HEADER, b.size - LP_HEADER)
    mem_free(keep.block, keep.capacity)
    q.memory += size
    q.memory -= keep.capacity
    keep.block = block
    keep.head = 0
    keep.size = keep.capacity = size
    _describe(keep, count)
    keep.info &= ~<uint32_t>QL_RECOMPRESS
    _set_count(other, 0)
    _delete_node(q, other)
    _compress(q, keep)
    return keep


cdef QuicklistNode* _merge_around(Quicklist* q, QuicklistNode* center) noexcept nogil:
    """After a split: join the two nodes before, the two after, then center with its neighbours, where limits allow."""
    cdef QuicklistNode* prev = center.prev
    cdef QuicklistNode* next = center.next
    if prev != NULL and _may_merge(q, prev.prev, prev):
        _merge(q, prev.prev, prev)
    if next != NULL and _may_merge(q, next, next.next):
        _merge(q, next, next.next)
    if _may_merge(q, center.prev, center):
        center = _merge(q, center.prev, center)
    if _may_merge(q, center, center.next):
        center = _merge(q, center, center.next)
    return center


cdef inline bint _at_tail(const QuicklistEntry* entry) noexcept nogil:
    return entry.offset == -1 or entry.offset == <int64_t>quicklist_node_count(entry.node) - 1


cdef inline bint _at_head(const QuicklistEntry* entry) noexcept nogil:
    return entry.offset == 0 or entry.offset == -<int64_t>quicklist_node_count(entry.node)


cdef void _insert_giant(Quicklist* q, QuicklistEntry* entry, const char* s, size_t n, bint after) noexcept nogil:
    """A plain node beside the entry's node, or between the two halves of it."""
    cdef QuicklistNode* node = entry.node
    cdef QuicklistNode* giant
    cdef QuicklistNode* part = NULL
    if not (node.info & QL_PLAIN or (_at_tail(entry) if after else _at_head(entry))):
        _decompress_for_use(q, node)
        part = _split(q, node, entry.offset, after)
    giant = _plain_node(q, s, n)
    _link(q, node, giant, after)
    if part != NULL:
        _link(q, giant, part, after)
    q.count += 1


cdef void _insert_beside(Quicklist* q, QuicklistEntry* entry, const char* s, size_t n, bint after) noexcept nogil:
    """The entry's node is full: into the neighbour if the place is at its edge, else into a new node or a half of it."""
    cdef QuicklistNode* node = entry.node
    cdef QuicklistNode* neighbour = node.next if after else node.prev
    cdef QuicklistNode* part
    cdef unsigned char* p
    if not (_at_tail(entry) if after else _at_head(entry)):
        _decompress_for_use(q, node)
        part = _split(q, node, entry.offset, after)
        p = _lp(part) + LP_HEADER if after else _lp(part) + part.size - 1
        _put(q, part, p, 0, s, n)
        _link(q, node, part, after)
        _merge_around(q, node)
    elif _fits(q, neighbour, n):
        _decompress_for_use(q, neighbour)
        p = _lp(neighbour) + LP_HEADER if after else _lp(neighbour) + neighbour.size - 1
        _put(q, neighbour, p, 0, s, n)
        _recompress_only(q, neighbour)
        _recompress_only(q, node)
    else:
        _link(q, node, _packed_node(q, s, n, QL_TAIL if after else QL_HEAD), after)


cdef void _insert(QuicklistIter* it, QuicklistEntry* entry, const char* s, size_t n, bint after) noexcept nogil:
    cdef Quicklist* q = it.list
    cdef QuicklistNode* node = entry.node
    _unpack_entry(it, entry)
    it.node = NULL
    it.p = NULL
    if n >= quicklist_packed_threshold:
        _insert_giant(q, entry, s, n, after)
        return
    if _fits(q, node, n):
        _decompress_for_use(q, node)
        _put(q, node, lp_skip(entry.p) if after else entry.p, 0, s, n)
        _recompress_only(q, node)
    else:
        _insert_beside(q, entry, s, n, after)
    q.count += 1


cdef void quicklist_insert_before(QuicklistIter* it, QuicklistEntry* entry, const char* s, size_t n) noexcept nogil:
    _insert(it, entry, s, n, False)


cdef void quicklist_insert_after(QuicklistIter* it, QuicklistEntry* entry, const char* s, size_t n) noexcept nogil:
    _insert(it, entry, s, n, True)


cdef void _replace_by_node(Quicklist* q, QuicklistEntry* entry, const char* s, size_t n) noexcept nogil:
    """A packed element becomes one that its node cannot hold: cut behind it, put a node there, delete the old one."""
    cdef QuicklistNode* node = entry.node
    cdef QuicklistNode* part = NULL
    cdef QuicklistNode* fresh
    node.info |= QL_PINNED                     # linking beside it must not compress what is about to change
    if not _at_tail(entry):
        part = _split(q, node, entry.offset, True)
    fresh = _element_node(q, s, n, QL_TAIL)
    _link(q, node, fresh, True)
    if part != NULL:
        _link(q, fresh, part, True)
    q.count += 1
    if quicklist_node_count(node) == 1:
        _delete_node(q, node)
        return
    lp_cut(_lp(node), lp_seek(_lp(node), -1), 1)
    node.size = lp_bytes(_lp(node))
    node.info -= 1
    q.count -= 1
    _shed(q, node)
    node.info &= ~<uint32_t>QL_PINNED
    fresh = _merge_around(q, fresh)
    _compress(q, fresh)
    if fresh.prev != NULL:
        _compress(q, fresh.prev)
    if fresh.next != NULL:
        _compress(q, fresh.next)


cdef void quicklist_replace_entry(QuicklistIter* it, QuicklistEntry* entry, const char* s, size_t n) noexcept nogil:
    cdef Quicklist* q = it.list
    cdef QuicklistNode* node = entry.node
    cdef bint giant = n >= quicklist_packed_threshold
    _unpack_entry(it, entry)
    if node.info & QL_PLAIN:
        if giant:
            q.memory += n
            q.memory -= quicklist_node_size(node)
            mem_free(node.block, quicklist_node_size(node))
            node.block = <unsigned char*>mem_alloc(n)
            memcpy(node.block, s, n)
            node.size = <uint32_t>n
            node.head = <uint32_t>(<uint64_t>n >> 32)
            _compress(q, node)
        else:
            quicklist_insert_after(it, entry, s, n)
            _delete_node(q, node)
    elif not giant and _put(q, node, entry.p, lp_skip(entry.p) - entry.p, s, n):
        _compress(q, node)
    else:
        _replace_by_node(q, entry, s, n)
    it.node = NULL
    it.p = NULL


cdef bint quicklist_replace_at(Quicklist* q, int64_t index, const char* s, size_t n) noexcept nogil:
    cdef QuicklistIter it
    cdef QuicklistEntry entry
    if not quicklist_index(q, &it, index, &entry):
        return False
    quicklist_replace_entry(&it, &entry, s, n)
    return True


cdef void quicklist_delete_entry(QuicklistIter* it, QuicklistEntry* entry) noexcept nogil:
    """The place stays and its next element moves up (walking to the tail), or the one before is next (to the head)."""
    cdef Quicklist* q = it.list
    cdef QuicklistNode* node = entry.node
    _unpack_entry(it, entry)
    it.p = NULL
    if node.info & QL_PLAIN or quicklist_node_count(node) == 1:
        it.node = node.next if it.direction == QL_HEAD else node.prev
        it.offset = 0 if it.direction == QL_HEAD else -1
        _delete_node(q, node)
        return
    lp_cut(_lp(node), entry.p, 1)
    node.size = lp_bytes(_lp(node))
    node.info -= 1
    q.count -= 1
    _shed(q, node)


cdef bint quicklist_delete_range(Quicklist* q, int64_t start, int64_t count) noexcept nogil:
    cdef QuicklistIter it
    cdef QuicklistNode* node
    cdef QuicklistNode* next
    cdef uint64_t left, gone
    cdef int64_t offset
    if count <= 0 or not quicklist_iter_at(q, &it, start, QL_HEAD):
        return False
    left = count
    node = it.node
    offset = it.offset
    while left and node != NULL:
        next = node.next
        gone = quicklist_node_count(node) - offset
        if gone > left:
            gone = left
        if gone == quicklist_node_count(node):
            _delete_node(q, node)
        else:
            _decompress_for_use(q, node)
            _delete_within(q, node, offset, gone)
            _recompress_only(q, node)
        left -= gone
        node = next
        offset = 0
    return True


cdef void _delete_within(Quicklist* q, QuicklistNode* node, int64_t offset, uint64_t gone) noexcept nogil:
    """Delete some, not all, elements of an unpacked node. At its front only the header moves; big holes are given back."""
    cdef unsigned char* lp = _lp(node)
    cdef uint64_t count = quicklist_node_count(node) - gone
    cdef uint32_t cut
    if offset == 0:
        cut = <uint32_t>(lp_seek(lp, gone) - lp) - LP_HEADER
        node.head += cut
        node.size -= cut
    elif <uint64_t>offset == count:
        node.size = <uint32_t>(lp_seek(lp, offset) - lp) + 1
        lp[node.size - 1] = LP_EOF
    else:
        lp_cut(lp, lp_seek(lp, offset), gone)
        node.size = lp_bytes(lp)
    _describe(node, count)
    q.count -= gone
    _shed(q, node)


# --- DEBUG QUICKLIST

cdef bytes quicklist_repr(Quicklist* q, bint full):
    """The list's figures and each node's; with `full` also what is in the nodes."""
    cdef QuicklistNode* node = q.head
    cdef unsigned char* data
    cdef int number = 0
    out = [b"{count : %d}\n{len : %d}\n{fill : %d}\n{compress : %d}\n{bookmark_count : 0}\n"
           % (q.count, q.length, q.fill, q.compress)]
    while node != NULL:
        out.append(
            b"{quicklist node(%d)\n{container : %s, encoding: %s, size: %d, count: %d, recompress: %d, "
            b"attempted_compress: 0}\n"
            % (number, b"PLAIN" if node.info & QL_PLAIN else b"PACKED", b"LZF" if node.info & QL_LZF and q.compress else b"RAW",
               quicklist_node_size(node), quicklist_node_count(node), 1 if node.info & QL_RECOMPRESS else 0))
        if full:
            data = _read(q, node)
            if node.info & QL_PLAIN:
                out.append(b"{ entry : %s }\n" % (<char*>data)[:quicklist_node_size(node)])
            else:
                out.append(b"{ listpack:\n" + lp_repr(data) + b"}\n")
            out.append(b"}\n")
            _recompress_only(q, node)
        node = node.next
        number += 1
    return b"".join(out)
