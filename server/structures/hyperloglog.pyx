# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""HyperLogLogs: registers in their two encodings, and the estimate; hyperloglog.pxd shows the bytes.

An element's hash (MurmurHash64A) names a register by its low 14 bits; the register keeps the longest run of zero bits
seen above them, plus one. How often each value occurs in the registers is all that the estimate needs (Ertl, "New
cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284).

hyperloglog_sparse edits the sparse encoding.
"""
import os

from libc.math cimport INFINITY, ceil, llround, sqrt
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from server.structures.hyperloglog_sparse cimport VAL, ZERO, Run, run_read, sparse_set

hll_sparse_max = 3000

cdef extern from *:
    int __builtin_ctzll(unsigned long long value) noexcept nogil

cdef enum:
    INDEX_BITS = 14
    HASH_BITS = 50                     # what the index leaves of the hash; runs are 1 to 51


# --- hashing

cdef inline uint64_t little_endian(const uint8_t* p, size_t bytes) noexcept nogil:
    cdef uint64_t value = 0
    cdef size_t i
    for i in range(bytes):
        value |= <uint64_t>p[i] << (8 * i)
    return value


cdef uint64_t murmur64a(const uint8_t* data, size_t length, uint64_t seed) noexcept nogil:
    cdef uint64_t m = 0xc6a4a7935bd1e995ULL
    cdef uint64_t h = seed ^ (length * m)
    cdef uint64_t k
    while length >= 8:
        k = little_endian(data, 8) * m
        k ^= k >> 47
        h = (h ^ (k * m)) * m
        data += 8
        length -= 8
    if length:
        h = (h ^ little_endian(data, length)) * m
    h = (h ^ (h >> 47)) * m
    return h ^ (h >> 47)


cdef inline int pattern(const char* element, size_t size, int* index) noexcept nogil:
    """The element's register, and how long its run of zeros is, with the one that ends it."""
    cdef uint64_t hash = murmur64a(<const uint8_t*>element, size, 0xadc83b19ULL)
    index[0] = <int>(hash & (HLL_REGISTERS - 1))
    return 1 + __builtin_ctzll((hash >> INDEX_BITS) | (<uint64_t>1 << HASH_BITS))


# --- the header

cdef bint hll_is_valid(const uint8_t* data, size_t length) noexcept nogil:
    if length < HLL_HEADER or memcmp(data, b"HYLL", 4) != 0 or data[4] > HLL_SPARSE:
        return False
    return data[4] == HLL_SPARSE or length == HLL_DENSE_SIZE


cdef void hll_new(uint8_t* data) noexcept nogil:
    memset(data, 0, HLL_HEADER)
    memcpy(data, b"HYLL", 4)
    data[4] = HLL_SPARSE
    data[HLL_HEADER] = 0x7F            # one XZERO for all registers
    data[HLL_HEADER + 1] = 0xFF


cdef bint hll_cached(const uint8_t* data, uint64_t* cardinality) noexcept nogil:
    cardinality[0] = little_endian(data + 8, 8)
    return not data[15] & 0x80


cdef void hll_cache(uint8_t* data, uint64_t cardinality) noexcept nogil:
    cdef int i
    for i in range(8):
        data[8 + i] = <uint8_t>(cardinality >> (8 * i))


cdef void hll_invalidate(uint8_t* data) noexcept nogil:
    data[15] |= 0x80


# --- dense registers

cdef inline int dense_get(const uint8_t* registers, int index) noexcept nogil:
    cdef const uint8_t* p = registers + index * 6 // 8
    cdef int shift = index * 6 & 7
    if shift <= 2:
        return (p[0] >> shift) & 63
    return (p[0] >> shift | p[1] << (8 - shift)) & 63


cdef inline void dense_put(uint8_t* registers, int index, int value) noexcept nogil:
    cdef uint8_t* p = registers + index * 6 // 8
    cdef int shift = index * 6 & 7
    p[0] = <uint8_t>((p[0] & ~(63 << shift)) | value << shift)
    if shift > 2:
        p[1] = <uint8_t>((p[1] & ~(63 >> (8 - shift))) | value >> (8 - shift))


cdef inline bint dense_raise(uint8_t* registers, int index, int value) noexcept nogil:
    if value <= dense_get(registers, index):
        return False
    dense_put(registers, index, value)
    return True


# --- sparse to dense

cdef bint hll_to_dense(const uint8_t* sparse, size_t length, uint8_t* dense) noexcept nogil:
    cdef const uint8_t* p = sparse + HLL_HEADER
    cdef const uint8_t* end = sparse + length
    cdef Run run
    cdef int i, index = 0
    memcpy(dense, sparse, HLL_HEADER)
    dense[4] = HLL_DENSE
    memset(dense + HLL_HEADER, 0, HLL_DENSE_SIZE - HLL_HEADER)
    while p < end:
        if not run_read(p, end, &run) or index + run.length > HLL_REGISTERS:
            return False
        if run.value:
            for i in range(index, index + run.length):
                dense_put(dense + HLL_HEADER, i, run.value)
        index += run.length
        p += run.size
    return index == HLL_REGISTERS


# --- adding

cdef int hll_set(uint8_t* data, size_t* length, size_t capacity, int index, int count, size_t sparse_max,
                 HllMarks* marks) noexcept nogil:
    cdef int result
    if data[4] == HLL_DENSE:
        result = HLL_CHANGED if dense_raise(data + HLL_HEADER, index, count) else HLL_SAME
    else:
        result = sparse_set(data, length, capacity, index, count, sparse_max, marks)
    if result == HLL_CHANGED:
        hll_invalidate(data)
    return result


cdef int hll_add(uint8_t* data, size_t* length, size_t capacity, const char* element, size_t size, size_t sparse_max,
                 HllMarks* marks) noexcept nogil:
    cdef int index, count = pattern(element, size, &index)
    return hll_set(data, length, capacity, index, count, sparse_max, marks)


# --- counting

cdef double sigma(double x) noexcept nogil:
    cdef double before = -1
    cdef double y = 1
    cdef double z = x
    if x == 1.0:
        return INFINITY
    while before != z:
        x *= x
        before = z
        z += x * y
        y += y
    return z


cdef double tau(double x) noexcept nogil:
    cdef double before = -1
    cdef double y = 1
    cdef double z = 1 - x
    if x == 0.0 or x == 1.0:
        return 0
    while before != z:
        x = sqrt(x)
        before = z
        y *= 0.5
        z -= (1 - x) * (1 - x) * y
    return z / 3


cdef uint64_t estimate(const int* histogram) noexcept nogil:
    """The cardinality, from how many registers have each value. (0.72...: 0.5 / ln 2)"""
    cdef double m = HLL_REGISTERS
    cdef double z = m * tau((m - histogram[HASH_BITS + 1]) / m)
    cdef int value
    for value in range(HASH_BITS, 0, -1):
        z += histogram[value]
        z *= 0.5
    z += m * sigma(histogram[0] / m)
    return <uint64_t>llround(0.721347520444481703680 * m * m / z)


cdef void dense_histogram(const uint8_t* p, int* histogram) noexcept nogil:
    cdef int i
    for i in range(HLL_REGISTERS // 4):                # three bytes are four registers
        histogram[p[0] & 63] += 1
        histogram[(p[0] >> 6 | p[1] << 2) & 63] += 1
        histogram[(p[1] >> 4 | p[2] << 4) & 63] += 1
        histogram[p[2] >> 2] += 1
        p += 3


cdef bint sparse_histogram(const uint8_t* p, const uint8_t* end, int* histogram) noexcept nogil:
    cdef Run run
    cdef int index = 0
    while p < end:
        if not run_read(p, end, &run) or index + run.length > HLL_REGISTERS:
            return False
        histogram[run.value] += run.length
        index += run.length
        p += run.size
    return index == HLL_REGISTERS


cdef bint hll_count(const uint8_t* data, size_t length, uint64_t* cardinality) noexcept nogil:
    cdef int[64] histogram
    memset(histogram, 0, sizeof(histogram))
    if data[4] == HLL_DENSE:
        dense_histogram(data + HLL_HEADER, histogram)
    elif not sparse_histogram(data + HLL_HEADER, data + length, histogram):
        return False
    cardinality[0] = estimate(histogram)
    return True


cdef uint64_t hll_count_registers(const uint8_t* registers) noexcept nogil:
    cdef int[64] histogram
    cdef int i, k
    cdef uint64_t eight                # most registers of a union of small ones are 0
    memset(histogram, 0, sizeof(histogram))
    for i in range(0, HLL_REGISTERS, 8):
        memcpy(&eight, registers + i, 8)
        histogram[0] += 8 * (eight == 0)
        for k in range(8 if eight else 0):
            histogram[registers[i + k] & 63] += 1
    return estimate(histogram)


cdef inline void _unpack(const uint8_t* p, uint8_t* registers) noexcept nogil:
    """Dense registers to a byte each: three bytes are four registers."""
    cdef uint32_t x
    cdef int i
    for i in range(0, HLL_REGISTERS, 4):
        x = p[0] | <uint32_t>p[1] << 8 | <uint32_t>p[2] << 16
        x = x & 0x3F | (x & 0xFC0) << 2 | (x & 0x3F000) << 4 | (x & 0xFC0000) << 6
        memcpy(registers + i, &x, 4)
        p += 3


cdef inline void _pack(const uint8_t* registers, uint8_t* p) noexcept nogil:
    cdef uint32_t x
    cdef int i
    for i in range(0, HLL_REGISTERS, 4):
        memcpy(&x, registers + i, 4)
        x = x & 0x3F | x >> 2 & 0xFC0 | x >> 4 & 0x3F000 | x >> 6 & 0xFC0000
        p[0] = <uint8_t>x
        p[1] = <uint8_t>(x >> 8)
        p[2] = <uint8_t>(x >> 16)
        p += 3


cdef int hll_take(uint8_t* data, size_t* length, const uint8_t* registers, bint dense,
                  size_t sparse_max) noexcept nogil:
    cdef uint8_t[HLL_REGISTERS] all_registers
    cdef uint64_t eight                # most registers of a union of small ones are 0
    cdef int i, k, result
    cdef HllMarks marks
    memset(&marks, 0, sizeof(marks))
    for i in range(0, HLL_REGISTERS if not dense else 0, 8):
        memcpy(&eight, registers + i, 8)
        for k in range(i, i + 8 if eight else i):
            if registers[k] == 0:
                continue
            result = hll_set(data, length, HLL_LONGEST, k, registers[k], sparse_max, &marks)
            if result == HLL_CORRUPT:
                return HLL_CORRUPT
            dense |= result > HLL_CHANGED
        if dense:
            break
    if dense:
        memcpy(all_registers, registers, HLL_REGISTERS)
        if not hll_merge(all_registers, data, length[0]):
            return HLL_CORRUPT
        data[4] = HLL_DENSE
        _pack(all_registers, data + HLL_HEADER)
        length[0] = HLL_DENSE_SIZE
    hll_invalidate(data)
    return HLL_CHANGED


cdef bint hll_merge(uint8_t* registers, const uint8_t* data, size_t length) noexcept nogil:
    cdef const uint8_t* p = data + HLL_HEADER
    cdef const uint8_t* end = data + length
    cdef Run run
    cdef int i, index = 0
    cdef uint8_t[HLL_REGISTERS] unpacked
    if data[4] == HLL_DENSE:
        _unpack(p, unpacked)
        for i in range(HLL_REGISTERS):
            registers[i] = unpacked[i] if unpacked[i] > registers[i] else registers[i]
        return True
    while p < end:
        if not run_read(p, end, &run) or index + run.length > HLL_REGISTERS:
            return False
        for i in range(index, index + run.length if run.value else index):
            registers[i] = max(registers[i], <uint8_t>run.value)
        index += run.length
        p += run.size
    return index == HLL_REGISTERS


# --- the same on bytes, for Python

def set_limits(config) -> None:
    """Follow hll-sparse-max-bytes."""
    global hll_sparse_max
    hll_sparse_max = config.hll_sparse_max_bytes


class CorruptHyperLogLog(ValueError):
    """The registers do not add up: a client wrote over them."""


cdef struct Buffer:                    # a value that is being changed
    uint8_t* data
    size_t length
    size_t capacity


cdef int buffer_open(Buffer* buffer, value) except -1:
    """A copy of the value, or an empty HyperLogLog for None."""
    cdef size_t length = HLL_EMPTY_SIZE if value is None else len(value)
    buffer.capacity = length + 64
    buffer.data = <uint8_t*>malloc(buffer.capacity)
    if buffer.data == NULL:
        raise MemoryError
    buffer.length = length
    if value is None:
        hll_new(buffer.data)
    else:
        memcpy(buffer.data, <const uint8_t*>value, length)
    return 0


cdef int buffer_dense(Buffer* buffer) except -1:
    cdef uint8_t* dense
    if buffer.data[4] == HLL_DENSE:
        return 0
    dense = <uint8_t*>malloc(HLL_DENSE_SIZE)
    if dense == NULL:
        raise MemoryError
    if not hll_to_dense(buffer.data, buffer.length, dense):
        free(dense)
        raise CorruptHyperLogLog
    free(buffer.data)
    buffer.data = dense
    buffer.length = buffer.capacity = HLL_DENSE_SIZE
    return 0


cdef int buffer_set(Buffer* buffer, int index, int count, size_t sparse_max, HllMarks* marks) except -1:
    """1 when the register was raised."""
    cdef uint8_t* bigger
    cdef int result
    while True:
        result = hll_set(buffer.data, &buffer.length, buffer.capacity, index, count, sparse_max, marks)
        if result == HLL_CORRUPT:
            raise CorruptHyperLogLog
        elif result == HLL_NEEDS_DENSE:
            buffer_dense(buffer)
        elif result == HLL_NEEDS_ROOM:
            bigger = <uint8_t*>realloc(buffer.data, buffer.capacity * 2)
            if bigger == NULL:
                raise MemoryError
            buffer.data = bigger
            buffer.capacity *= 2
        else:
            return result


cdef bytes checked(value):
    if not is_valid(value):
        raise TypeError("not a HyperLogLog")
    return value


def is_valid(bytes value not None) -> bool:
    """Whether a string can be used as a HyperLogLog at all (if not, Redis answers WRONGTYPE). O(1)."""
    return hll_is_valid(<const uint8_t*><const char*>value, len(value))


def add(value, elements, size_t sparse_max=3000) -> tuple:
    """PFADD: the new value, and how many changes there were (creating it from None is one). O(1) per element.

    Raises CorruptHyperLogLog. `value` must be valid or None; `sparse_max` is hll-sparse-max-bytes.
    """
    cdef Buffer buffer
    cdef bytes element
    cdef int index, count
    cdef int changes = value is None
    cdef HllMarks marks
    memset(&marks, 0, sizeof(marks))
    buffer_open(&buffer, None if value is None else checked(value))
    try:
        for element in elements:
            count = pattern(<const char*>element, len(element), &index)
            changes += buffer_set(&buffer, index, count, sparse_max, &marks)
        if changes:
            hll_invalidate(buffer.data)                # also when nothing but the key is new, as Redis does
        return (<char*>buffer.data)[:buffer.length], changes
    finally:
        free(buffer.data)


def count(value) -> tuple:
    """PFCOUNT of one key: the cardinality, and the value with the cardinality cached if it was not (else None).

    O(1) when cached, else O(16384). Raises CorruptHyperLogLog.
    """
    cdef bytes data = checked(value)
    cdef const uint8_t* p = <const uint8_t*><const char*>data
    cdef uint64_t cardinality
    cdef uint8_t[8] cache
    if hll_cached(p, &cardinality):
        return cardinality, None
    if not hll_count(p, len(data), &cardinality):
        raise CorruptHyperLogLog
    cache = [<uint8_t>(cardinality >> (8 * i)) for i in range(8)]
    return cardinality, data[:8] + (<char*>cache)[:8] + data[HLL_HEADER:]


cdef int merge_all(uint8_t* registers, values) except -1:
    """Fill the registers with the maximum over all values; 1 when one of them is dense."""
    cdef bytes data
    cdef int dense = 0
    memset(registers, 0, HLL_REGISTERS)
    for value in values:
        data = checked(value)
        if not hll_merge(registers, <const uint8_t*><const char*>data, len(data)):
            raise CorruptHyperLogLog
        dense |= data[4] == HLL_DENSE
    return dense


def count_union(values) -> int:
    """PFCOUNT of several keys: the cardinality of their union. O(16384) each. Raises CorruptHyperLogLog."""
    cdef uint8_t[HLL_REGISTERS] registers
    merge_all(registers, values)
    return hll_count_registers(registers)


def merge(target, sources, size_t sparse_max=3000) -> bytes:
    """PFMERGE: the target (None: a new one) with the sources merged in. O(16384) each.

    Dense when one of them is dense or the sparse form grows too big. Raises CorruptHyperLogLog.
    """
    cdef uint8_t[HLL_REGISTERS] registers
    cdef uint8_t[HLL_LONGEST] data
    cdef size_t length = HLL_EMPTY_SIZE
    cdef bint dense = merge_all(registers, [*sources, *([] if target is None else [target])])
    if target is None:
        hll_new(data)
    else:
        length = len(target)
        if length > HLL_LONGEST:
            raise CorruptHyperLogLog
        memcpy(data, <const uint8_t*><const char*>target, length)
    if hll_take(data, &length, registers, dense, sparse_max) == HLL_CORRUPT:
        raise CorruptHyperLogLog
    return (<char*>data)[:length]


def to_dense(value) -> bytes:
    """The same registers in the dense encoding. Raises CorruptHyperLogLog."""
    cdef Buffer buffer
    buffer_open(&buffer, checked(value))
    try:
        buffer_dense(&buffer)
        return (<char*>buffer.data)[:buffer.length]
    finally:
        free(buffer.data)


def encoding(value) -> str:
    """PFDEBUG ENCODING: "dense" or "sparse"."""
    return "sparse" if checked(value)[4] == HLL_SPARSE else "dense"


def registers(value) -> list:
    """PFDEBUG GETREG: the 16384 registers. Raises CorruptHyperLogLog."""
    cdef bytes dense = to_dense(value)
    cdef const uint8_t* p = <const uint8_t*><const char*>dense + HLL_HEADER
    cdef int i
    return [dense_get(p, i) for i in range(HLL_REGISTERS)]


def decode(value) -> bytes:
    """PFDEBUG DECODE of a sparse value: its opcodes as z:length, Z:length and v:value,length."""
    cdef bytes data = checked(value)
    cdef const uint8_t* p = <const uint8_t*><const char*>data + HLL_HEADER
    cdef const uint8_t* end = <const uint8_t*><const char*>data + len(data)
    cdef Run run
    words = []
    while p < end:
        if not run_read(p, end, &run):
            raise CorruptHyperLogLog
        words.append(b"v:%d,%d" % (run.value, run.length) if run.kind == VAL
                     else b"%s:%d" % (b"z" if run.kind == ZERO else b"Z", run.length))
        p += run.size
    return b" ".join(words)


# --- PFSELFTEST

cdef int registers_keep(uint8_t* dense, uint64_t* seed) noexcept nogil:
    """Registers hold what was put and leave their neighbours alone; the first that does not, or -1."""
    cdef uint8_t[HLL_REGISTERS] expected
    cdef int i
    for i in range(HLL_REGISTERS):
        seed[0] = seed[0] * 6364136223846793005ULL + 1442695040888963407ULL
        expected[i] = <uint8_t>(seed[0] >> 58)
        dense_put(dense + HLL_HEADER, i, expected[i])
    for i in range(HLL_REGISTERS):
        if dense_get(dense + HLL_HEADER, i) != expected[i]:
            return i
    return -1


def selftest(size_t sparse_max=3000, int elements=1000000) -> str | None:
    """PFSELFTEST: None when all is well, else the error text. Takes about 0.1 s."""
    cdef bytearray memory = bytearray(HLL_DENSE_SIZE)
    cdef uint8_t* dense = memory
    cdef size_t length = HLL_DENSE_SIZE
    cdef Buffer other
    cdef uint64_t seed, element, cardinality, second
    cdef int64_t error
    cdef int64_t checkpoint = 1
    cdef int i, index, found
    seed = int.from_bytes(os.urandom(8), "little")
    for i in range(100):
        found = registers_keep(dense, &seed)
        if found >= 0:
            return f"TESTFAILED Register {found} does not keep its value"
    memset(dense + HLL_HEADER, 0, HLL_DENSE_SIZE - HLL_HEADER)
    buffer_open(&other, None)
    try:
        for i in range(1, elements + 1):
            element = <uint64_t>i ^ seed
            found = pattern(<char*>&element, sizeof(element), &index)
            dense_raise(dense + HLL_HEADER, index, found)
            buffer_set(&other, index, found, sparse_max, NULL)
            if i != checkpoint:
                continue
            if <size_t>checkpoint < sparse_max // 2 and other.data[4] != HLL_SPARSE:
                return "TESTFAILED sparse encoding not used"
            hll_count(dense, length, &cardinality)
            if not hll_count(other.data, other.length, &second) or cardinality != second:
                return "TESTFAILED dense/sparse disagree"
            error = checkpoint - <int64_t>cardinality
            if error < 0:
                error = -error
            # Six standard errors; of 10 elements two may share a register by chance, no more.
            if error > (1 if checkpoint == 10 else <int64_t>ceil(6 * 1.04 / 128 * checkpoint)):
                return f"TESTFAILED Too big error. card:{checkpoint} abserr:{error}"
            checkpoint *= 10
        return None
    finally:
        free(other.data)
