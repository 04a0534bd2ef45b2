# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A B+-tree over stream IDs; rax.pxd tells the layout and what each call costs.

It changes as the ordered index does: down from the root once, remembering the path, then up again only as far as nodes
overflow or run low. Appending splits off the new key alone, so a stream that only grows has full nodes.
"""
cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy, memmove

from server.structures.memory cimport mem_alloc, mem_free, mem_good_size

cdef struct Path:                      # nodes from the root (0) to the leaf (depth) and the slot taken in each
    int depth
    bint rightmost                     # every inner slot is the last
    RaxNode* nodes[RAX_HEIGHT]
    int slots[RAX_HEIGHT]

cdef uint8_t[10] CAPACITIES = [1, 3, 7, 10, 15, 21, 26, 31, 37, RAX_MAX]       # what the allocator's blocks hold


# --- nodes

cdef inline int capacity_for(int count) noexcept nogil:
    cdef int i = 0
    while CAPACITIES[i] < count:
        i += 1
    return CAPACITIES[i]


cdef inline size_t node_bytes(int capacity) noexcept nogil:
    return sizeof(RaxNode) + capacity * sizeof(RaxItem)


cdef inline RaxNode* child_of(const RaxNode* node, int slot) noexcept nogil:
    return <RaxNode*>rax_items(node)[slot].value


cdef RaxNode* node_new(Rax* rax, int level, int capacity) noexcept nogil:
    cdef RaxNode* node = <RaxNode*>mem_alloc(node_bytes(capacity))
    node.count = 0
    node.capacity = <uint16_t>capacity
    node.level = level
    rax.bytes += mem_good_size(node_bytes(capacity))
    return node


cdef void node_free(Rax* rax, RaxNode* node) noexcept nogil:
    rax.bytes -= mem_good_size(node_bytes(node.capacity))
    mem_free(node, node_bytes(node.capacity))


cdef RaxNode* node_resize(Rax* rax, RaxNode** link, int capacity) noexcept nogil:
    """Move the node that `link` points to into a block for `capacity` items."""
    cdef RaxNode* old = link[0]
    cdef RaxNode* node
    if old.capacity == capacity:
        return old
    node = node_new(rax, old.level, capacity)
    node.count = old.count
    memcpy(rax_items(node), rax_items(old), old.count * sizeof(RaxItem))
    node_free(rax, old)
    link[0] = node
    return node


cdef inline RaxNode** link_of(Rax* rax, Path* path, int depth) noexcept nogil:
    if depth == 0:
        return &rax.root
    return <RaxNode**>&rax_items(path.nodes[depth - 1])[path.slots[depth - 1]].value


# --- searching

cdef inline int keys_before(const RaxItem* items, int count, const StreamId* id, bint or_equal) noexcept nogil:
    """How many of `count` items have a lower key (or an equal one). No branches on the data."""
    cdef int base = 0
    cdef int half
    cdef const StreamId* found
    while count > 0:
        half = (count + 1) >> 1
        found = &items[base + half - 1].id
        base += half & -(<int>id_less(found, id)
                         | (<int>(found.ms == id.ms) & <int>(found.seq == id.seq) & <int>or_equal))
        count -= half
    return base


cdef inline int child_slot(const RaxNode* node, const StreamId* id) noexcept nogil:
    return keys_before(rax_items(node) + 1, node.count - 1, id, True)


cdef void descend(const Rax* rax, const StreamId* id, Path* path) noexcept nogil:
    """Fill the path to the leaf slot of the lowest key >= id; it may be one behind the leaf's last. Not when empty."""
    cdef RaxNode* node = rax.root
    cdef int depth = 0
    path.rightmost = True
    while node.level:
        path.nodes[depth] = node
        path.slots[depth] = child_slot(node, id)
        path.rightmost &= path.slots[depth] == node.count - 1
        node = child_of(node, path.slots[depth])
        depth += 1
    path.nodes[depth] = node
    path.slots[depth] = keys_before(rax_items(node), node.count, id, False)
    path.depth = depth


cdef inline RaxItem* item_at(const Path* path, const StreamId* id) noexcept nogil:
    """The item that the path found, if it has this very key."""
    cdef RaxNode* leaf = path.nodes[path.depth]
    cdef RaxItem* item = rax_items(leaf) + path.slots[path.depth]
    if path.slots[path.depth] < leaf.count and id_equal(&item.id, id):
        return item
    return NULL


cdef void** rax_find(const Rax* rax, StreamId id) noexcept nogil:
    cdef RaxNode* node = rax.root
    cdef int slot
    if node == NULL:
        return NULL
    while node.level:
        node = child_of(node, child_slot(node, &id))
    slot = keys_before(rax_items(node), node.count, &id, False)
    if slot < node.count and id_equal(&rax_items(node)[slot].id, &id):
        return &rax_items(node)[slot].value
    return NULL


# --- growing

cdef RaxNode* split(Rax* rax, Path* path, int depth, int slot) noexcept nogil:
    """Halve a full node that will get something at `slot`; returns the new right half. The left may move."""
    cdef RaxNode* left = path.nodes[depth]
    cdef RaxNode* right
    cdef int count = left.count
    cdef int cut = count if path.rightmost and slot == count else count >> 1       # appending leaves it full
    right = node_new(rax, left.level, capacity_for(count - cut + 1))
    memcpy(rax_items(right), rax_items(left) + cut, (count - cut) * sizeof(RaxItem))
    right.count = count - cut
    left.count = cut
    if cut < count:
        path.nodes[depth] = node_resize(rax, link_of(rax, path, depth), capacity_for(cut + 1))
    return right


cdef RaxNode* put_or_split(Rax* rax, Path* path, int depth, int slot, const RaxItem* what) noexcept nogil:
    """Put an item into the path's node at this depth; returns the new right node if it had to be split."""
    cdef RaxNode* node = path.nodes[depth]
    cdef RaxNode* right = NULL
    cdef RaxItem* place
    if node.count == node.capacity:
        if node.capacity < RAX_MAX:
            path.nodes[depth] = node_resize(rax, link_of(rax, path, depth), capacity_for(node.count + 1))
        else:
            right = split(rax, path, depth, slot)
        node = path.nodes[depth]
        if right != NULL and (slot > node.count or right.count == 0):
            slot -= node.count
            node = right
    place = rax_items(node) + slot
    memmove(place + 1, place, (node.count - slot) * sizeof(RaxItem))
    place[0] = what[0]
    node.count += 1
    return right


cdef inline void take_first_key(RaxNode* node, RaxItem* parent) noexcept nogil:
    """Copy the node's first key into its item in the parent; an inner node forgets its own copy."""
    parent.id = rax_items(node).id
    if node.level:
        rax_items(node).id = StreamId(0, 0)


cdef void new_root(Rax* rax, const RaxItem* right) noexcept nogil:
    cdef RaxNode* root = node_new(rax, rax.root.level + 1, 3)
    rax_items(root)[0].id = StreamId(0, 0)
    rax_items(root)[0].value = rax.root
    rax_items(root)[1] = right[0]
    root.count = 2
    rax.root = root


cdef bint rax_insert(Rax* rax, StreamId id, void* value, void** old) noexcept nogil:
    cdef Path path
    cdef RaxItem item
    cdef RaxItem* there
    cdef RaxNode* right
    cdef int depth
    item.id = id
    item.value = value
    if rax.root == NULL:
        rax.root = path.nodes[0] = node_new(rax, 0, 1)
        path.slots[0] = path.depth = 0
    else:
        descend(rax, &id, &path)
        there = item_at(&path, &id)
        if there != NULL:
            if old != NULL:
                old[0] = there.value
            there.value = value
            return False
    rax.size += 1
    depth = path.depth
    right = put_or_split(rax, &path, depth, path.slots[depth], &item)
    while right != NULL:
        take_first_key(right, &item)
        item.value = right
        if depth == 0:
            new_root(rax, &item)
            break
        depth -= 1
        right = put_or_split(rax, &path, depth, path.slots[depth] + 1, &item)
    return True


# --- shrinking

cdef void set_first_key(Path* path, int depth, const StreamId* id) noexcept nogil:
    """The subtree at this depth begins with another key now: tell the ancestor that separates by it."""
    while depth > 0:
        depth -= 1
        if path.slots[depth] > 0:
            rax_items(path.nodes[depth])[path.slots[depth]].id = id[0]
            return


cdef void drop_item(Path* path, int depth, int slot) noexcept nogil:
    """Take an item out of the path's node at this depth; a child's node is freed already."""
    cdef RaxNode* node = path.nodes[depth]
    cdef RaxItem* items = rax_items(node)
    node.count -= 1
    memmove(items + slot, items + slot + 1, (node.count - slot) * sizeof(RaxItem))
    if slot == 0 and node.count:
        set_first_key(path, depth, &items.id)
        if node.level:
            items.id = StreamId(0, 0)


cdef void move_items(RaxNode* left, RaxNode* right, int to_left) noexcept nogil:
    """Move so many items from the right neighbour's front to the left's end; negative: the other way."""
    cdef RaxItem* a = rax_items(left)
    cdef RaxItem* b = rax_items(right)
    if to_left > 0:
        memcpy(a + left.count, b, to_left * sizeof(RaxItem))
        memmove(b, b + to_left, (right.count - to_left) * sizeof(RaxItem))
    else:
        memmove(b - to_left, b, right.count * sizeof(RaxItem))
        memcpy(b, a + left.count + to_left, -to_left * sizeof(RaxItem))
    left.count += to_left
    right.count -= to_left


cdef void join(Rax* rax, Path* path, int depth) noexcept nogil:
    """The path's node at this depth runs low: merge it with a neighbour, or share evenly."""
    cdef RaxNode* parent = path.nodes[depth - 1]
    cdef int slot = path.slots[depth - 1]
    cdef RaxItem* pair
    cdef RaxNode* left
    cdef RaxNode* right
    cdef int total, half
    if slot + 1 == parent.count:
        slot -= 1
    pair = rax_items(parent) + slot
    left = <RaxNode*>pair[0].value
    right = <RaxNode*>pair[1].value
    if right.level:                                    # its first child moves or gets a neighbour: it needs its key
        rax_items(right).id = pair[1].id
    total = left.count + right.count
    if total <= RAX_MERGE:
        if left.capacity < total:
            left = node_resize(rax, <RaxNode**>&pair[0].value, capacity_for(total))
        move_items(left, right, right.count)
        node_free(rax, right)
        drop_item(path, depth - 1, slot + 1)
        return
    half = total >> 1
    if left.capacity < half:
        left = node_resize(rax, <RaxNode**>&pair[0].value, capacity_for(half + 1))
    if right.capacity < total - half:
        right = node_resize(rax, <RaxNode**>&pair[1].value, capacity_for(total - half + 1))
    move_items(left, right, half - left.count)
    take_first_key(right, &pair[1])


cdef inline bint is_loose(const RaxNode* node) noexcept nogil:
    return node.capacity - node.count > 11


cdef void mend(Rax* rax, Path* path) noexcept nogil:
    """After a removal: drop empty nodes, join low ones, from the leaf upwards as far as it takes."""
    cdef int depth = path.depth
    cdef RaxNode* node
    while depth > 0:
        node = path.nodes[depth]
        if node.count >= RAX_MIN:
            if is_loose(node):
                node_resize(rax, link_of(rax, path, depth), capacity_for(node.count + 1))
            return
        if node.count == 0:
            node_free(rax, node)
            drop_item(path, depth - 1, path.slots[depth - 1])
        elif path.nodes[depth - 1].count > 1:
            join(rax, path, depth)
        depth -= 1
    node = rax.root
    while node.level and node.count == 1:
        rax.root = child_of(node, 0)
        node_free(rax, node)
        node = rax.root
    if node.count == 0:
        node_free(rax, node)
        rax.root = NULL
    elif is_loose(node):
        node_resize(rax, &rax.root, capacity_for(node.count + 1))


cdef bint rax_remove(Rax* rax, StreamId id, void** value) noexcept nogil:
    cdef Path path
    cdef RaxItem* item
    if rax.root == NULL:
        return False
    descend(rax, &id, &path)
    item = item_at(&path, &id)
    if item == NULL:
        return False
    if value != NULL:
        value[0] = item.value
    rax.size -= 1
    drop_item(&path, path.depth, path.slots[path.depth])
    mend(rax, &path)
    return True


# --- life

cdef Rax* rax_new() noexcept nogil:
    cdef Rax* rax = <Rax*>mem_alloc(sizeof(Rax))
    rax.root = NULL
    rax.size = 0
    rax.bytes = mem_good_size(sizeof(Rax))
    return rax


cdef bint rax_free_step(Rax* rax, size_t keys, rax_free_t free_value) noexcept:
    cdef RaxNode* node
    cdef RaxNode* parent
    cdef size_t freed = 0
    cdef int i
    while rax.root != NULL:
        if freed >= keys:
            return False
        parent = NULL
        node = rax.root
        while node.level and node.count:
            parent = node
            node = child_of(node, node.count - 1)
        if node.level == 0 and free_value != NULL:
            for i in range(node.count):
                free_value(rax_items(node)[i].value)
        freed += 1 if node.level else node.count
        rax.size -= 0 if node.level else node.count
        node_free(rax, node)
        if parent == NULL:
            rax.root = NULL
        else:
            parent.count -= 1
    mem_free(rax, sizeof(Rax))
    return True


cdef void rax_free(Rax* rax, rax_free_t free_value) noexcept:
    rax_free_step(rax, <size_t>-1, free_value)


# --- walking

cdef inline bint land(RaxCursor* cursor, RaxNode* leaf, int slot) noexcept nogil:
    cursor.leaf = leaf
    cursor.slot = slot
    cursor.id = rax_items(leaf)[slot].id
    return True


cdef bint rax_seek(const Rax* rax, StreamId id, int where, RaxCursor* cursor) noexcept nogil:
    cdef RaxNode* node = rax.root
    cdef RaxNode* aside = NULL         # the subtree next to the path, on the side that is sought
    cdef bint upwards = where == RAX_GE or where == RAX_GT
    cdef int slot
    cursor.rax = <Rax*>rax
    cursor.leaf = NULL
    cursor.id = id
    if node == NULL:
        return False
    while node.level:
        slot = child_slot(node, &id)
        if upwards and slot + 1 < node.count:
            aside = child_of(node, slot + 1)
        elif not upwards and slot > 0:
            aside = child_of(node, slot - 1)
        node = child_of(node, slot)
    slot = keys_before(rax_items(node), node.count, &id, where == RAX_GT or where == RAX_LE)
    if not upwards:
        slot -= 1
    if 0 <= slot < node.count:
        return land(cursor, node, slot)
    if aside == NULL:
        return False
    while aside.level:
        aside = child_of(aside, 0 if upwards else aside.count - 1)
    return land(cursor, aside, 0 if upwards else aside.count - 1)


cdef bint rax_first(const Rax* rax, RaxCursor* cursor) noexcept nogil:
    return rax_seek(rax, StreamId(0, 0), RAX_GE, cursor)


cdef bint rax_last(const Rax* rax, RaxCursor* cursor) noexcept nogil:
    return rax_seek(rax, StreamId(<uint64_t>-1, <uint64_t>-1), RAX_LE, cursor)


cdef bint rax_next(RaxCursor* cursor) noexcept nogil:
    if cursor.leaf != NULL and cursor.slot + 1 < cursor.leaf.count:
        return land(cursor, cursor.leaf, cursor.slot + 1)
    return rax_seek(cursor.rax, cursor.id, RAX_GT, cursor)


cdef bint rax_prev(RaxCursor* cursor) noexcept nogil:
    if cursor.leaf != NULL and cursor.slot > 0:
        return land(cursor, cursor.leaf, cursor.slot - 1)
    return rax_seek(cursor.rax, cursor.id, RAX_LT, cursor)


# --- what XINFO STREAM says

cdef int common_bytes(const StreamId* a, const StreamId* b) noexcept nogil:
    """How many leading bytes two different IDs share, each as 16 big-endian bytes."""
    cdef int shared = 0
    cdef uint64_t differ = a.ms ^ b.ms
    if differ == 0:
        shared = 8
        differ = a.seq ^ b.seq
    while differ >> 56 == 0:
        shared += 1
        differ <<= 8
    return shared


cdef size_t rax_nodes(const Rax* rax) noexcept nogil:
    """Redis's radix tree has a node per key's end, one per place where keys part, and one per run of bytes in between.

    Where keys part shows in the sorted order: neighbours that share d bytes part at depth d. The stack holds the
    depths at which the keys still open part, ascending, each with a node.
    """
    cdef int stack[17]
    cdef int open_ = 0
    cdef RaxCursor cursor
    cdef StreamId before
    cdef size_t nodes
    cdef int depth, end
    if not rax_first(rax, &cursor):
        return 1
    nodes = rax.size                                   # a node for each key's end
    end = 16                                           # depth of the node that was finished last
    while True:
        before = cursor.id
        depth = common_bytes(&before, &rax_item(&cursor).id) if rax_next(&cursor) else -1
        while open_ > 0 and stack[open_ - 1] > depth:
            open_ -= 1
            nodes += end > stack[open_] + 1            # bytes between the parting and what hangs there
            end = stack[open_]
            nodes += 1
        if depth < 0:
            return nodes + (end > 0)                   # the bytes that all keys share
        nodes += end > depth + 1
        if open_ == 0 or stack[open_ - 1] < depth:
            stack[open_] = depth
            open_ += 1
        end = 16


# --- proof

cdef const char* check_node(const RaxNode* node, const StreamId** last, size_t* size, size_t* bytes) noexcept nogil:
    cdef const RaxNode* leaf
    cdef const RaxNode* child
    cdef const RaxItem* item
    cdef const char* fault
    cdef int i
    if node.count == 0 or node.count > node.capacity or node.capacity > RAX_MAX:
        return b"a node is empty or over its capacity"
    bytes[0] += mem_good_size(node_bytes(node.capacity))
    for i in range(node.count):
        item = rax_items(node) + i
        if node.level == 0:
            if last[0] != NULL and not id_less(last[0], &item.id):
                return b"keys out of order"
            last[0] = &item.id
            size[0] += 1
            continue
        child = <const RaxNode*>item.value
        if child.level + 1 != node.level:
            return b"leaves at different depths"
        leaf = child
        while leaf.level:
            leaf = child_of(leaf, 0)
        if i > 0 and not id_equal(&item.id, &rax_items(leaf).id):
            return b"an inner key is not the first below it"
        fault = check_node(child, last, size, bytes)
        if fault != NULL:
            return fault
    return NULL


cdef const char* rax_check(const Rax* rax) noexcept nogil:
    cdef const StreamId* last = NULL
    cdef size_t size = 0
    cdef size_t bytes = mem_good_size(sizeof(Rax))
    cdef const char* fault
    if rax.root != NULL:
        fault = check_node(rax.root, &last, &size, &bytes)
        if fault != NULL:
            return fault
    if size != rax.size:
        return b"the size is wrong"
    if bytes != rax.bytes:
        return b"the byte count is wrong"
    return NULL


# --- a window for tests: values are numbers in place of pointers

cdef StreamId id_of(tuple key):
    return StreamId(key[0], key[1])


cdef list freed_values = []


cdef void note_freed(void* value) noexcept:
    freed_values.append(<size_t>value)


@cython.no_gc_clear
cdef class RaxProbe:
    """A Rax whose values are plain numbers, seen from Python."""
    cdef Rax* rax

    def __cinit__(self):
        self.rax = rax_new()

    def __dealloc__(self):
        rax_free(self.rax, NULL)

    def insert(self, tuple key, size_t value):
        cdef void* old = NULL
        cdef bint new = rax_insert(self.rax, id_of(key), <void*>value, &old)
        return None if new else <size_t>old

    def find(self, tuple key):
        cdef void** value = rax_find(self.rax, id_of(key))
        return None if value == NULL else <size_t>value[0]

    def remove(self, tuple key):
        cdef void* value = NULL
        return <size_t>value if rax_remove(self.rax, id_of(key), &value) else None

    def seek(self, tuple key, str where):
        cdef RaxCursor cursor
        cdef int place = {">=": RAX_GE, ">": RAX_GT, "<=": RAX_LE, "<": RAX_LT}[where]
        if not rax_seek(self.rax, id_of(key), place, &cursor):
            return None
        return (cursor.id.ms, cursor.id.seq), <size_t>rax_item(&cursor).value

    def walk(self, bint backwards=False):
        cdef RaxCursor cursor
        cdef bint going = rax_last(self.rax, &cursor) if backwards else rax_first(self.rax, &cursor)
        found = []
        while going:
            found.append(((cursor.id.ms, cursor.id.seq), <size_t>rax_item(&cursor).value))
            going = rax_prev(&cursor) if backwards else rax_next(&cursor)
        return found

    def free_in_steps(self, size_t keys):
        cdef int steps = 1
        freed_values.clear()
        while not rax_free_step(self.rax, keys, note_freed):
            steps += 1
        self.rax = rax_new()
        return steps, list(freed_values)

    def nodes(self):
        return rax_nodes(self.rax)

    def memory(self):
        return rax_memory(self.rax)

    def __len__(self):
        return rax_size(self.rax)

    def check(self):
        cdef const char* fault = rax_check(self.rax)
        if fault != NULL:
            raise AssertionError(fault.decode())
