# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A quicklist as Python sees it: for tests, never on a request's way."""
from libc.stdint cimport int64_t, uint64_t

from server.structures.listpack cimport (
    LpValue, lp_bytes, lp_dup, lp_free, lp_length, lp_validate_integrity, lp_integer_text, LP_INTEGER_TEXT,
)
from server.structures.lzf cimport lzf_decompress
from server.structures.memory cimport mem_alloc, mem_free
from server.structures.quicklist cimport *


cdef bytes _text(const LpValue* value):
    cdef char digits[LP_INTEGER_TEXT]
    if value.s != NULL:
        return value.s[:value.length]
    return digits[:lp_integer_text(value.number, digits)]


def set_packed_threshold(size_t n):
    return quicklist_set_packed_threshold(n)


cdef class QuicklistProbe:
    """Owns one quicklist; elements are bytes."""
    cdef Quicklist* q

    def __cinit__(self, int fill=-2, int compress=0):
        self.q = quicklist_new(fill, compress)

    def __dealloc__(self):
        if self.q != NULL:
            quicklist_free(self.q)

    @staticmethod
    def from_listpack(bytes data, int fill=-2, int compress=0):
        cdef QuicklistProbe probe = QuicklistProbe(fill, compress)
        cdef const unsigned char* p = <const unsigned char*><char*>data
        if not lp_validate_integrity(p, len(data), True, NULL, NULL):
            raise ValueError("not a listpack")
        quicklist_free(probe.q)
        probe.q = quicklist_from_listpack(lp_dup(p), fill, compress)
        return probe

    def take_listpack(self):
        """The bytes of the only node, and the list is empty afterwards; None if there are several or it is plain."""
        cdef int fill = self.q.fill, compress = self.q.compress
        cdef unsigned char* lp = quicklist_take_listpack(self.q)
        if lp == NULL:
            return None
        self.q = quicklist_new(fill, compress)
        data = (<char*>lp)[:lp_bytes(lp)]
        lp_free(lp)
        return data

    def append_listpack(self, bytes data):
        quicklist_append_listpack(self.q, lp_dup(<unsigned char*><char*>data))

    def push(self, bytes value, int end):
        """end: 0 head, 1 tail."""
        quicklist_push(self.q, value, len(value), end)

    def push_many(self, values, int end):
        for value in values:
            quicklist_push(self.q, <char*>value, len(value), end)

    def pop(self, int end):
        """The element, or None from an empty list."""
        cdef LpValue value
        if not quicklist_peek(self.q, end, &value):
            return None
        text = _text(&value)
        quicklist_drop(self.q, end)
        return text

    def __len__(self):
        return self.q.count

    def items(self, int direction=0):
        cdef QuicklistIter it
        cdef QuicklistEntry entry
        out = []
        quicklist_iter(self.q, &it, direction)
        while quicklist_next(&it, &entry):
            out.append(_text(&entry.value))
        quicklist_iter_done(&it)
        return out

    def items_at(self, int64_t index, int direction=0):
        """From that index on; None if there is no such index."""
        cdef QuicklistIter it
        cdef QuicklistEntry entry
        out = []
        if not quicklist_iter_at(self.q, &it, index, direction):
            return None
        while quicklist_next(&it, &entry):
            out.append(_text(&entry.value))
        quicklist_iter_done(&it)
        return out

    def get(self, int64_t index):
        cdef QuicklistIter it
        cdef QuicklistEntry entry
        if not quicklist_index(self.q, &it, index, &entry):
            return None
        text = _text(&entry.value)
        quicklist_iter_done(&it)
        return text

    def insert(self, int64_t index, bytes value, bint after):
        cdef QuicklistIter it
        cdef QuicklistEntry entry
        if not quicklist_index(self.q, &it, index, &entry):
            return False
        if after:
            quicklist_insert_after(&it, &entry, value, len(value))
        else:
            quicklist_insert_before(&it, &entry, value, len(value))
        return True

    def insert_beside(self, bytes pivot, bytes value, bint after):
        """As LINSERT: at the first element equal to pivot."""
        cdef QuicklistIter it
        cdef QuicklistEntry entry
        quicklist_iter(self.q, &it, QL_HEAD)
        while quicklist_next(&it, &entry):
            if quicklist_compare(&entry, pivot, len(pivot)):
                if after:
                    quicklist_insert_after(&it, &entry, value, len(value))
                else:
                    quicklist_insert_before(&it, &entry, value, len(value))
                return True
        quicklist_iter_done(&it)
        return False

    def replace(self, int64_t index, bytes value):
        return quicklist_replace_at(self.q, index, value, len(value))

    def delete_equal(self, bytes value, int64_t limit=0, int direction=0):
        """As LREM: delete up to `limit` (0: all) equal elements; replies with how many."""
        cdef QuicklistIter it
        cdef QuicklistEntry entry
        gone = 0
        quicklist_iter(self.q, &it, direction)
        while quicklist_next(&it, &entry):
            if quicklist_compare(&entry, value, len(value)):
                quicklist_delete_entry(&it, &entry)
                gone += 1
                if gone == limit:
                    break
        quicklist_iter_done(&it)
        return gone

    def delete_range(self, int64_t start, int64_t count):
        return quicklist_delete_range(self.q, start, count)

    def copy(self):
        cdef QuicklistProbe probe = QuicklistProbe(self.q.fill, self.q.compress)
        quicklist_free(probe.q)
        probe.q = quicklist_dup(self.q)
        return probe

    def free_in_steps(self, size_t nodes):
        """Free everything, so many nodes a step; replies with the number of steps. The list is empty afterwards."""
        cdef int fill = self.q.fill, compress = self.q.compress
        steps = 1
        while not quicklist_free_step(self.q, nodes):
            steps += 1
        self.q = quicklist_new(fill, compress)
        return steps

    def memory(self):
        return self.q.memory

    def nodes(self):
        """Of each node: ("plain" or "packed", compressed?, the unpacked bytes)."""
        cdef QuicklistNode* node = self.q.head
        cdef unsigned char* buffer
        out = []
        while node != NULL:
            if quicklist_node_is_compressed(node) and not quicklist_node_is_lzf(node):
                data = (<char*>quicklist_node_open(node))[:node.size]
            elif quicklist_node_is_compressed(node):
                buffer = <unsigned char*>mem_alloc(quicklist_node_size(node))
                assert lzf_decompress(quicklist_node_data(node), node.capacity, buffer, node.size) == node.size
                data = (<char*>buffer)[:node.size]
                mem_free(buffer, node.size)
            else:
                data = (<char*>quicklist_node_data(node))[:quicklist_node_size(node)]
            out.append(("plain" if quicklist_node_is_plain(node) else "packed",
                        bool(quicklist_node_is_compressed(node)), data))
            node = node.next
        return out

    def repr(self, bint full=False):
        return quicklist_repr(self.q, full)

    def check(self):
        """Every invariant: links, counts, memory, valid listpacks, which nodes may and may not be compressed."""
        cdef QuicklistNode* node = self.q.head
        cdef QuicklistNode* before = NULL
        cdef uint64_t count = 0, memory = sizeof(Quicklist), length = 0
        nodes = self.nodes()
        while node != NULL:
            container, compressed, data = nodes[length]
            assert node.prev == before
            assert quicklist_node_count(node) > 0
            assert compressed or not node.info & QL_READ
            assert not node.info & (QL_PINNED | QL_RECOMPRESS)
            if container == "plain":
                assert quicklist_node_count(node) == 1
                memory += node.capacity if compressed else quicklist_node_size(node)
            else:
                assert lp_validate_integrity(<const unsigned char*><char*>data, len(data), True, NULL, NULL)
                assert lp_length(<unsigned char*><char*>data) == quicklist_node_count(node)
                assert compressed or node.head + node.size <= node.capacity
                memory += node.capacity
            if compressed and self.q.compress == 0:        # packed away
                assert container == "packed" and not node.info & QL_STAYS
                assert 512 <= len(data) <= 65536 and node.capacity <= len(data) - len(data) // 8
            elif compressed:
                assert length >= self.q.compress and length < self.q.length - self.q.compress
            memory += sizeof(QuicklistNode)
            count += quicklist_node_count(node)
            length += 1
            before = node
            node = node.next
        assert self.q.tail == before
        assert (self.q.count, self.q.length, self.q.memory) == (count, length, memory)
