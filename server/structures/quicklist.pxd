# cython: language_level=3
"""The quicklist's data sheet: a long list as a chain of listpacks, cheap to push and pop at both ends.

    Quicklist -> QuicklistNode <-> QuicklistNode <-> ...          a node's block, unless compressed or plain:

    | head: unused bytes | listpack, `size` bytes | unused bytes |    together `capacity` bytes

The spare room lies on both sides: a push or a pop at either end of the list writes the new element, the header and
the end mark, and moves nothing else. Where nodes are cut, split, merged and compressed is Redis 7.2's, so that the
nodes in a DUMP payload are the same.

* A packed node is a listpack within `fill`: fill -1..-5 limit its bytes to 4, 8, 16, 32, 64 KB; fill N >= 0 its
  elements to N (and its bytes to 8 KB unless it is a single element).
* A plain node is one element of quicklist_packed_threshold bytes or more, as it is.
* With compress = N > 0 all nodes but N at each end are kept as LZF; reading one unpacks it until the reader is done.
* With compress = 0, where Redis compresses nothing, a node that pushes have filled and left is kept as LZF, or with fewer
  bits for each byte, if that saves an eighth: it is "packed away", which DEBUG, DUMP and RDB files do not show. The rule
  when it comes back is in quicklist.pyx.

Owner: the main thread. A list is a bare `Quicklist*`; values read (LpValue) point into nodes and die with any change.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int16_t, int64_t, uint16_t, uint32_t, uint64_t

from server.structures.listpack cimport (
    LP_EMPTY_BYTES, LP_EOF, LP_HEADER, LpEncoded, LpValue, lp_count_less, lp_count_more, lp_encode, lp_get,
    lp_header_count, lp_last, lp_set_bytes, lp_set_header_count, lp_skip, lp_write,
)

cdef enum:                             # QuicklistNode.info
    QL_COUNT = 0x01FFFFFF              # elements
    QL_NARROW = 0x02000000             # beside QL_LZF: packed away not as LZF, but narrow
    QL_READ = 0x04000000               # read once since it was packed away
    QL_STAYS = 0x08000000              # not to be packed away: it was once, or would not gain
    QL_PLAIN = 0x10000000              # the block is one element
    QL_LZF = 0x20000000                # the block is compressed, `capacity` bytes of it
    QL_RECOMPRESS = 0x40000000         # unpacked for a reader, to be compressed again
    QL_PINNED = 0x80000000             # not to be compressed now

cdef enum:                             # ends and directions
    QL_HEAD = 0                        # from the head on
    QL_TAIL = 1                        # from the tail backwards

cdef enum:
    QL_SAFETY_BYTES = 8192             # of a node whose fill counts elements
    QL_OVERHEAD = 8                    # what an element is reckoned to need beside its bytes
    QL_SLACK_MIN = 512                 # blocks up to here keep their spare room whatever is popped

cdef struct QuicklistNode:             # 40 bytes
    QuicklistNode* prev
    QuicklistNode* next
    unsigned char* block               # from mem_alloc
    uint32_t head                      # offset of the listpack; plain: high half of the element's length
    uint32_t size                      # bytes of the listpack, unpacked; plain: low half of the element's length
    uint32_t capacity                  # bytes of the block (compressed: of LZF data); 0 for an uncompressed plain node
    uint32_t info                      # count and the flags above

cdef struct Quicklist:                 # 40 bytes
    QuicklistNode* head                # NULL only in an empty list
    QuicklistNode* tail
    uint64_t count                     # elements
    uint64_t memory                    # bytes of this struct, the nodes and their blocks
    uint32_t length                    # nodes
    int16_t fill                       # list-max-listpack-size when the list was made
    uint16_t compress                  # list-compress-depth; 0: no compression

cdef struct QuicklistIter:             # on the caller's stack; finish with quicklist_iter_done
    Quicklist* list
    QuicklistNode* node                # NULL: at the end
    unsigned char* p                   # element read last; NULL: seek `offset` first
    int64_t offset                     # in the node; negative: from its tail
    int direction                      # QL_HEAD or QL_TAIL

cdef struct QuicklistEntry:            # an element that an iterator stands on
    QuicklistNode* node
    unsigned char* p                   # the element, in a packed node
    int64_t offset                     # in the node; negative: from its tail
    LpValue value

cdef size_t quicklist_packed_threshold                 # bytes; elements this long get a plain node (DEBUG QUICKLIST-PACKED-THRESHOLD)
cdef bint quicklist_set_packed_threshold(size_t bytes) noexcept nogil      # 0: the default of 1 GB. Returns 0 close to 4 GB and above

# --- nodes
cdef inline uint32_t quicklist_node_count(const QuicklistNode* node) noexcept nogil:
    return node.info & QL_COUNT

cdef inline bint quicklist_node_is_plain(const QuicklistNode* node) noexcept nogil:
    return node.info & QL_PLAIN != 0

cdef inline bint quicklist_node_is_compressed(const QuicklistNode* node) noexcept nogil:
    """By list-compress-depth or, in a list without it, packed away."""
    return node.info & QL_LZF != 0

cdef inline bint quicklist_node_is_lzf(const QuicklistNode* node) noexcept nogil:
    """Whether `capacity` bytes at quicklist_node_data are LZF."""
    return node.info & (QL_LZF | QL_NARROW) == QL_LZF

cdef const unsigned char* quicklist_node_open(const QuicklistNode* node) noexcept nogil     # the bytes of a node (not of one compressed by depth), unpacked; the node stays as it is. Good until another is opened
cdef void quicklist_node_unpack(Quicklist* q, QuicklistNode* node) noexcept nogil           # a node that is packed away comes back for good

cdef inline uint64_t quicklist_node_size(const QuicklistNode* node) noexcept nogil:
    """Bytes of the listpack or of the plain element, unpacked: ql_uncompressed_size is their sum."""
    return <uint64_t>node.size | (<uint64_t>node.head << 32 if node.info & QL_PLAIN else 0)

cdef inline unsigned char* quicklist_node_data(const QuicklistNode* node) noexcept nogil:
    """The listpack or plain element (quicklist_node_size bytes), or what it is compressed to (`capacity` bytes)."""
    return node.block + (0 if node.info & QL_PLAIN else node.head)

cdef inline size_t quicklist_size_limit(int fill) noexcept nogil:
    """Most bytes of a packed node of several elements."""
    if fill >= 0:
        return QL_SAFETY_BYTES
    return <size_t>4096 << ((-fill if fill > -5 else 5) - 1)

cdef inline bint quicklist_node_exceeds_limit(int fill, size_t size, uint64_t count) noexcept nogil:
    """Whether a listpack of so many bytes and elements is too much for one node; types ask it for their own listpack."""
    if size > quicklist_size_limit(fill):
        return True
    return fill >= 0 and count > <uint64_t>(fill if fill else 1)

# --- life
cdef Quicklist* quicklist_new(int fill, int compress) noexcept nogil
cdef void quicklist_free(Quicklist* q) noexcept nogil                                      # O(nodes)
cdef bint quicklist_free_step(Quicklist* q, size_t nodes) noexcept nogil                   # frees up to so many nodes from the head; 1: the list is gone
cdef Quicklist* quicklist_dup(const Quicklist* q) noexcept nogil
cdef void quicklist_set_options(Quicklist* q, int fill, int compress) noexcept nogil       # holds for what is changed from now on

# --- listpack <-> quicklist; all take ownership
cdef Quicklist* quicklist_from_listpack(unsigned char* lp, int fill, int compress) noexcept nogil  # an exact block; empty ones are freed
cdef unsigned char* quicklist_take_listpack(Quicklist* q) noexcept nogil                   # q is freed; NULL (q kept) unless it is one packed node or none
cdef void quicklist_append_listpack(Quicklist* q, unsigned char* lp) noexcept nogil        # a node as it is, whatever fill says (RDB); exact, not empty
cdef void quicklist_append_plain(Quicklist* q, unsigned char* data, size_t n) noexcept nogil   # a plain node as it is (RDB); n > 0

# --- ends. All O(1) but for a new block now and then.
cdef void quicklist_push_tail_slow(Quicklist* q, const char* s, size_t n) noexcept nogil
cdef void quicklist_push_head_slow(Quicklist* q, const char* s, size_t n) noexcept nogil
cdef void quicklist_drop_slow(Quicklist* q, int end) noexcept nogil

cdef inline bint _fits(const Quicklist* q, const QuicklistNode* node, size_t n) noexcept nogil:
    """A packed node that its limit lets grow by an element of n bytes (Redis's own estimate)."""
    return (node != NULL and not node.info & QL_PLAIN and n < quicklist_packed_threshold
            and not quicklist_node_exceeds_limit(q.fill, <size_t>node.size + n + QL_OVERHEAD, (node.info & QL_COUNT) + 1))

cdef inline void quicklist_push_tail(Quicklist* q, const char* s, size_t n) noexcept nogil:
    cdef QuicklistNode* node = q.tail
    cdef unsigned char* lp
    cdef LpEncoded e
    if not _fits(q, node, n) or <int64_t>node.capacity - node.head - node.size < <int64_t>n + 10:    # no element needs more beside its bytes; packed away, it is negative
        quicklist_push_tail_slow(q, s, n)
        return
    lp = node.block + node.head
    lp_encode(&e, s, n)
    lp_write(lp + node.size - 1, &e)
    node.size += <uint32_t>e.size
    lp[node.size - 1] = LP_EOF
    lp_set_bytes(lp, node.size)
    lp_count_more(lp, 1)
    node.info += 1
    q.count += 1

cdef inline void quicklist_push_head(Quicklist* q, const char* s, size_t n) noexcept nogil:
    cdef QuicklistNode* node = q.head
    cdef uint32_t count
    cdef unsigned char* lp
    cdef LpEncoded e
    if not _fits(q, node, n) or node.head < n + 10:
        quicklist_push_head_slow(q, s, n)
        return
    count = lp_header_count(node.block + node.head)
    lp_encode(&e, s, n)
    node.head -= <uint32_t>e.size
    node.size += <uint32_t>e.size
    lp = node.block + node.head
    lp_write(lp + LP_HEADER, &e)
    lp_set_bytes(lp, node.size)
    lp_set_header_count(lp, count)
    lp_count_more(lp, 1)
    node.info += 1
    q.count += 1

cdef inline void quicklist_push(Quicklist* q, const char* s, size_t n, int end) noexcept nogil:
    if end == QL_HEAD:
        quicklist_push_head(q, s, n)
    else:
        quicklist_push_tail(q, s, n)

cdef inline bint quicklist_peek(const Quicklist* q, int end, LpValue* value) noexcept nogil:
    """The first or last element, in place; 0 in an empty list. Reply with it, then quicklist_drop.

    A node that is packed away comes back: const holds for what can be seen of the list."""
    cdef QuicklistNode* node = q.head if end == QL_HEAD else q.tail
    if node == NULL:
        return False
    if node.info & QL_LZF:
        quicklist_node_unpack(<Quicklist*>q, node)
    if node.info & QL_PLAIN:
        value.s = <const char*>node.block
        value.length = quicklist_node_size(node)
    elif end == QL_HEAD:
        lp_get(node.block + node.head + LP_HEADER, value)
    else:
        lp_get(lp_last(node.block + node.head), value)
    return True

cdef inline bint _sparse(const Quicklist* q, const QuicklistNode* node) noexcept nogil:
    """Pops left so much unused that the block should be cut down; in a long list it does not matter."""
    return (node.capacity > QL_SLACK_MIN and node.size < node.capacity >> 2
            and <uint64_t>node.capacity << 3 > q.memory)

cdef inline void quicklist_drop(Quicklist* q, int end) noexcept nogil:
    """Delete the first or last element of a list that has one."""
    cdef QuicklistNode* node = q.head if end == QL_HEAD else q.tail
    cdef uint32_t count, gone
    cdef unsigned char* lp = node.block + node.head
    if node.info & (QL_PLAIN | QL_LZF) or node.info & QL_COUNT == 1 or _sparse(q, node):
        quicklist_drop_slow(q, end)
        return
    if end == QL_HEAD:
        gone = <uint32_t>(lp_skip(lp + LP_HEADER) - lp) - LP_HEADER
        count = lp_header_count(lp)
        lp += gone
        node.head += gone
        lp_set_header_count(lp, count)
    else:
        gone = node.size - 1 - <uint32_t>(lp_last(lp) - lp)
        lp[node.size - 1 - gone] = LP_EOF
    node.size -= gone
    lp_set_bytes(lp, node.size)
    lp_count_less(lp, 1)
    node.info -= 1
    q.count -= 1

# --- walking
cdef void quicklist_iter(Quicklist* q, QuicklistIter* it, int direction) noexcept nogil
cdef bint quicklist_iter_at(Quicklist* q, QuicklistIter* it, int64_t index, int direction) noexcept nogil  # next() gives that element; 0: no such index
cdef bint quicklist_next_slow(QuicklistIter* it, QuicklistEntry* entry) noexcept nogil
cdef void quicklist_iter_done(QuicklistIter* it) noexcept nogil                            # compresses what the walk unpacked
cdef bint quicklist_index(Quicklist* q, QuicklistIter* it, int64_t index, QuicklistEntry* entry) noexcept nogil   # iter_at and next; done() is due when it is 1

cdef inline bint quicklist_next(QuicklistIter* it, QuicklistEntry* entry) noexcept nogil:
    """The next element; 0 at the end. Only quicklist_delete_entry may change the list meanwhile."""
    cdef unsigned char* p
    if it.p != NULL and it.direction == QL_HEAD and not it.node.info & QL_PLAIN:
        p = lp_skip(it.p)
        if p[0] != LP_EOF:
            it.p = p
            it.offset += 1
            entry.node = it.node
            entry.p = p
            entry.offset = it.offset
            lp_get(p, &entry.value)
            return True
    return quicklist_next_slow(it, entry)

cdef bint quicklist_compare(const QuicklistEntry* entry, const char* s, size_t n) noexcept nogil

# --- changing in the middle. After insert and replace the iterator is spent; s must not point into the list.
cdef void quicklist_insert_before(QuicklistIter* it, QuicklistEntry* entry, const char* s, size_t n) noexcept nogil
cdef void quicklist_insert_after(QuicklistIter* it, QuicklistEntry* entry, const char* s, size_t n) noexcept nogil
cdef void quicklist_replace_entry(QuicklistIter* it, QuicklistEntry* entry, const char* s, size_t n) noexcept nogil
cdef bint quicklist_replace_at(Quicklist* q, int64_t index, const char* s, size_t n) noexcept nogil    # 0: no such index
cdef void quicklist_delete_entry(QuicklistIter* it, QuicklistEntry* entry) noexcept nogil              # next() goes on with the neighbour
cdef bint quicklist_delete_range(Quicklist* q, int64_t start, int64_t count) noexcept nogil            # 0: nothing to delete

cdef bytes quicklist_repr(Quicklist* q, bint full)                                                     # what DEBUG QUICKLIST prints

# --- where server.structures.defrag goes on in a long list; a node that goes passes it on
cdef QuicklistNode* quicklist_mark     # the node that is next; NULL: none
cdef Quicklist* quicklist_marked       # the list that it was set in
