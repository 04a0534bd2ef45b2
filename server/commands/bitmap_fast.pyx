# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of bitmaps: GETBIT SETBIT BITCOUNT BITPOS, BITOP, BITFIELD and BITFIELD_RO of few operations."""
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.decimal cimport parse_int64
from iothreads.resp_writer cimport write_header, write_integer, write_null
from server.clients.client cimport Client
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FAST_KEYS, FAST_STRING, FREE, READ, TYPED_SHORT, UNKEYED, WRITE, changed, event_of, find_all, find_at,
    find_live, found, integer_at, is_char, is_word, length_at, missed, overwrite, pass_on, row, word_at)
from server.keyspace.database cimport entry_string_view
from server.structures.bits cimport (BITS_AND, BITS_OR, BITS_XOR, bits_combine, bits_count_range, bits_find_range,
                                     bits_invert)
from server.structures.table cimport TYPE_STRING, Entry, table_delete
from server.types.value cimport release_value

cdef enum:
    MOST_FIELDS = 16                   # operations of one BITFIELD


# ---- single bits
cdef inline bint _bit_offset(Op* op, int64_t* at) noexcept:
    return integer_at(op, 2, at) and 0 <= at[0] and at[0] >> 3 < FAST_STRING


cdef int64_t _getbit(Op* op) except -1:
    cdef int64_t at
    cdef char scratch[24]
    cdef char* start
    cdef int bit = 0
    if not _bit_offset(op, &at):
        return DECLINED
    if op.e != NULL and <size_t>(at >> 3) < entry_string_view(op.e, scratch, &start):
        bit = <uint8_t>start[at >> 3] >> (7 - (at & 7)) & 1
    write_integer(op.out, bit)
    return 0


cdef int64_t _setbit(Op* op) except -1:
    cdef char scratch[24]
    cdef char* start
    cdef char byte = 0
    cdef char mask
    cdef int64_t at
    cdef size_t length = 0
    cdef char* bit = word_at(op, 3)
    if not _bit_offset(op, &at) or length_at(op, 3) != 1 or not c'0' <= bit[0] <= c'1':
        return DECLINED
    if op.e != NULL:
        length = entry_string_view(op.e, scratch, &start)
        if <size_t>(at >> 3) < length:
            byte = start[at >> 3]
    mask = <char>(0x80 >> (at & 7))
    write_integer(op.out, byte & mask != 0)
    if <size_t>(at >> 3) >= length or (byte & mask != 0) != (bit[0] == c'1'):
        scratch[0] = byte | mask if bit[0] == c'1' else byte & ~mask
        overwrite(op, at >> 3, PyBytes_FromStringAndSize(scratch, 1))
        return 1
    return 0


# ---- ranges
cdef struct Bits:                      # what BITCOUNT and BITPOS look at
    int64_t start
    int64_t end
    bint by_bit


cdef bint _read_range(Op* op, uint32_t at, Bits* bits) noexcept:
    """`[start [end [BYTE | BIT]]]` from argument `at` on; 0 for what the definition must look at."""
    bits.start = 0
    bits.end = -1
    bits.by_bit = op.r.arg_count == at + 3 and is_word(op, at + 2, "bit", 3)
    return (op.r.arg_count <= at + 3
            and (op.r.arg_count <= at or integer_at(op, at, &bits.start))
            and (op.r.arg_count <= at + 1 or integer_at(op, at + 1, &bits.end))
            and (op.r.arg_count <= at + 2 or bits.by_bit or is_word(op, at + 2, "byte", 4)))


cdef bint _resolve(const Bits* bits, int64_t length, int64_t* first, int64_t* last) noexcept:
    """The first and the last bit of a string of so many bytes; 0: the range is empty."""
    cdef int64_t total = length * 8 if bits.by_bit else length
    first[0] = max(bits.start + total if bits.start < 0 else bits.start, 0)
    last[0] = min(max(bits.end + total if bits.end < 0 else bits.end, 0), total - 1)
    if first[0] > last[0]:
        return False
    if not bits.by_bit:
        first[0] = first[0] * 8
        last[0] = last[0] * 8 + 7
    return True


cdef int64_t _bitcount(Op* op) except -1:
    cdef Bits bits
    cdef char scratch[24]
    cdef char* start = NULL
    cdef int64_t length, first, last
    cdef uint64_t count = 0
    if op.r.arg_count == 3 or not _read_range(op, 2, &bits):
        return DECLINED
    if op.e != NULL and not (bits.start < 0 and bits.end < 0 and bits.start > bits.end):
        length = entry_string_view(op.e, scratch, &start)
        if _resolve(&bits, length, &first, &last):
            count = bits_count_range(<uint8_t*>start, first, last)
    write_integer(op.out, count)
    return 0


cdef int64_t _bitpos(Op* op) except -1:
    """Behind a string zeros go on, unless an end is given."""
    cdef Bits bits
    cdef char scratch[24]
    cdef char* start = NULL
    cdef int64_t length, first, last
    cdef int64_t place = -1
    cdef bint bit = is_char(op, 2, c'1')
    if (not (bit or is_char(op, 2, c'0')) or not _read_range(op, 3, &bits)):
        return DECLINED
    if op.e == NULL:
        place = -1 if bit else 0
    else:
        length = entry_string_view(op.e, scratch, &start)
        if _resolve(&bits, length, &first, &last):
            place = bits_find_range(<uint8_t*>start, bit, first, last)
            if place < 0 and not bit and op.r.arg_count < 5:
                place = length * 8
    write_integer(op.out, place)
    return 0


# ---- several strings
cdef enum:
    NOT = 3                            # beside BITS_AND and its like

cdef const Event* _SET = event_of("set")
cdef const Event* _DEL = event_of("del")


cdef int _operation(Op* op) noexcept:
    """-1: none that is known."""
    if is_word(op, 1, "and", 3):
        return BITS_AND
    if is_word(op, 1, "or", 2):
        return BITS_OR
    if is_word(op, 1, "xor", 3):
        return BITS_XOR
    return NOT if is_word(op, 1, "not", 3) and op.r.arg_count == 4 else -1


cdef struct Operand:
    char* bytes
    size_t length
    char scratch[24]


cdef char* _combined(Entry** sources, int count, int operation, size_t* length) except? NULL:
    """The result, of malloc; NULL when it is empty."""
    cdef Operand operands[FAST_KEYS]
    cdef char* result
    cdef int i
    length[0] = 0
    for i in range(count):
        operands[i].length = 0
        if sources[i] != NULL:
            operands[i].length = entry_string_view(sources[i], operands[i].scratch, &operands[i].bytes)
        length[0] = max(length[0], operands[i].length)
    if length[0] == 0:
        return NULL
    result = <char*>malloc(length[0])
    if result == NULL:
        raise MemoryError
    for i in range(count):
        if operands[i].length and i == 0:
            memcpy(result, operands[i].bytes, operands[i].length)
        elif operands[i].length:
            bits_combine(<uint8_t*>result, <uint8_t*>operands[i].bytes, operands[i].length, operation)
        if i == 0 or operation == BITS_AND:
            memset(result + operands[i].length, 0, length[0] - operands[i].length)
    if operation == NOT:
        bits_invert(<uint8_t*>result, length[0])
    return result


cdef int64_t _bitop(Op* op) except -1:
    """What it stores is `raw`, however short, as what was written over."""
    cdef Entry* sources[FAST_KEYS]
    cdef int operation = _operation(op)
    cdef char* result
    cdef size_t length
    if operation < 0 or not find_live(op, 2) or not find_all(op, 3, op.r.arg_count - 3, 1 << TYPE_STRING, sources):
        return DECLINED
    result = _combined(sources, <int>op.r.arg_count - 3, operation, &length)
    if result != NULL:
        op.e = (<Client>op.client).db.store_at(op.e, word_at(op, 2), length_at(op, 2), op.hash, result, length, False)
        overwrite(op, 0, PyBytes_FromStringAndSize(result, 1))
        free(result)
        pass_on(op)
        changed(op, 1, _SET)
    elif op.e != NULL:
        table_delete(op.table, word_at(op, 2), length_at(op, 2), op.hash, release_value)
        pass_on(op)
        changed(op, 1, _DEL)
    write_integer(op.out, <int64_t>length)
    return 0


# ---- fields
cdef enum:                             # what becomes of a number that does not fit
    WRAP = 0
    SATURATE = 1
    FAIL = 2

cdef struct Field:                     # one operation
    bint writes
    bint adds                          # INCRBY
    bint signed
    int width                          # bits
    int overflow
    int64_t offset                     # bits
    int64_t number


cdef bint _read_type(Op* op, uint32_t at, Field* field) noexcept:
    cdef const char* text = word_at(op, at)
    cdef int64_t width
    cdef size_t n = length_at(op, at)
    if n < 2 or (text[0] != c'i' and text[0] != c'u') or not parse_int64(text + 1, n - 1, &width):
        return False
    field.signed = text[0] == c'i'
    field.width = <int>width
    return 1 <= width <= (64 if field.signed else 63)


cdef bint _read_offset(Op* op, uint32_t at, Field* field) noexcept:
    """Bits, or behind a `#` fields."""
    cdef const char* text = word_at(op, at)
    cdef size_t n = length_at(op, at)
    cdef bint fields = n > 1 and text[0] == c'#'
    if not parse_int64(text + fields, n - fields, &field.offset) or not 0 <= field.offset < 8 * FAST_STRING:
        return False
    if fields:
        field.offset *= field.width
    return field.offset < 8 * FAST_STRING - 64


cdef int _overflow(Op* op, uint32_t at) noexcept:
    """-1: none that is known."""
    if at >= op.r.arg_count:
        return -1
    if is_word(op, at, "wrap", 4):
        return WRAP
    if is_word(op, at, "sat", 3):
        return SATURATE
    return FAIL if is_word(op, at, "fail", 4) else -1


cdef int _read_fields(Op* op, Field* fields, bint* writes) noexcept:
    """How many, 0 for what the definition must look at."""
    cdef uint32_t at = 2
    cdef int count = 0
    cdef int overflow = WRAP
    cdef Field* field
    writes[0] = False
    while at < op.r.arg_count:
        if count == MOST_FIELDS:
            return 0
        if is_word(op, at, "overflow", 8):
            overflow = _overflow(op, at + 1)
            if overflow < 0:
                return 0
            at += 2
            continue
        field = &fields[count]
        field.overflow = overflow
        field.adds = is_word(op, at, "incrby", 6)
        field.writes = field.adds or is_word(op, at, "set", 3)
        if (at + 2 + field.writes >= op.r.arg_count or not (field.writes or is_word(op, at, "get", 3))
                or not _read_type(op, at + 1, field) or not _read_offset(op, at + 2, field)):
            return 0
        if field.writes:
            writes[0] = True
            if not integer_at(op, at + 3, &field.number):
                return 0
        count += 1
        at += 3 + field.writes
    return count


cdef uint64_t _bits_at(const uint8_t* p, size_t n, int64_t offset, int width) noexcept:
    """So many bits of a string of n bytes, behind which there are zeros."""
    cdef uint64_t value = 0
    cdef uint8_t byte
    cdef int have, take
    while width:
        have = 8 - <int>(offset & 7)
        take = min(have, width)
        byte = p[offset >> 3] if <size_t>(offset >> 3) < n else 0
        value = (value << take) | (<uint64_t>(byte >> (have - take)) & ((1 << take) - 1))
        offset += take
        width -= take
    return value


cdef inline int64_t _number_of(uint64_t bits, const Field* field) noexcept:
    """As a signed or unsigned number."""
    if field.signed and field.width < 64 and bits >> (field.width - 1):
        bits |= ~<uint64_t>0 << field.width
    return <int64_t>bits


cdef int _store(Op* op, const uint8_t* start, const Field* field, uint64_t bits) except -1:
    """Put bits into a string that is long enough; the entry may move."""
    cdef uint8_t bytes_[16]
    cdef int64_t first = field.offset >> 3
    cdef int64_t size = ((field.offset + field.width - 1) >> 3) - first + 1
    cdef int64_t offset = field.offset & 7
    cdef int width = field.width
    cdef int have, take, mask
    cdef int64_t i
    for i in range(size):
        bytes_[i] = start[first + i]
    while width:
        have = 8 - <int>(offset & 7)
        take = min(have, width)
        width -= take
        mask = ((1 << take) - 1) << (have - take)
        bytes_[offset >> 3] = <uint8_t>((bytes_[offset >> 3] & ~mask)
                                        | (((bits >> width) << (have - take)) & <uint64_t>mask))
        offset += take
    return overwrite(op, first, PyBytes_FromStringAndSize(<char*>bytes_, size))


cdef int _make_room(Op* op, const Field* fields, int count) except -1:
    """Extend the string up to the last bit that is written; 1 when that changed it."""
    cdef char scratch[24]
    cdef char* start
    cdef int64_t last = 0
    cdef int i
    for i in range(count):
        if fields[i].writes:
            last = max(last, (fields[i].offset + fields[i].width - 1) >> 3)
    if op.e != NULL and entry_string_view(op.e, scratch, &start) > <size_t>last:
        return 0
    overwrite(op, last, b"\0")
    return 1


cdef bint _fit(const Field* field, uint64_t old, uint64_t* bits) noexcept:
    """The bits that are to be stored; 0: nothing is, for what does not fit FAILs. As in Redis, a SET whose distance from the
    highest value exceeds 64 bits counts as beyond it, and SET of an unsigned field reads a negative number as the large one
    with the same bits."""
    cdef int64_t high = <int64_t>((<uint64_t>1 << (field.width - field.signed)) - 1)
    cdef int64_t low = -high - 1 if field.signed else 0
    cdef int64_t before = _number_of(old, field)
    cdef bint above, below
    bits[0] = <uint64_t>field.number + (old if field.adds else 0)
    if field.adds:
        above = field.number > 0 and before > high - field.number
        below = field.number < 0 and before < low - field.number if field.signed else <int64_t>bits[0] < 0 and not above
    elif field.signed:
        above, below = field.number > high, field.number < low
    else:
        above, below = <uint64_t>field.number > <uint64_t>high, False
    if not (above or below) or field.overflow == WRAP:
        return True
    if field.overflow == FAIL:
        return False
    if below and not field.adds and <uint64_t>high - <uint64_t>field.number > <uint64_t>INT64_MAX:
        above = True
    bits[0] = <uint64_t>(high if above else low)
    return True


cdef int64_t _write_fields(Op* op, const Field* fields, int count) except -1:
    cdef const Field* field
    cdef char scratch[24]
    cdef char* start
    cdef uint64_t old, bits
    cdef size_t length
    cdef int64_t changes = 0
    cdef bint grown = _make_room(op, fields, count)
    cdef int i
    write_header(op.out, c'*', count)
    for i in range(count):
        field = &fields[i]
        length = entry_string_view(find_at(op, 1), scratch, &start)
        old = _bits_at(<uint8_t*>start, length, field.offset, field.width)
        if not field.writes:
            write_integer(op.out, _number_of(old, field))
            continue
        if not _fit(field, old, &bits):
            write_null(op.out, (<Client>op.client).resp)
            continue
        if field.width < 64:
            bits &= (<uint64_t>1 << field.width) - 1
        write_integer(op.out, _number_of(bits if field.adds else old, field))
        _store(op, <uint8_t*>start, field, bits)
        changes += grown or old != bits
    return 1 if grown and changes == 0 else changes


cdef void _read_only(Op* op, const Field* fields, int count) noexcept:
    cdef char scratch[24]
    cdef char* start = NULL
    cdef size_t length = entry_string_view(op.e, scratch, &start) if op.e != NULL else 0
    cdef int i
    write_header(op.out, c'*', count)
    for i in range(count):
        write_integer(op.out, _number_of(_bits_at(<uint8_t*>start, length, fields[i].offset, fields[i].width),
                                         &fields[i]))


cdef int64_t _bitfield(Op* op) except -1:
    """That of nothing but GET counts as a read."""
    cdef Client c = <Client>op.client
    cdef Field fields[MOST_FIELDS]
    cdef bint writes
    cdef int count = _read_fields(op, fields, &writes)
    if count == 0:
        return DECLINED
    if writes:
        return _write_fields(op, fields, count)
    _read_only(op, fields, count)
    if op.e != NULL:
        found(c, op.e)
    else:
        missed(c, op.b, op.r, 1)
    return 0


cdef int64_t _bitfield_ro(Op* op) except -1:
    cdef Field fields[MOST_FIELDS]
    cdef bint writes
    cdef int count = _read_fields(op, fields, &writes)
    if count == 0 or writes:
        return DECLINED
    _read_only(op, fields, count)
    return 0


row("getbit", READ, TYPE_STRING, _getbit)
row("setbit", WRITE, TYPE_STRING, _setbit, "setbit")
row("bitcount", READ | TYPED_SHORT, TYPE_STRING, _bitcount)
row("bitpos", READ, TYPE_STRING, _bitpos)
row("bitop", FREE | UNKEYED, ANY_TYPE, _bitop)
row("bitfield", WRITE, TYPE_STRING, _bitfield, "setbit")
row("bitfield_ro", READ, TYPE_STRING, _bitfield_ro)
