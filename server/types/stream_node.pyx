# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.string cimport memcpy

from server.structures.defrag cimport block_moved
from server.structures.listpack cimport lp_bytes, lp_dup, lp_free
from server.structures.lzf cimport lzf_compress, lzf_decompress
from server.structures.memory cimport mem_alloc, mem_free, mem_good_size

cdef enum:
    HEADER = 12                        # bytes before PackedNode.data

cdef unsigned char* _opened = NULL     # the buffer, PACK_MAX bytes
cdef void* _holder = NULL              # the node whose listpack it holds


cdef inline size_t _block(const PackedNode* packed) noexcept nogil:
    return HEADER + packed.packed


cdef inline unsigned char* _buffer() noexcept nogil:
    global _opened
    if _opened == NULL:
        _opened = <unsigned char*>mem_alloc(PACK_MAX)
    return _opened


cdef void* node_pack(unsigned char* lp, uint32_t live) noexcept nogil:
    global _holder
    cdef uint32_t raw = lp_bytes(lp)
    cdef size_t n
    cdef PackedNode* packed
    if not PACK_MIN <= raw <= PACK_MAX:
        return lp
    _holder = NULL
    n = lzf_compress(lp, raw, _buffer(), raw - (raw >> 3) - HEADER)
    if n == 0:
        return lp
    packed = <PackedNode*>mem_alloc(HEADER + n)
    packed.raw = raw
    packed.packed = <uint32_t>n
    packed.live = live
    memcpy(packed.data, _opened, n)
    lp_free(lp)
    return <void*>(<size_t>packed | 1)


cdef unsigned char* node_open(void* node) noexcept nogil:
    global _holder
    cdef PackedNode* packed
    if not node_is_packed(node):
        return <unsigned char*>node
    if node != _holder:
        packed = packed_node(node)
        lzf_decompress(packed.data, packed.packed, _buffer(), packed.raw)      # of our own making: it cannot fail
        _holder = node
    return _opened


cdef unsigned char* node_thaw(void* node) noexcept nogil:
    cdef unsigned char* lp
    if not node_is_packed(node):
        return <unsigned char*>node
    lp = lp_dup(node_open(node))
    node_free(node)
    return lp


cdef void* node_dup(void* node) noexcept nogil:
    cdef size_t n
    cdef void* copy
    if not node_is_packed(node):
        return lp_dup(<unsigned char*>node)
    n = _block(packed_node(node))
    copy = mem_alloc(n)
    memcpy(copy, packed_node(node), n)
    return <void*>(<size_t>copy | 1)


cdef void node_free(void* node) noexcept nogil:
    global _holder
    if not node_is_packed(node):
        lp_free(<unsigned char*>node)
        return
    if node == _holder:
        _holder = NULL
    mem_free(packed_node(node), _block(packed_node(node)))


cdef size_t node_memory(const void* node) noexcept nogil:
    if node_is_packed(node):
        return mem_good_size(_block(packed_node(node)))
    return mem_good_size(lp_bytes(<const unsigned char*>node))


cdef void* node_moved(void* node) noexcept nogil:
    global _holder
    if not node_is_packed(node):
        return block_moved(node, lp_bytes(<const unsigned char*>node))
    if node == _holder:
        _holder = NULL
    return <void*>(<size_t>block_moved(packed_node(node), _block(packed_node(node))) | 1)
