# cython: language_level=3
"""The listpack's data sheet: many small strings and integers in one block of bytes.

    total bytes: 4, little endian | number of elements: 2, 65535 = "count them" | elements ... | 0xFF

    element: encoding byte and what belongs to it | string bytes | backlen (1-5 bytes: the size of what precedes it)

    0xxxxxxx integer 0..127              11110001 int16, 2 bytes          10xxxxxx string shorter than 64 bytes
    110xxxxx 13-bit integer, 1 byte      11110010 int24, 3 bytes          1110xxxx string shorter than 4096, 1 byte
    11110011 int32, 4 bytes              11110100 int64, 8 bytes          11110000 longer string, 4 bytes of length

The bytes are those of Redis 7.2, so a block goes into a DUMP payload as it is. A string that is the decimal form of
an int64 is always stored as that integer.

A listpack is a bare `unsigned char*` of exactly `lp_bytes()` bytes from `mem_alloc`; whoever holds the pointer owns it.
Functions that change one take `unsigned char**`, because the block may move; element pointers die with every change.
The functions ending in `_in` keep spare room instead: the caller stores the capacity beside the pointer, and frees
with it (or hands the block on as an exact one after `lp_shrink`).
No reader checks bounds: bytes from outside must pass `lp_validate_integrity(..., deep=True)` first.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from iothreads.decimal cimport parse_int64
from server.structures.memory cimport mem_free

cdef enum:
    LP_HEADER = 6                      # bytes before the first element
    LP_EMPTY_BYTES = 7                 # header and end mark
    LP_EOF = 0xFF
    LP_COUNT_UNKNOWN = 0xFFFF          # in the header: more elements than it can say
    LP_MAX_BYTES = 1073741824          # lp_safe_to_add refuses to grow past 1 GB
    LP_INTEGER_TEXT = 21               # room for any int64 in decimal (20 characters, one spare)

cdef enum:                             # `where` of lp_insert
    LP_BEFORE = 0
    LP_AFTER = 1
    LP_REPLACE = 2

cdef struct LpValue:                   # an element as it is read
    const char* s                      # points into the listpack; NULL: the element is `number`
    size_t length                      # bytes at s
    int64_t number

cdef struct LpEncoded:                 # an element about to be written
    unsigned char head[9]              # encoding byte and length, or the whole integer
    uint8_t head_length                # bytes of head in use
    uint8_t backlen                    # bytes of the backlen
    const char* s                      # string bytes, borrowed
    size_t length                      # bytes at s, 0 for an integer
    uint64_t size                      # everything: head, string, backlen

ctypedef bint (*lp_entry_check_t)(const unsigned char* p, uint32_t count, void* context) noexcept nogil

# --- header
cdef inline uint32_t lp_bytes(const unsigned char* lp) noexcept nogil:
    return <uint32_t>lp[0] | (<uint32_t>lp[1] << 8) | (<uint32_t>lp[2] << 16) | (<uint32_t>lp[3] << 24)

cdef inline void lp_set_bytes(unsigned char* lp, uint32_t n) noexcept nogil:
    lp[0] = n & 0xFF
    lp[1] = (n >> 8) & 0xFF
    lp[2] = (n >> 16) & 0xFF
    lp[3] = n >> 24

cdef inline uint32_t lp_header_count(const unsigned char* lp) noexcept nogil:
    return <uint32_t>lp[4] | (<uint32_t>lp[5] << 8)

cdef inline void lp_set_header_count(unsigned char* lp, uint32_t n) noexcept nogil:
    lp[4] = n & 0xFF
    lp[5] = (n >> 8) & 0xFF

cdef inline void lp_count_more(unsigned char* lp, uint32_t more) noexcept nogil:
    """Raise the header's count; it sticks at "unknown"."""
    cdef uint32_t n = lp_header_count(lp)
    if n != LP_COUNT_UNKNOWN:
        lp_set_header_count(lp, n + more if n + more < LP_COUNT_UNKNOWN else LP_COUNT_UNKNOWN)

cdef inline void lp_count_less(unsigned char* lp, uint32_t less) noexcept nogil:
    cdef uint32_t n = lp_header_count(lp)
    if n != LP_COUNT_UNKNOWN:
        lp_set_header_count(lp, n - less)

cdef inline bint lp_safe_to_add(const unsigned char* lp, size_t add) noexcept nogil:
    """Whether `add` more bytes keep the block within 1 GB; NULL stands for a listpack yet to be made."""
    return (lp_bytes(lp) if lp != NULL else 0) + add <= LP_MAX_BYTES

# --- sizes of an element
cdef inline uint64_t lp_entry_size(const unsigned char* p) noexcept nogil:
    """Bytes of the element at p without its backlen; 0 for a byte that starts no element."""
    cdef unsigned char b = p[0]
    if b < 0x80:
        return 1
    if b < 0xC0:
        return 1 + (b & 0x3F)
    if b < 0xE0:
        return 2
    if b < 0xF0:
        return 2 + ((<uint32_t>(b & 15) << 8) | p[1])
    if b == 0xF0:
        return <uint64_t>5 + lp_bytes(p + 1)
    if b <= 0xF3:
        return b - 0xEE
    if b == 0xF4:
        return 9
    return 1 if b == LP_EOF else 0

cdef inline uint32_t lp_head_size(const unsigned char* p) noexcept nogil:
    """Bytes of the encoding byte and its length field; 0 for a byte that starts no element."""
    cdef unsigned char b = p[0]
    if b < 0xE0:
        return 1
    if b < 0xF0:
        return 2
    if b == 0xF0:
        return 5
    return 1 if b <= 0xF4 or b == LP_EOF else 0

cdef inline uint32_t lp_backlen_size(uint64_t size) noexcept nogil:
    if size <= 127:
        return 1
    if size < 16383:
        return 2
    if size < 2097151:
        return 3
    return 4 if size < 268435455 else 5

cdef inline void lp_write_backlen(unsigned char* p, uint64_t size, uint32_t bytes) noexcept nogil:
    """Seven bits a byte, the lowest last; all but the first byte carry the high bit."""
    while bytes > 1:
        bytes -= 1
        p[bytes] = (size & 127) | 128
        size >>= 7
    p[0] = <unsigned char>size

cdef inline uint64_t lp_read_backlen(const unsigned char* last) noexcept nogil:
    """The size told by a backlen that ends at `last`; UINT64_MAX if it is longer than five bytes."""
    cdef uint64_t size = last[0] & 127
    cdef int shift = 0
    while last[0] & 128:
        last -= 1
        shift += 7
        if shift > 28:
            return <uint64_t>-1
        size |= <uint64_t>(last[0] & 127) << shift
    return size

# --- walking. p is an element of lp; none of these looks at the bytes of strings.
cdef inline unsigned char* lp_skip(const unsigned char* p) noexcept nogil:
    """What follows the element at p: the next element or the end mark."""
    cdef unsigned char b = p[0]
    cdef uint64_t size
    if b < 0x80:
        return <unsigned char*>p + 2
    if b < 0xC0:
        return <unsigned char*>p + 2 + (b & 0x3F)
    size = lp_entry_size(p)
    return <unsigned char*>p + size + lp_backlen_size(size)

cdef inline unsigned char* lp_first(const unsigned char* lp) noexcept nogil:
    return <unsigned char*>lp + LP_HEADER if lp[LP_HEADER] != LP_EOF else NULL

cdef inline unsigned char* lp_next(const unsigned char* lp, const unsigned char* p) noexcept nogil:
    p = lp_skip(p)
    return <unsigned char*>p if p[0] != LP_EOF else NULL

cdef inline unsigned char* lp_prev(const unsigned char* lp, const unsigned char* p) noexcept nogil:
    """The element before p, which may be the end mark; NULL at the front."""
    cdef uint64_t size
    if p == lp + LP_HEADER:
        return NULL
    size = lp_read_backlen(p - 1)
    return <unsigned char*>p - size - lp_backlen_size(size)

cdef inline unsigned char* lp_last(const unsigned char* lp) noexcept nogil:
    return lp_prev(lp, lp + lp_bytes(lp) - 1)

cdef unsigned char* lp_seek(const unsigned char* lp, int64_t index) noexcept nogil      # from the nearer end; negative counts from the tail; NULL outside
cdef uint64_t lp_length(unsigned char* lp) noexcept nogil                               # O(1) up to 65534 elements, else it counts them

# --- reading
cdef inline void lp_get(const unsigned char* p, LpValue* out) noexcept nogil:
    """The element at p: its bytes where they are, or its integer."""
    cdef unsigned char b = p[0]
    cdef uint64_t u
    out.s = NULL
    out.length = 0
    if b < 0x80:
        out.number = b
    elif b < 0xC0:
        out.s = <const char*>p + 1
        out.length = b & 0x3F
    elif b < 0xE0:
        out.number = <int64_t>(((b & 0x1F) << 8) | p[1])
        if b & 0x10:
            out.number -= 8192
    elif b < 0xF0:
        out.s = <const char*>p + 2
        out.length = (<uint32_t>(b & 15) << 8) | p[1]
    elif b == 0xF0:
        out.s = <const char*>p + 5
        out.length = lp_bytes(p + 1)
    elif b == 0xF1:
        u = <uint64_t>p[1] | (<uint64_t>p[2] << 8)
        out.number = <int64_t>(u << 48) >> 48
    elif b == 0xF2:
        u = <uint64_t>p[1] | (<uint64_t>p[2] << 8) | (<uint64_t>p[3] << 16)
        out.number = <int64_t>(u << 40) >> 40
    elif b == 0xF3:
        out.number = <int64_t>(<uint64_t>lp_bytes(p + 1) << 32) >> 32
    else:
        out.number = <int64_t>(<uint64_t>lp_bytes(p + 1) | (<uint64_t>lp_bytes(p + 5) << 32))

cdef inline bint lp_get_integer_if(const unsigned char* p, int64_t* number) noexcept nogil:
    """Store the element's integer and say so; a string, even of digits, is left alone."""
    cdef LpValue value
    lp_get(p, &value)
    if value.s != NULL:
        return False
    number[0] = value.number
    return True

cdef int lp_integer_text(int64_t number, char* text) noexcept nogil                     # writes at most LP_INTEGER_TEXT bytes; returns how many
cdef bint lp_compare(const unsigned char* p, const char* s, size_t n) noexcept nogil    # element equals these bytes (integers by value)
cdef unsigned char* lp_find(const unsigned char* lp, const unsigned char* p, const char* s, size_t n, uint32_t skip) noexcept nogil
    # the first element equal to s at p or after it, looking at every (skip + 1)th; NULL without one. Hashes: skip = 1.

# --- encoding
cdef inline void lp_encode_integer(LpEncoded* e, int64_t v) noexcept nogil:
    cdef uint64_t u = <uint64_t>v
    cdef int i, n
    e.s = NULL
    e.length = 0
    e.backlen = 1
    if 0 <= v <= 127:
        e.head[0] = <unsigned char>v
        e.head_length = 1
    elif -4096 <= v <= 4095:
        e.head[0] = 0xC0 | ((u >> 8) & 0x1F)
        e.head[1] = u & 0xFF
        e.head_length = 2
    else:
        if -32768 <= v <= 32767:
            e.head[0] = 0xF1
            n = 2
        elif -8388608 <= v <= 8388607:
            e.head[0] = 0xF2
            n = 3
        elif -2147483648LL <= v <= 2147483647LL:
            e.head[0] = 0xF3
            n = 4
        else:
            e.head[0] = 0xF4
            n = 8
        for i in range(n):
            e.head[1 + i] = (u >> (8 * i)) & 0xFF
        e.head_length = n + 1
    e.size = e.head_length + 1

cdef inline void lp_encode_string(LpEncoded* e, const char* s, size_t n) noexcept nogil:
    """Bytes known not to be an integer."""
    e.s = s
    e.length = n
    if n < 64:
        e.head[0] = 0x80 | <unsigned char>n
        e.head_length = 1
        e.backlen = 1
        e.size = n + 2
        return
    if n < 4096:
        e.head[0] = 0xE0 | <unsigned char>(n >> 8)
        e.head[1] = n & 0xFF
        e.head_length = 2
    else:
        e.head[0] = 0xF0
        lp_set_bytes(&e.head[1], <uint32_t>n)
        e.head_length = 5
    e.backlen = lp_backlen_size(e.head_length + n)
    e.size = e.head_length + n + e.backlen

cdef inline void lp_encode(LpEncoded* e, const char* s, size_t n) noexcept nogil:
    """Choose the encoding of these bytes; s stays borrowed until lp_write."""
    cdef int64_t number
    if 0 < n <= 20 and (c'0' <= s[0] <= c'9' or s[0] == c'-') and parse_int64(s, n, &number):
        lp_encode_integer(e, number)
    else:
        lp_encode_string(e, s, n)

cdef inline void lp_write(unsigned char* p, const LpEncoded* e) noexcept nogil:
    """Lay the e.size bytes of an element down at p."""
    cdef int i
    p[0] = e.head[0]
    for i in range(1, e.head_length):
        p[i] = e.head[i]
    if e.length:
        memcpy(p + e.head_length, e.s, e.length)
    p += e.head_length + e.length
    if e.backlen == 1:
        p[0] = <unsigned char>(e.size - 1)
    else:
        lp_write_backlen(p, e.size - e.backlen, e.backlen)

# --- life
cdef unsigned char* lp_new() noexcept nogil
cdef unsigned char* lp_dup(const unsigned char* lp) noexcept nogil

cdef inline void lp_free(unsigned char* lp) noexcept nogil:
    mem_free(lp, lp_bytes(lp))

# --- changing an exact block. 0: the block would pass 4 GB, nothing was done. *p is an element, after the call the new one.
cdef bint lp_append(unsigned char** lp, const char* s, size_t n) noexcept nogil
cdef bint lp_append_integer(unsigned char** lp, int64_t number) noexcept nogil
cdef bint lp_prepend(unsigned char** lp, const char* s, size_t n) noexcept nogil
cdef bint lp_prepend_integer(unsigned char** lp, int64_t number) noexcept nogil
cdef bint lp_insert(unsigned char** lp, const char* s, size_t n, unsigned char** p, int where) noexcept nogil
cdef bint lp_insert_integer(unsigned char** lp, int64_t number, unsigned char** p, int where) noexcept nogil
cdef bint lp_replace(unsigned char** lp, unsigned char** p, const char* s, size_t n) noexcept nogil
cdef bint lp_replace_integer(unsigned char** lp, unsigned char** p, int64_t number) noexcept nogil
cdef void lp_delete(unsigned char** lp, unsigned char** p) noexcept nogil                    # *p: the element that follows, or NULL
cdef uint64_t lp_delete_range(unsigned char** lp, int64_t index, uint64_t count) noexcept nogil      # returns elements deleted
cdef uint64_t lp_delete_range_at(unsigned char** lp, unsigned char** p, uint64_t count) noexcept nogil
cdef void lp_batch_delete(unsigned char** lp, unsigned char** elements, size_t count) noexcept nogil # pointers in the listpack's order
cdef bint lp_merge(unsigned char** first, unsigned char** second) noexcept nogil             # second's elements move behind first's; *second becomes NULL

# --- changing a block with spare room (capacity in bytes, the caller's; it grows by a quarter at least)
cdef bint lp_append_in(unsigned char** lp, size_t* capacity, const char* s, size_t n) noexcept nogil
cdef bint lp_append_integer_in(unsigned char** lp, size_t* capacity, int64_t number) noexcept nogil
cdef bint lp_insert_in(unsigned char** lp, size_t* capacity, const char* s, size_t n, unsigned char** p, int where) noexcept nogil
cdef bint lp_insert_integer_in(unsigned char** lp, size_t* capacity, int64_t number, unsigned char** p, int where) noexcept nogil
cdef void lp_delete_in(unsigned char** lp, size_t* capacity, unsigned char** p) noexcept nogil
cdef unsigned char* lp_new_in(size_t capacity) noexcept nogil                                # empty, of so many bytes
cdef void lp_shrink(unsigned char** lp, size_t capacity) noexcept nogil                      # gives the spare room back: an exact block again

# --- the same within memory that is known to suffice
cdef void lp_put(unsigned char* lp, size_t offset, size_t replaced, const LpEncoded* e) noexcept nogil   # e in place of `replaced` bytes; counts +1 unless replaced
cdef uint64_t lp_cut(unsigned char* lp, unsigned char* p, uint64_t count) noexcept nogil     # drops up to so many elements from p on; returns how many

# --- foreign bytes
cdef bint lp_validate_next(const unsigned char* lp, const unsigned char** p, size_t bytes) noexcept nogil   # one element; *p moves on, NULL at the end
cdef bint lp_validate_integrity(const unsigned char* lp, size_t size, bint deep, lp_entry_check_t check, void* context) noexcept nogil
    # never reads outside the `size` bytes; check (may be NULL) sees each element with the header's count and may refuse it

# --- arithmetic and chance
cdef uint64_t lp_estimate(int64_t number, uint64_t count) noexcept nogil                     # bytes of a listpack of `number` count times

cdef inline uint64_t lp_random(uint64_t* state) noexcept nogil:
    """The next 64 random bits of the caller's generator (splitmix64); any state will do."""
    cdef uint64_t z
    state[0] += <uint64_t>0x9E3779B97F4A7C15
    z = state[0]
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)

cdef inline uint64_t lp_random_below(uint64_t* state, uint64_t limit) noexcept nogil:
    """A number in 0..limit-1; limit is below 2**32, the bias too small to matter."""
    return ((lp_random(state) >> 32) * limit) >> 32

cdef void lp_random_pair(unsigned char* lp, uint64_t pairs, uint64_t* state, LpValue* key, LpValue* value) noexcept nogil
    # pairs: lp_length / 2, not 0; value may be NULL
cdef void lp_random_pairs(unsigned char* lp, uint32_t count, uint64_t* state, LpValue* keys, LpValue* values) noexcept nogil
    # count draws with repetition, in the order drawn; one pass. values may be NULL; lp must hold a pair
cdef uint32_t lp_random_pairs_unique(unsigned char* lp, uint32_t count, uint64_t* state, LpValue* keys, LpValue* values) noexcept nogil
    # without repetition, in the listpack's order; returns how many (all, if there are fewer)
cdef void lp_random_entries(unsigned char* lp, uint32_t count, uint64_t* state, LpValue* values) noexcept nogil   # single elements, with repetition
cdef unsigned char* lp_next_random(unsigned char* lp, unsigned char* p, uint64_t* index, uint64_t remaining, bint even_only, uint64_t* state) noexcept nogil
    # selection sampling from p (its place in *index) on: picks `remaining` of what is left, one per call; then step past it

cdef bytes lp_repr(unsigned char* lp)                                                        # what DEBUG LISTPACK prints
