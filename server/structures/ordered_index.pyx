# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A counted B+-tree over (score, member); ordered_index.pxd tells the layout, the order and what each call costs.

Every change goes down from the root once, remembering its path, changes the leaf, and comes back up only as far as
nodes overflow (split) or run low (merge or balance with a neighbour). Appending at either end splits off the new
element alone, so a set filled in order has full nodes.
"""
cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t
from libc.string cimport memcmp, memcpy, memmove

from server.structures.memory cimport mem_alloc, mem_free, mem_good_size
from server.structures.table cimport ENTRY_WORD, Entry, entry_key, entry_key_length, entry_word_ref

cdef extern from *:
    void __builtin_prefetch(const void* address) noexcept nogil

cdef enum:                             # Bound.kind
    BY_KEY = 0
    BY_SCORE = 1
    BY_MEMBER = 2

cdef struct Bound:                     # what a search looks for: a place in the order
    int kind
    bint or_equal                      # behind keys that are equal, not before them
    double score
    const char* member
    size_t length

cdef struct Path:                      # nodes from the root (0) to the leaf (depth) and the slot taken in each
    int depth
    bint leftmost                      # every inner slot is the first
    bint rightmost                     # every inner slot is the last
    OiNode* nodes[OI_HEIGHT]
    int slots[OI_HEIGHT]


# --- nodes: items and children are moved alike, only their size differs

cdef inline size_t slot_size(const OiNode* node) noexcept nogil:
    return sizeof(OiChild) if node.level else sizeof(OiItem)


cdef inline char* slot_at(const OiNode* node, int slot) noexcept nogil:
    return <char*>node + sizeof(OiNode) + slot * slot_size(node)


cdef inline int capacity_for(int count) noexcept nogil:
    # 3, 7, 15, 23 ... 63: blocks of 8 bytes less than a multiple of 128
    return 3 if count <= 3 else ((count + 8) & ~7) - 1


cdef inline size_t node_bytes(const OiNode* node) noexcept nogil:
    return sizeof(OiNode) + node.capacity * slot_size(node)


cdef OiNode* node_new(OrderedIndex* oi, int level, int capacity) noexcept nogil:
    cdef size_t bytes = sizeof(OiNode) + capacity * (sizeof(OiChild) if level else sizeof(OiItem))
    cdef OiNode* node = <OiNode*>mem_alloc(bytes)
    node.count = 0
    node.capacity = <uint16_t>capacity
    node.level = level
    oi.bytes += mem_good_size(bytes)
    return node


cdef void node_free(OrderedIndex* oi, OiNode* node) noexcept nogil:
    oi.bytes -= mem_good_size(node_bytes(node))
    mem_free(node, node_bytes(node))


cdef OiNode* node_resize(OrderedIndex* oi, OiNode** link, int capacity) noexcept nogil:
    """Move the node that `link` points to into a block for `capacity` slots."""
    cdef OiNode* old = link[0]
    cdef OiNode* node
    if old.capacity == capacity:
        return old
    node = node_new(oi, old.level, capacity)
    node.count = old.count
    memcpy(slot_at(node, 0), slot_at(old, 0), old.count * slot_size(old))
    node_free(oi, old)
    link[0] = node
    return node


cdef size_t node_size(const OiNode* node) noexcept nogil:
    cdef size_t size = 0
    cdef int i
    if node.level == 0:
        return node.count
    for i in range(node.count):
        size += oi_children(node)[i].size
    return size


cdef inline OiNode** link_of(OrderedIndex* oi, Path* path, int depth) noexcept nogil:
    if depth == 0:
        return &oi.root
    return &oi_children(path.nodes[depth - 1])[path.slots[depth - 1]].node


# --- searching

cdef inline int member_order(const Entry* entry, const char* member, size_t length) noexcept nogil:
    cdef size_t own = entry_key_length(entry)
    cdef int order = memcmp(entry_key(<Entry*>entry), member, own if own < length else length)
    if order:
        return order
    return -1 if own < length else own > length


cdef inline const OiItem* key_at(const char* keys, size_t stride, int i) noexcept nogil:
    return <const OiItem*>(keys + i * stride)


cdef inline int scores_before(const char* keys, size_t stride, int count, double score, bint or_equal) noexcept nogil:
    # Without branches on the data: a mispredicted branch costs more than the comparison it saves.
    cdef int base = 0
    cdef int half
    cdef double found
    while count > 0:
        half = (count + 1) >> 1
        found = key_at(keys, stride, base + half - 1).score
        base += half & -(<int>(found < score) | (<int>(found == score) & <int>or_equal))
        count -= half
    return base


cdef inline int keys_before(const char* keys, size_t stride, int count, const Bound* bound) noexcept nogil:
    """How many of `count` keys in order are before the bound."""
    cdef int low = 0
    cdef int high = count
    cdef int middle, order
    if bound.kind != BY_MEMBER:
        low = scores_before(keys, stride, count, bound.score, bound.kind == BY_SCORE and bound.or_equal)
        if bound.kind == BY_SCORE or low == count or key_at(keys, stride, low).score != bound.score:
            return low
        high = low + scores_before(keys + low * stride, stride, count - low, bound.score, True)
    while low < high:
        middle = (low + high) >> 1
        # Members lie wherever their entries do: ask for both that may be looked at next while this one is compared.
        __builtin_prefetch(key_at(keys, stride, (low + middle) >> 1).entry)
        __builtin_prefetch(key_at(keys, stride, (middle + 1 + high) >> 1 if middle + 1 < high else middle).entry)
        order = member_order(key_at(keys, stride, middle).entry, bound.member, bound.length)
        if order < 0 or (order == 0 and bound.or_equal):
            low = middle + 1
        else:
            high = middle
    return low


cdef inline void prefetch_leaf(const OiChild* child) noexcept nogil:
    # The search halves the leaf: ask for the header and for the first places it will look at, all at once.
    cdef const char* leaf = <const char*>child.node
    cdef size_t bytes = child.size * sizeof(OiItem)
    __builtin_prefetch(leaf)
    __builtin_prefetch(leaf + (bytes >> 2))
    __builtin_prefetch(leaf + (bytes >> 1))
    __builtin_prefetch(leaf + (bytes >> 1) + (bytes >> 2))


cdef void descend(const OrderedIndex* oi, const Bound* bound, Path* path) noexcept nogil:
    """Fill the path to the place of the bound; the leaf's slot may be one behind its last item. Not when empty."""
    cdef OiNode* node = oi.root
    cdef OiChild* children
    cdef int depth = 0
    cdef int slot
    path.leftmost = path.rightmost = True
    while node.level:
        children = oi_children(node)
        slot = keys_before(<const char*>(children + 1), sizeof(OiChild), node.count - 1, bound)
        if node.level == 1:
            prefetch_leaf(children + slot)
        path.nodes[depth] = node
        path.slots[depth] = slot
        path.leftmost &= slot == 0
        path.rightmost &= slot == node.count - 1
        node = children[slot].node
        depth += 1
    path.nodes[depth] = node
    path.slots[depth] = keys_before(<const char*>oi_items(node), sizeof(OiItem), node.count, bound)
    path.depth = depth


cdef void descend_rank(const OrderedIndex* oi, size_t rank, Path* path) noexcept nogil:
    """Fill the path to the element of this rank, which must exist."""
    cdef OiNode* node = oi.root
    cdef OiChild* child
    cdef int depth = 0
    path.leftmost = path.rightmost = False
    while node.level:
        child = oi_children(node)
        if rank + 1 == oi.size:                        # the highest: no need to count
            child += node.count - 1
            path.nodes[depth] = node
            path.slots[depth] = node.count - 1
            node = child.node
            depth += 1
            continue
        while rank >= child.size:
            rank -= child.size
            child += 1
        path.nodes[depth] = node
        path.slots[depth] = <int>(child - oi_children(node))
        node = child.node
        depth += 1
    path.nodes[depth] = node
    path.slots[depth] = node.count - 1 if rank + 1 == oi.size else <int>rank
    path.depth = depth


cdef size_t rank_of(const Path* path) noexcept nogil:
    cdef size_t rank = path.slots[path.depth]
    cdef int depth, i
    for depth in range(path.depth):
        for i in range(path.slots[depth]):
            rank += oi_children(path.nodes[depth])[i].size
    return rank


cdef size_t rank_before(const OrderedIndex* oi, const Bound* bound) noexcept nogil:
    cdef Path path
    if oi.root == NULL:
        return 0
    descend(oi, bound, &path)
    return rank_of(&path)


cdef inline void bound_key(Bound* bound, double score, const Entry* entry) noexcept nogil:
    bound.kind = BY_KEY
    bound.or_equal = True
    bound.score = score
    bound.member = entry_key(<Entry*>entry)
    bound.length = entry_key_length(entry)


cdef bint find(const OrderedIndex* oi, double score, const Entry* entry, Path* path) noexcept nogil:
    """Fill the path to this very element; 0 when it is not there."""
    cdef Bound bound
    cdef OiItem* item
    if oi.root == NULL:
        return False
    bound_key(&bound, score, entry)
    descend(oi, &bound, path)
    if path.slots[path.depth] == 0:
        return False
    path.slots[path.depth] -= 1
    item = oi_items(path.nodes[path.depth]) + path.slots[path.depth]
    return item.entry == entry and item.score == score


# --- growing

cdef OiNode* split(OrderedIndex* oi, Path* path, int depth, int slot) noexcept nogil:
    """Halve a full node that will get something at `slot`; returns the new right half. The left may move."""
    cdef OiNode* left = path.nodes[depth]
    cdef OiNode* right
    cdef int count = left.count
    cdef int cut = count >> 1
    if path.rightmost and slot == count:
        cut = count                                    # appending: leave the full node full
    elif path.leftmost and slot == (left.level > 0):
        cut = slot                                     # the same at the low end
    right = node_new(oi, left.level, capacity_for(count - cut + 1) if count - cut < OI_MAX else OI_MAX)
    memcpy(slot_at(right, 0), slot_at(left, cut), (count - cut) * slot_size(left))
    right.count = count - cut
    left.count = cut
    if cut < count:
        path.nodes[depth] = node_resize(oi, link_of(oi, path, depth), capacity_for(cut + 1))
    return right


cdef void put(OiNode* node, int slot, const void* what) noexcept nogil:
    cdef size_t size = slot_size(node)
    cdef char* place = slot_at(node, slot)
    memmove(place + size, place, (node.count - slot) * size)
    memcpy(place, what, size)
    node.count += 1


cdef OiNode* put_or_split(OrderedIndex* oi, Path* path, int depth, int slot, const void* what) noexcept nogil:
    """Put an item or a child into the path's node at this depth; returns the new right node if it had to be split."""
    cdef OiNode* node = path.nodes[depth]
    cdef OiNode* right = NULL
    if node.count == node.capacity:
        if node.capacity < OI_MAX:
            path.nodes[depth] = node_resize(oi, link_of(oi, path, depth), capacity_for(node.count + 1))
        else:
            right = split(oi, path, depth, slot)
        node = path.nodes[depth]
        if right != NULL and (slot > node.count or right.count == 0):
            slot -= node.count
            node = right
    put(node, slot, what)
    return right


cdef void take_first_key(OiNode* node, OiChild* parent) noexcept nogil:
    """Copy the node's first key into its entry in the parent; an inner node forgets its own copy."""
    cdef OiItem* first = <OiItem*>slot_at(node, 0)
    parent.score = first.score
    parent.entry = first.entry
    if node.level:
        first.entry = NULL


cdef void new_root(OrderedIndex* oi, OiChild* right) noexcept nogil:
    cdef OiNode* root = node_new(oi, oi.root.level + 1, 3)
    cdef OiChild* children = oi_children(root)
    children[0].score = 0
    children[0].entry = NULL
    children[0].node = oi.root
    children[0].size = oi.size - right.size
    children[1] = right[0]
    root.count = 2
    oi.root = root


cdef void add_item(OrderedIndex* oi, Path* path, const OiItem* item) noexcept nogil:
    """Put the item at the path's place and mend the way up."""
    cdef int depth
    cdef OiChild child
    cdef OiChild* left
    cdef OiNode* right
    oi.size += 1
    for depth in range(path.depth):
        oi_children(path.nodes[depth])[path.slots[depth]].size += 1
    depth = path.depth
    right = put_or_split(oi, path, depth, path.slots[depth], item)
    while right != NULL:
        take_first_key(right, &child)
        child.node = right
        child.size = node_size(right)
        if depth == 0:
            new_root(oi, &child)
            return
        depth -= 1
        left = oi_children(path.nodes[depth]) + path.slots[depth]
        left.size -= child.size
        right = put_or_split(oi, path, depth, path.slots[depth] + 1, &child)


# --- shrinking

cdef void set_first_key(Path* path, int depth, const OiItem* key) noexcept nogil:
    """The subtree at this depth begins with another key now: tell the ancestor that separates by it."""
    cdef OiChild* child
    while depth > 0:
        depth -= 1
        if path.slots[depth] > 0:
            child = oi_children(path.nodes[depth]) + path.slots[depth]
            child.score = key.score
            child.entry = key.entry
            return


cdef void drop_child(Path* path, int depth, int slot) noexcept nogil:
    """Take a child out of the path's node at this depth; the child's node is freed already."""
    cdef OiNode* node = path.nodes[depth]
    cdef OiChild* children = oi_children(node)
    node.count -= 1
    memmove(children + slot, children + slot + 1, (node.count - slot) * sizeof(OiChild))
    if slot == 0 and node.count:
        set_first_key(path, depth, <OiItem*>children)
        children[0].entry = NULL


cdef void move_slots(OiNode* left, OiNode* right, int to_left) noexcept nogil:
    """Move so many slots from the right neighbour's front to the left's end; negative: the other way."""
    cdef size_t size = slot_size(left)
    if to_left > 0:
        memcpy(slot_at(left, left.count), slot_at(right, 0), to_left * size)
        memmove(slot_at(right, 0), slot_at(right, to_left), (right.count - to_left) * size)
    else:
        memmove(slot_at(right, -to_left), slot_at(right, 0), right.count * size)
        memcpy(slot_at(right, 0), slot_at(left, left.count + to_left), -to_left * size)
    left.count += to_left
    right.count -= to_left


cdef void join(OrderedIndex* oi, Path* path, int depth) noexcept nogil:
    """The path's node at this depth runs low: merge it with a neighbour, or share evenly."""
    cdef OiNode* parent = path.nodes[depth - 1]
    cdef int slot = path.slots[depth - 1]
    cdef OiChild* left
    cdef OiChild* right
    cdef OiItem* first
    cdef int total, half
    cdef size_t size
    if slot + 1 == parent.count:
        slot -= 1
    left = oi_children(parent) + slot
    right = left + 1
    if right.node.level:                               # its first child moves or gets a neighbour: it needs its key
        first = <OiItem*>slot_at(right.node, 0)
        first.score = right.score
        first.entry = right.entry
    total = left.node.count + right.node.count
    size = left.size + right.size
    if total <= OI_MERGE:
        if left.node.capacity < total:
            node_resize(oi, &left.node, capacity_for(total))
        move_slots(left.node, right.node, right.node.count)
        left.size = size
        node_free(oi, right.node)
        drop_child(path, depth - 1, slot + 1)
        return
    half = total >> 1
    if left.node.capacity < half:
        node_resize(oi, &left.node, capacity_for(half + 1))
    if right.node.capacity < total - half:
        node_resize(oi, &right.node, capacity_for(total - half + 1))
    move_slots(left.node, right.node, half - left.node.count)
    left.size = node_size(left.node)
    right.size = size - left.size
    take_first_key(right.node, right)


cdef void mend(OrderedIndex* oi, Path* path) noexcept nogil:
    """After a removal: drop empty nodes, join low ones, from the leaf upwards as far as it takes."""
    cdef int depth = path.depth
    cdef OiNode* node
    while depth > 0:
        node = path.nodes[depth]
        if node.count >= OI_MIN:
            if node.capacity - node.count > 16:
                path.nodes[depth] = node_resize(oi, link_of(oi, path, depth), capacity_for(node.count + 1))
            return
        if node.count == 0:
            node_free(oi, node)
            drop_child(path, depth - 1, path.slots[depth - 1])
        elif path.nodes[depth - 1].count > 1:
            join(oi, path, depth)
        depth -= 1
    node = oi.root
    while node.level and node.count == 1:
        oi.root = oi_children(node).node
        node_free(oi, node)
        node = oi.root
    if node.count == 0:
        node_free(oi, node)
        oi.root = NULL
    elif node.capacity - node.count > 16:
        node_resize(oi, &oi.root, capacity_for(node.count + 1))


cdef void remove_items(OrderedIndex* oi, Path* path, int count) noexcept nogil:
    """Take `count` items out of the path's leaf, from the path's slot on."""
    cdef OiNode* leaf = path.nodes[path.depth]
    cdef int slot = path.slots[path.depth]
    cdef OiItem* item = oi_items(leaf) + slot
    cdef int depth
    leaf.count -= count
    memmove(item, item + count, (leaf.count - slot) * sizeof(OiItem))
    oi.size -= count
    for depth in range(path.depth):
        oi_children(path.nodes[depth])[path.slots[depth]].size -= count
    if slot == 0 and leaf.count:
        set_first_key(path, path.depth, item)
    mend(oi, path)


# --- life

cdef OrderedIndex* oi_new() noexcept nogil:
    cdef OrderedIndex* oi = <OrderedIndex*>mem_alloc(sizeof(OrderedIndex))
    oi.root = NULL
    oi.size = 0
    oi.bytes = mem_good_size(sizeof(OrderedIndex))
    return oi


cdef bint oi_free_step(OrderedIndex* oi, size_t nodes) noexcept nogil:
    cdef OiNode* node
    cdef OiNode* parent
    while oi.root != NULL:
        if nodes == 0:
            return False
        nodes -= 1
        parent = NULL
        node = oi.root
        while node.level and node.count:
            parent = node
            node = oi_children(node)[node.count - 1].node
        node_free(oi, node)
        if parent == NULL:
            oi.root = NULL
        else:
            parent.count -= 1
    mem_free(oi, sizeof(OrderedIndex))
    return True


cdef void oi_free(OrderedIndex* oi) noexcept nogil:
    oi_free_step(oi, <size_t>-1)


# --- one element

cdef void oi_insert(OrderedIndex* oi, double score, Entry* entry) noexcept nogil:
    cdef Path path
    cdef Bound bound
    cdef OiItem item
    item.score = score
    item.entry = entry
    if oi.root == NULL:
        oi.root = node_new(oi, 0, 3)
        path.depth = 0
        path.nodes[0] = oi.root
        path.slots[0] = 0
    else:
        bound_key(&bound, score, entry)
        descend(oi, &bound, &path)
    add_item(oi, &path, &item)


cdef bint oi_delete(OrderedIndex* oi, double score, Entry* entry) noexcept nogil:
    cdef Path path
    if not find(oi, score, entry, &path):
        return False
    remove_items(oi, &path, 1)
    return True


cdef void oi_update_score(OrderedIndex* oi, double score, Entry* entry, double new_score) noexcept nogil:
    """Like delete and insert, but writes the score in place when both neighbours in the leaf still fit."""
    cdef Path path
    cdef OiItem* item
    cdef int slot
    if find(oi, score, entry, &path):
        slot = path.slots[path.depth]
        item = oi_items(path.nodes[path.depth]) + slot
        if 0 < slot < path.nodes[path.depth].count - 1 and (item - 1).score < new_score < (item + 1).score:
            item.score = new_score
            return
        remove_items(oi, &path, 1)
    oi_insert(oi, new_score, entry)


cdef bint pop(OrderedIndex* oi, size_t rank, OiItem* item) noexcept nogil:
    cdef Path path
    if rank >= oi.size:
        return False
    descend_rank(oi, rank, &path)
    item[0] = oi_items(path.nodes[path.depth])[path.slots[path.depth]]
    remove_items(oi, &path, 1)
    return True


cdef bint oi_pop_min(OrderedIndex* oi, OiItem* item) noexcept nogil:
    return pop(oi, 0, item)


cdef bint oi_pop_max(OrderedIndex* oi, OiItem* item) noexcept nogil:
    return pop(oi, oi.size - 1, item)                  # empty: a rank out of reach


cdef size_t oi_rank(const OrderedIndex* oi, double score, const Entry* entry) noexcept nogil:
    cdef Bound bound
    bound_key(&bound, score, entry)
    return rank_before(oi, &bound) - 1


cdef bint oi_at(const OrderedIndex* oi, size_t rank, OiItem* item) noexcept nogil:
    cdef Path path
    if rank >= oi.size:
        return False
    descend_rank(oi, rank, &path)
    item[0] = oi_items(path.nodes[path.depth])[path.slots[path.depth]]
    return True


cdef const OiItem* oi_near_end(const OrderedIndex* oi, bint highest, int steps) noexcept nogil:
    cdef OiNode* node = oi.root
    while node != NULL and node.level:
        node = oi_children(node)[node.count - 1 if highest else 0].node
    if node == NULL or steps >= node.count:
        return NULL
    return oi_items(node) + (node.count - 1 - steps if highest else steps)


cdef void oi_prefetch(const OrderedIndex* oi, double score) noexcept nogil:
    cdef OiNode* node = oi.root
    cdef OiChild* children
    while node != NULL and node.level:
        children = oi_children(node)
        children += scores_before(<const char*>(children + 1), sizeof(OiChild), node.count - 1, score, False)
        if node.level == 1:
            prefetch_leaf(children)
            return
        node = children.node


# --- ranges

cdef size_t oi_score_rank(const OrderedIndex* oi, double score, bint after_equal) noexcept nogil:
    cdef Bound bound
    bound.kind = BY_SCORE
    bound.score = score
    bound.or_equal = after_equal
    return rank_before(oi, &bound)


cdef void oi_score_range(const OrderedIndex* oi, double low, bint low_exclusive, double high, bint high_exclusive,
                         size_t* first, size_t* end) noexcept nogil:
    first[0] = oi_score_rank(oi, low, low_exclusive)
    end[0] = oi_score_rank(oi, high, not high_exclusive)
    if end[0] < first[0]:
        end[0] = first[0]


cdef size_t lex_rank(const OrderedIndex* oi, const LexBound* lex, bint after_equal) noexcept nogil:
    cdef Bound bound
    if lex.kind == LEX_LOWEST:
        return 0
    if lex.kind == LEX_HIGHEST:
        return oi.size
    bound.kind = BY_MEMBER
    bound.member = lex.member
    bound.length = lex.length
    bound.or_equal = after_equal
    return rank_before(oi, &bound)


cdef void oi_lex_range(const OrderedIndex* oi, const LexBound* low, const LexBound* high,
                       size_t* first, size_t* end) noexcept nogil:
    first[0] = lex_rank(oi, low, low.kind == LEX_EXCLUSIVE)
    end[0] = lex_rank(oi, high, high.kind == LEX_INCLUSIVE)
    if end[0] < first[0]:
        end[0] = first[0]


cdef size_t oi_delete_range(OrderedIndex* oi, size_t first, size_t end, oi_visit_t visit, void* context) noexcept:
    cdef OiItem taken[OI_MAX]
    cdef Path path
    cdef size_t deleted = 0
    cdef size_t count, room, i
    end = min(end, oi.size)
    while first < end:
        descend_rank(oi, first, &path)
        room = path.nodes[path.depth].count - path.slots[path.depth]
        count = min(room, end - first)
        memcpy(taken, oi_items(path.nodes[path.depth]) + path.slots[path.depth], count * sizeof(OiItem))
        remove_items(oi, &path, <int>count)
        for i in range(count):
            visit(context, taken[i].score, taken[i].entry)
        deleted += count
        end -= count
    return deleted


# --- walking

cdef bint oi_seek(const OrderedIndex* oi, size_t rank, OiCursor* cursor) noexcept nogil:
    cdef Path path
    cursor.index = <OrderedIndex*>oi
    cursor.rank = rank
    cursor.leaf = NULL
    cursor.slot = 0
    if rank >= oi.size:
        return False
    descend_rank(oi, rank, &path)
    cursor.leaf = path.nodes[path.depth]
    cursor.slot = path.slots[path.depth]
    return True


cdef bint oi_next(OiCursor* cursor) noexcept nogil:
    if cursor.leaf != NULL and cursor.slot + 1 < cursor.leaf.count:
        cursor.slot += 1
        cursor.rank += 1
        return True
    return oi_seek(cursor.index, cursor.rank + 1, cursor)


cdef bint oi_prev(OiCursor* cursor) noexcept nogil:
    if cursor.leaf != NULL and cursor.slot > 0:
        cursor.slot -= 1
        cursor.rank -= 1
        return True
    return oi_seek(cursor.index, cursor.rank - 1, cursor)      # from rank 0: out of reach


# --- proof

cdef bint in_order(const OiItem* a, const OiItem* b) noexcept nogil:
    if a.score != b.score:
        return a.score < b.score
    return member_order(a.entry, entry_key(b.entry), entry_key_length(b.entry)) < 0


cdef const char* check_node(const OiNode* node, OiItem** last, size_t* size, size_t* bytes) noexcept nogil:
    cdef OiItem* first
    cdef OiChild* child
    cdef OiItem before
    cdef const char* fault
    cdef size_t below
    cdef int i
    if node.count == 0 or node.count > node.capacity or node.capacity > OI_MAX:
        return b"a node is empty or over its capacity"
    bytes[0] += mem_good_size(node_bytes(node))
    if node.level == 0:
        for i in range(node.count):
            if last[0] != NULL and not in_order(last[0], oi_items(node) + i):
                return b"elements out of order"
            last[0] = oi_items(node) + i
        size[0] += node.count
        return NULL
    for i in range(node.count):
        child = oi_children(node) + i
        if child.node.level + 1 != node.level:
            return b"leaves at different depths"
        below = size[0]
        fault = check_node(child.node, last, size, bytes)
        if fault != NULL:
            return fault
        if size[0] - below != child.size:
            return b"a child's size is wrong"
        first = <OiItem*>child
        if i == 0 and first.entry != NULL:
            return b"child 0 has a key"
        if i > 0 and not first_key_is(child.node, first):
            return b"a child's key is not its first element's"
    return NULL


cdef bint first_key_is(const OiNode* node, const OiItem* key) noexcept nogil:
    while node.level:
        node = oi_children(node).node
    return oi_items(node).score == key.score and oi_items(node).entry == key.entry


cdef const char* oi_check(const OrderedIndex* oi) noexcept nogil:
    cdef OiItem* last = NULL
    cdef size_t size = 0
    cdef size_t bytes = mem_good_size(sizeof(OrderedIndex))
    cdef const char* fault
    if oi.root != NULL:
        fault = check_node(oi.root, &last, &size, &bytes)
        if fault != NULL:
            return fault
    if size != oi.size:
        return b"the size is wrong"
    if bytes != oi.bytes:
        return b"the byte count is wrong"
    return NULL


# --- a window for tests: the index with entries of its own in place of a table's

cdef void forget_entry(void* context, double score, Entry* entry) noexcept:
    (<OrderedIndexProbe>context).forget(score, entry)


cdef LexBound lex_bound(bytes text):
    """A bound in the notation of ZRANGEBYLEX: - + [member (member."""
    cdef LexBound bound
    bound.kind = LEX_LOWEST if text == b"-" else LEX_HIGHEST
    bound.member = NULL
    bound.length = 0
    if text[:1] in (b"[", b"("):
        bound.kind = LEX_INCLUSIVE if text[:1] == b"[" else LEX_EXCLUSIVE
        bound.member = <const char*>text + 1
        bound.length = len(text) - 1
    return bound


@cython.no_gc_clear
cdef class OrderedIndexProbe:
    """An ordered index with its own entries: what the type layer does with a table, seen from Python."""
    cdef OrderedIndex* index
    cdef dict entries                  # member -> address of its entry
    cdef list deleted                  # what delete_range gave up, in its order

    def __cinit__(self):
        self.index = oi_new()
        self.entries = {}
        self.deleted = []

    def __dealloc__(self):
        for address in self.entries.values():
            self.free_entry(<Entry*><size_t>address)
        oi_free(self.index)

    cdef void free_entry(self, Entry* entry) noexcept:
        mem_free(entry, sizeof(Entry) + 8 + entry_key_length(entry))

    cdef bytes member_of(self, Entry* entry):
        return entry_key(entry)[:entry_key_length(entry)]

    cdef double score_of(self, Entry* entry):
        cdef double score
        memcpy(&score, entry_word_ref(entry), sizeof(score))
        return score

    cdef void forget(self, double score, Entry* entry) noexcept:
        member = self.member_of(entry)
        self.deleted.append((score, member))
        del self.entries[member]
        self.free_entry(entry)

    def insert(self, double score, bytes member):
        cdef Entry* entry = <Entry*>mem_alloc(sizeof(Entry) + 8 + len(member))
        entry.next = NULL
        entry.meta = 0
        entry.klen = <unsigned int>len(member) | <unsigned int>ENTRY_WORD
        memcpy(entry_word_ref(entry), &score, sizeof(score))
        memcpy(entry_key(entry), <const char*>member, len(member))
        self.entries[member] = <size_t>entry
        oi_insert(self.index, score, entry)

    def update(self, bytes member, double score):
        cdef Entry* entry = <Entry*><size_t>self.entries[member]
        oi_update_score(self.index, self.score_of(entry), entry, score)
        memcpy(entry_word_ref(entry), &score, sizeof(score))

    def delete(self, bytes member):
        cdef Entry* entry = <Entry*><size_t>self.entries[member]
        if not oi_delete(self.index, self.score_of(entry), entry):
            raise AssertionError("the element was not found")
        del self.entries[member]
        self.free_entry(entry)

    cdef tuple taken(self, OiItem* item):
        member = self.member_of(item.entry)
        score = item.score
        del self.entries[member]
        self.free_entry(item.entry)
        return score, member

    def pop_min(self):
        cdef OiItem item
        return self.taken(&item) if oi_pop_min(self.index, &item) else None

    def pop_max(self):
        cdef OiItem item
        return self.taken(&item) if oi_pop_max(self.index, &item) else None

    def rank(self, bytes member):
        cdef Entry* entry = <Entry*><size_t>self.entries[member]
        oi_prefetch(self.index, self.score_of(entry))
        return oi_rank(self.index, self.score_of(entry), entry)

    def at(self, size_t rank):
        cdef OiItem item
        return (item.score, self.member_of(item.entry)) if oi_at(self.index, rank, &item) else None

    def score_range(self, double low, bint low_exclusive, double high, bint high_exclusive):
        cdef size_t first, end
        oi_score_range(self.index, low, low_exclusive, high, high_exclusive, &first, &end)
        return first, end

    def lex_range(self, bytes low, bytes high):
        cdef LexBound from_ = lex_bound(low)
        cdef LexBound to = lex_bound(high)
        cdef size_t first, end
        oi_lex_range(self.index, &from_, &to, &first, &end)
        return first, end

    def delete_range(self, size_t first, size_t end):
        self.deleted = []
        count = oi_delete_range(self.index, first, end, forget_entry, <void*>self)
        assert count == len(self.deleted)
        return self.deleted

    def walk(self, size_t rank, bint backwards=False):
        cdef OiCursor cursor
        cdef bint going = oi_seek(self.index, rank, &cursor)
        cdef OiItem* item
        found = []
        while going:
            item = oi_item(&cursor)
            found.append((cursor.rank, item.score, self.member_of(item.entry)))
            going = oi_prev(&cursor) if backwards else oi_next(&cursor)
        return found

    def free_in_steps(self, size_t nodes):
        cdef int steps = 1
        for address in self.entries.values():
            self.free_entry(<Entry*><size_t>address)
        self.entries.clear()
        while not oi_free_step(self.index, nodes):
            steps += 1
        self.index = oi_new()
        return steps

    def memory(self):
        return oi_memory(self.index)

    def __len__(self):
        return oi_size(self.index)

    def check(self):
        cdef const char* fault = oi_check(self.index)
        if fault != NULL:
            raise AssertionError(fault.decode())
