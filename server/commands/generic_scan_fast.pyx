# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of walking over all keys: KEYS, SCAN, and RANDOMKEY where none may expire.

What a walk finds is kept as entries, which stay where they are until a key changes. A SCAN that meets a key whose time
has come is the definition's, which deletes that.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.resp_writer cimport format_unsigned, write_bulk, write_header, write_null, write_raw
from server.clients.client cimport Client
from server.dispatch.fast_words cimport is_no_number
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FREE, UNKEYED, integer_at, is_expired, is_word, length_at, refuse, row, word_at)
from server.structures.glob cimport glob_begins, glob_match, glob_prefix
from server.structures.memory cimport mem_alloc, mem_free, mem_realloc
from server.structures.slot_keys cimport entry_is_hidden, table_hides
from server.structures.table cimport (
    ENTRY_EXPIRE, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM, TYPE_STRING, TYPE_ZSET, Entry, Table, entry_expire,
    entry_key, entry_key_length, entry_type, table_fair_random, table_scan, table_scan_ahead)
from server.structures.table_walk cimport TableWalk, table_walk, table_walk_next
from server.types.bulk cimport write_short

from server.registry.errors import NO_CURSOR

cdef bytes _NO_CURSOR = NO_CURSOR.encode()

cdef enum:
    AHEAD = 16                         # buckets that are fetched together
    FEW = 128                          # entries that need no memory of their own
    MOST_SCANNED = 100000              # what COUNT may say
    ANY = -1                           # of types; NONE: no key has it
    NONE = -2


cdef struct Walk:
    Table* table
    Entry** found
    size_t count
    size_t capacity
    Entry* few[FEW]
    const char* pattern                # NULL: all keys
    size_t pattern_length
    size_t prefix                      # bytes of it before the first that is no plain one
    int64_t now_ms


cdef inline void _begin(Walk* walk, Op* op) noexcept:
    walk.table = op.table
    walk.found = walk.few
    walk.count = 0
    walk.capacity = FEW
    walk.pattern = NULL
    walk.now_ms = (<Client>op.client).db.keyspace.clock.unix_ms


cdef void _read_pattern(Walk* walk, Op* op, uint32_t at) noexcept:
    walk.pattern = word_at(op, at)
    walk.pattern_length = length_at(op, at)
    walk.prefix = glob_prefix(walk.pattern, walk.pattern_length)
    if walk.pattern_length == 1 and walk.pattern[0] == c'*':
        walk.pattern = NULL


cdef inline bint _matches(const Walk* walk, Entry* e) noexcept:
    return (walk.pattern == NULL
            or glob_begins(walk.pattern, walk.prefix, entry_key(e), entry_key_length(e))
            and glob_match(walk.pattern, walk.pattern_length, entry_key(e), entry_key_length(e), False))


cdef void _grow(Walk* walk) noexcept:
    cdef size_t bytes = walk.capacity * sizeof(Entry*)
    cdef size_t i
    cdef Entry** more
    if walk.found != walk.few:
        walk.found = <Entry**>mem_realloc(walk.found, bytes, 2 * bytes)
    else:
        more = <Entry**>mem_alloc(2 * bytes)
        for i in range(walk.count):
            more[i] = walk.few[i]
        walk.found = more
    walk.capacity *= 2


cdef inline void _end(Walk* walk) noexcept:
    if walk.found != walk.few:
        mem_free(walk.found, walk.capacity * sizeof(Entry*))


cdef inline void _keep(Walk* walk, Entry* e) noexcept:
    if walk.count == walk.capacity:
        _grow(walk)
    walk.found[walk.count] = e
    walk.count += 1


cdef void _write(Walk* walk, Op* op) noexcept:
    cdef size_t i
    write_header(op.out, c'*', walk.count)
    for i in range(walk.count):
        write_short(op.out, entry_key(walk.found[i]), entry_key_length(walk.found[i]))


# ---- KEYS
cdef int64_t _keys(Op* op) except -1:
    cdef Walk walk
    cdef TableWalk all_entries
    cdef Entry* e
    _begin(&walk, op)
    _read_pattern(&walk, op, 1)
    table_walk(&all_entries, op.table)
    while True:
        e = table_walk_next(&all_entries)
        if e == NULL:
            break
        if (_matches(&walk, e) and not (e.klen & ENTRY_EXPIRE and entry_expire(e) < walk.now_ms)
                and not entry_is_hidden(walk.table, e)):
            _keep(&walk, e)
    _write(&walk, op)
    _end(&walk)
    return 0


# ---- SCAN
cdef struct Scan:
    uint64_t cursor
    int64_t count
    int type


cdef int _type_named(Op* op, uint32_t at) noexcept:
    if is_word(op, at, "string", 6):
        return TYPE_STRING
    if is_word(op, at, "hash", 4):
        return TYPE_HASH
    if is_word(op, at, "list", 4):
        return TYPE_LIST
    if is_word(op, at, "set", 3):
        return TYPE_SET
    if is_word(op, at, "zset", 4):
        return TYPE_ZSET
    return TYPE_STREAM if is_word(op, at, "stream", 6) else NONE


cdef bint _read_scan(Op* op, Scan* scan, Walk* walk) noexcept:
    """`cursor [MATCH pattern] [COUNT count] [TYPE type]`; 0 for what the definition must look at."""
    cdef uint32_t at = 2
    cdef int64_t cursor
    if not integer_at(op, 1, &cursor) or cursor < 0 or op.r.arg_count & 1:
        return False
    scan.cursor = <uint64_t>cursor
    scan.count = 10
    scan.type = ANY
    while at < op.r.arg_count:
        if is_word(op, at, "match", 5):
            _read_pattern(walk, op, at + 1)
        elif is_word(op, at, "type", 4):
            scan.type = _type_named(op, at + 1)
        elif not (is_word(op, at, "count", 5) and integer_at(op, at + 1, &scan.count)
                  and 0 < scan.count <= MOST_SCANNED):
            return False
        at += 2
    return True


cdef int _collect(void* context, Entry* e) noexcept:
    """An entry_visit_t."""
    cdef Walk* walk = <Walk*>context
    if not entry_is_hidden(walk.table, e):
        _keep(walk, e)
    return 0


cdef void _step(Walk* walk, Scan* scan) noexcept:
    """Until COUNT keys came up, or the buckets are ten times as many."""
    cdef int64_t steps = 0
    while True:
        if steps & (AHEAD - 1) == 0:
            table_scan_ahead(walk.table, scan.cursor, <int>min(scan.count, <int64_t>AHEAD))
        steps += 1
        scan.cursor = table_scan(walk.table, scan.cursor, _collect, walk)
        if scan.cursor == 0 or steps >= scan.count * 10 or <int64_t>walk.count >= scan.count:
            break


cdef bint _sieve(Walk* walk, const Scan* scan, Op* op) noexcept:
    """Leave those that match; 0: one of them has expired. Whose type is looked at counts as found."""
    cdef size_t i, left = 0
    cdef Entry* e
    for i in range(walk.count):
        e = walk.found[i]
        if _matches(walk, e):
            if is_expired(<Client>op.client, e):
                return False
            walk.found[left] = e
            left += 1
    walk.count = left
    if scan.type == ANY:
        return True
    (<Client>op.client).db.keyspace.hits += walk.count
    left = 0
    for i in range(walk.count):
        if entry_type(walk.found[i]) == scan.type:
            walk.found[left] = walk.found[i]
            left += 1
    walk.count = left
    return True


cdef int64_t _scan(Op* op) except -1:
    cdef char digits[24]
    cdef Walk walk
    cdef Scan scan
    cdef bint done
    _begin(&walk, op)
    if not _read_scan(op, &scan, &walk):
        return refuse(op, _NO_CURSOR) if is_no_number(op, 1) else DECLINED
    _step(&walk, &scan)
    done = _sieve(&walk, &scan, op)
    if done:
        write_raw(op.out, "*2\r\n", 4)
        write_bulk(op.out, digits, format_unsigned(digits, scan.cursor) - digits)
        _write(&walk, op)
    _end(&walk)
    return 0 if done else DECLINED


# ---- RANDOMKEY
cdef int64_t _randomkey(Op* op) except -1:
    cdef Entry* e
    if op.table.expires or table_hides(op.table):
        return DECLINED
    e = table_fair_random(op.table)
    if e == NULL:
        write_null(op.out, (<Client>op.client).resp)
    else:
        write_bulk(op.out, entry_key(e), entry_key_length(e))
    return 0


row("keys", FREE | UNKEYED, ANY_TYPE, _keys)
row("randomkey", FREE | UNKEYED, ANY_TYPE, _randomkey)
row("scan", FREE | UNKEYED, ANY_TYPE, _scan)
