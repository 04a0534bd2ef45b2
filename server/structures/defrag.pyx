# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from server.structures cimport quicklist
from server.structures.blob cimport Blob
from server.structures.memory cimport MAP_MIN, mem_copy_out, mem_free
from server.structures.ordered_index cimport OiChild, OiItem, OiNode, OrderedIndex, oi_children, oi_items
from server.structures.quicklist cimport QL_LZF, QL_PLAIN, Quicklist, QuicklistNode, quicklist_node_size
from server.structures.rax cimport RAX_GT, Rax, RaxCursor, RaxItem, RaxNode, StreamId, id_less, rax_items, rax_seek
from server.structures.table cimport Entry, Table, entry_key, entry_key_length, entry_size, table_hash


cdef void* block_moved(void* block, size_t size) noexcept nogil:
    """For a block that one pointer alone leads to: it goes where this is written. O(size) for a move."""
    cdef void* copy = mem_copy_out(block, size)
    if copy == NULL:
        return block
    mem_free(block, size)
    return copy


# --- tables

cdef Blob* blob_moved(Blob* blob) noexcept nogil:
    if blob.references > 1 or blob.offset:               # malloc's, with what it was read behind
        return blob
    return <Blob*>block_moved(blob, <size_t>(blob.data - <char*>blob) + blob.capacity)


cdef Entry* entry_moved(Table* t, Entry* e) noexcept nogil:
    """O(1), and a hash of the key for one that moves. The entry must be in the table."""
    cdef size_t size = entry_size(e)
    cdef Entry* copy = <Entry*>mem_copy_out(e, size)
    cdef Entry** link
    cdef uint64_t hash
    if copy == NULL:
        return e
    hash = table_hash(entry_key(e), entry_key_length(e))
    link = &t.buckets[0][hash & t.mask[0]]
    while link[0] != e and link[0] != NULL:
        link = &link[0].next
    if link[0] == NULL:                                  # moved by the rehash
        link = &t.buckets[1][hash & t.mask[1]]
        while link[0] != e:
            link = &link[0].next
    link[0] = copy
    mem_free(e, size)
    return copy


cdef Table* table_frame_moved(Table* t) noexcept nogil:
    """O(buckets), of which there are few in an array that can move: large ones are mappings of their own."""
    cdef int which
    cdef size_t bytes
    t = <Table*>block_moved(t, sizeof(Table))
    for which in range(2):
        bytes = (t.mask[which] + 1) * sizeof(Entry*)
        if t.buckets[which] != NULL and bytes < MAP_MIN:
            t.buckets[which] = <Entry**>block_moved(t.buckets[which], bytes)
        bytes = ((t.mask[which] + 64) >> 6) * sizeof(uint64_t)
        if t.expire_bits[which] != NULL and bytes < MAP_MIN:
            t.expire_bits[which] = <uint64_t*>block_moved(t.expire_bits[which], bytes)
    return t


# --- trees: down from the root, moving each node into the pointer that led to it

cdef size_t ordered_leaf_moved(OrderedIndex* oi, Table* members, size_t rank) noexcept nogil:
    """O(log n + items of the leaf). The rank must exist. The key of the leaf's first item is also that of a child above
    it, which is told of the entry's new address."""
    cdef OiNode** link = &oi.root
    cdef OiNode* node
    cdef OiChild* child
    cdef OiChild* separator = NULL     # the nearest above that names the first key of the leaf
    cdef OiItem* item
    cdef size_t before = 0             # elements left of the node
    cdef int i
    while True:
        node = link[0] = <OiNode*>block_moved(link[0], sizeof(OiNode) + link[0].capacity * (
            sizeof(OiChild) if link[0].level else sizeof(OiItem)))
        if node.level == 0:
            break
        child = oi_children(node)
        while rank - before >= child.size:
            before += child.size
            child += 1
        if child != oi_children(node):
            separator = child
        link = &child.node
    for i in range(node.count):
        item = oi_items(node) + i
        item.entry = entry_moved(members, item.entry)
    if separator != NULL:
        separator.entry = oi_items(node).entry
    return before + node.count


cdef bint rax_leaf_moved(Rax* rax, StreamId* after, rax_move_t move, void* context) noexcept:
    """O(log n + items of a leaf), and what `move` takes."""
    cdef RaxCursor cursor
    cdef RaxNode** link = &rax.root
    cdef RaxNode* node
    cdef RaxItem* item
    cdef RaxItem* end
    if not rax_seek(rax, after[0], RAX_GT, &cursor):
        return False
    while True:
        node = link[0] = <RaxNode*>block_moved(link[0], sizeof(RaxNode) + link[0].capacity * sizeof(RaxItem))
        item = rax_items(node)
        end = item + node.count
        if node.level == 0:
            break
        while item + 1 < end and not id_less(&cursor.id, &item[1].id):
            item += 1
        link = <RaxNode**>&item.value
    while id_less(&item.id, &cursor.id):
        item += 1
    while item < end:
        if move != NULL:
            item.value = move(context, &item.id, item.value)
        after[0] = item.id
        item += 1
    return True


# --- quicklists

cdef inline size_t _node_block(const QuicklistNode* node) noexcept nogil:
    """What a node's block was allocated with."""
    return quicklist_node_size(node) if node.info & (QL_PLAIN | QL_LZF) == QL_PLAIN else node.capacity


cdef QuicklistNode* _node_moved(Quicklist* q, QuicklistNode* node) noexcept nogil:
    cdef QuicklistNode* moved = <QuicklistNode*>block_moved(node, sizeof(QuicklistNode))
    if moved != node:
        if moved.prev != NULL:
            moved.prev.next = moved
        else:
            q.head = moved
        if moved.next != NULL:
            moved.next.prev = moved
        else:
            q.tail = moved
    moved.block = <unsigned char*>block_moved(moved.block, _node_block(moved))
    return moved


cdef bint quicklist_moved(Quicklist** q, bint begin, size_t nodes) noexcept nogil:
    """O(nodes). There is one mark: of two lists that are gone over by turns the first counts as done."""
    if begin:
        q[0] = <Quicklist*>block_moved(q[0], sizeof(Quicklist))
        quicklist.quicklist_marked = q[0]
        quicklist.quicklist_mark = q[0].head
    elif quicklist.quicklist_marked != q[0]:
        return True
    while quicklist.quicklist_mark != NULL and nodes:
        quicklist.quicklist_mark = _node_moved(q[0], quicklist.quicklist_mark).next
        nodes -= 1
    return quicklist.quicklist_mark == NULL
