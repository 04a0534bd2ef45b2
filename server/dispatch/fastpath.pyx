# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.message cimport REFERENCE_MIN, Batch, arg_at, arg_length, output_reference
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport format_unsigned, write_bulk, write_header, write_raw
from server.clients.client cimport Client
from server.dispatch.conditions cimport Conditions, conditions
from server.dispatch.propagate cimport Propagation
from server.dispatch.record cimport Record, fast_t
from server.keyspace.database cimport entry_string_view, parse_int64
from server.structures.long_double cimport parse_long_double
from server.structures.table cimport (Blob, Entry, Table, blob_release, entry_word_ref, table_find, table_hash,
                                      table_prefetch_bucket, table_prefetch_entry)

cdef class Row:
    cdef fast_t fast
    cdef bint keyed

cdef dict _rows = {}                   # command name -> Row: filled as the files of fast paths are imported
cdef Conditions* _conditions = conditions()
cdef Propagation _propagation = None

cdef enum:
    NUMBER_LENGTH = 256                # bytes: longer text may still be a number, for the definition
    LONGEST_WAIT = 1000000             # seconds
    MOST_SCANNED = 1000                # what COUNT may say


cdef void bind_propagation(Propagation propagation):
    global _propagation
    _propagation = propagation


def use_propagation(Propagation propagation) -> None:
    """Tell the fast paths where writes are propagated to."""
    bind_propagation(propagation)


# ---- what they share (see the .pxd)
cdef bint fast_is_propagated() noexcept:
    return _propagation.wanted


cdef void fast_written(Client c, Batch* b, Request* r, int64_t changes) noexcept:
    _conditions.dirty += changes
    if _propagation.wanted:
        _propagate_own(c, b, r)


cdef void fast_written_as(Client c, Batch* b, Request* r, int64_t changes, const char* name, const char* value,
                          size_t length) noexcept:
    _conditions.dirty += changes
    if not _propagation.wanted:
        return
    _propagation.feed_raw(c.db.index, "*3\r\n", 4)
    write_bulk(&_propagation.stream, name, strlen(name))
    write_bulk(&_propagation.stream, arg_at(b, r, 1), arg_length(b, r, 1))
    write_bulk(&_propagation.stream, value, length)


cdef bint fast_warm_members(Batch* b, Request* r, Table* members, uint32_t at=2) noexcept:
    """Runs begin at every FAST_RUN-th command of the batch, so the others pay for one test. First all buckets are asked for,
    then the entries that they point to: by then most buckets have come."""
    cdef uint64_t hashes[FAST_RUN]
    cdef Request* other
    cdef uint32_t i
    cdef uint32_t first = b.next - 1
    cdef uint32_t count = 0
    if first & (FAST_RUN - 1) or first + 1 >= b.command_count:
        return False
    for i in range(first, min(first + FAST_RUN, b.command_count)):
        other = &b.commands[i]
        if other.record == r.record and other.hash == r.hash and other.arg_count > at:
            hashes[count] = table_hash(arg_at(b, other, at), arg_length(b, other, at))
            table_prefetch_bucket(members, hashes[count])
            count += 1
    for i in range(count):
        table_prefetch_entry(members, hashes[i])
    return True


cdef void fast_written_with(Client c, Batch* b, Request* r, int64_t changes, uint32_t at, uint32_t count,
                            const char** words, const size_t* lengths) noexcept:
    cdef uint32_t i
    _conditions.dirty += changes
    if not _propagation.wanted:
        return
    _propagation.feed_raw(c.db.index, NULL, 0)
    write_header(&_propagation.stream, c'*', r.arg_count)
    for i in range(r.arg_count):
        if at <= i < at + count:
            write_bulk(&_propagation.stream, words[i - at], lengths[i - at])
        else:
            write_bulk(&_propagation.stream, arg_at(b, r, i), arg_length(b, r, i))


cdef void fast_written_otherwise(Client c, int64_t changes, uint32_t count, const FastWord* words) noexcept:
    cdef uint32_t i
    _conditions.dirty += changes
    if not _propagation.wanted:
        return
    _propagation.feed_raw(c.db.index, NULL, 0)
    write_header(&_propagation.stream, c'*', count)
    for i in range(count):
        write_bulk(&_propagation.stream, words[i].s, words[i].n)


cdef void _propagate_own(Client c, Batch* b, Request* r) noexcept:
    cdef uint64_t i
    if r.bytes_length:
        _propagation.feed_raw(c.db.index, b.buffer + r.bytes, r.bytes_length)
        return
    _propagation.feed_raw(c.db.index, NULL, 0)       # an inline command: written anew
    write_header(&_propagation.stream, c'*', r.arg_count)
    for i in range(r.arg_count):
        write_bulk(&_propagation.stream, arg_at(b, r, i), arg_length(b, r, i))


cdef void _release_blob(void* blob) noexcept:
    blob_release(<Blob*>blob)


cdef void fast_reply_string(Client c, Entry* e) noexcept:
    cdef char scratch[24]
    cdef char* start
    cdef size_t length = entry_string_view(e, scratch, &start)
    cdef Blob* blob
    if length >= REFERENCE_MIN:
        blob = <Blob*>entry_word_ref(e)[0]
        blob.references += 1
        write_header(&c.out, c'$', length)
        output_reference(&c.out, blob.data, length, blob, _release_blob)
        write_raw(&c.out, "\r\n", 2)
    else:
        write_bulk(&c.out, start, length)


cdef int fast_overwrite(Client c, Batch* b, Request* r, Entry* e, size_t offset, bytes data) except -1:
    if e != NULL:
        c.db._overwrite(e, r.hash, offset, data)
    else:
        c.db.set_range(PyBytes_FromStringAndSize(arg_at(b, r, 1), arg_length(b, r, 1)), offset, data)
    return 0


cdef int fast_hash_keys(Client c, Batch* b, Request* r, int first, int step, uint64_t* hashes) noexcept:
    """Hash up to FAST_KEYS keys and warm their buckets, then their entries; the number of keys, or 0 when there are more."""
    cdef int i, count = (<int>r.arg_count - first + step - 1) // step
    if count > FAST_KEYS:
        return 0
    for i in range(count):
        hashes[i] = table_hash(arg_at(b, r, first + i * step), arg_length(b, r, first + i * step))
        table_prefetch_bucket(c.db.table, hashes[i])
    for i in range(count):
        table_prefetch_entry(c.db.table, hashes[i])
    return count


cdef int fast_first(Client c, Batch* b, Request* r, uint32_t first, uint32_t end, int type, FastPlace* place) noexcept:
    cdef uint32_t i
    for i in range(first, end):
        place.hash = table_hash(arg_at(b, r, i), arg_length(b, r, i))
        place.e = table_find(c.db.table, arg_at(b, r, i), arg_length(b, r, i), place.hash)
        if place.e != NULL:
            place.at = i
            return 1 if fast_plain(place.e, type, c.db.keyspace) else -1
    return 0


cdef bint fast_read_pops(Batch* b, Request* r, uint32_t at, FastPops* pops) noexcept:
    cdef int64_t keys
    if not parse_int64(arg_at(b, r, at), arg_length(b, r, at), &keys) or not 0 < keys <= FAST_KEYS:
        return False
    pops.first = at + 1
    pops.end = pops.first + <uint32_t>keys
    pops.count = 1
    if r.arg_count == pops.end + 1:
        return True
    return (r.arg_count == pops.end + 3 and fast_is_word(b, r, pops.end + 1, "count", 5)
            and parse_int64(arg_at(b, r, pops.end + 2), arg_length(b, r, pops.end + 2), &pops.count)
            and 0 < pops.count <= FAST_DRAWN)


cdef bint fast_is_wait(Batch* b, Request* r, uint32_t at) noexcept:
    cdef int64_t seconds
    return parse_int64(arg_at(b, r, at), arg_length(b, r, at), &seconds) and 0 <= seconds <= LONGEST_WAIT


cdef bint fast_expired_key(Client c, Batch* b, Request* r, uint32_t at, uint64_t hash) noexcept:
    cdef Entry* e
    if c.db.table.expires == 0:
        return False
    e = table_find(c.db.table, arg_at(b, r, at), arg_length(b, r, at), hash)
    return e != NULL and fast_expired(e, c.db.keyspace)


cdef bint fast_number(const char* s, size_t n, long double* value) noexcept:
    cdef char text[NUMBER_LENGTH + 1]
    if n > NUMBER_LENGTH:
        return False
    memcpy(text, s, n)
    text[n] = 0                        # the parser wants it
    return parse_long_double(text, n, value)


cdef bint fast_scan_words(Batch* b, Request* r, uint32_t at, uint64_t* cursor, int64_t* count) noexcept:
    cdef int64_t number
    count[0] = 10
    if not parse_int64(arg_at(b, r, at), arg_length(b, r, at), &number) or number < 0:
        return False
    cursor[0] = <uint64_t>number
    return r.arg_count == at + 1 or (r.arg_count == at + 3 and fast_is_word(b, r, at + 1, "count", 5)
                                     and parse_int64(arg_at(b, r, at + 2), arg_length(b, r, at + 2), count)
                                     and 0 < count[0] <= MOST_SCANNED)


cdef int fast_write_scanned(Client c, uint64_t cursor, list found) except -1:
    cdef char digits[24]
    write_raw(&c.out, "*2\r\n", 4)
    write_bulk(&c.out, digits, format_unsigned(digits, cursor) - digits)
    return fast_write_list(c, c'*', found)


cdef int fast_write_list(Client c, char kind, list found) except -1:
    cdef bytes word
    write_header(&c.out, kind, len(found))
    for word in found:
        write_bulk(&c.out, PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word))
    return 0


cdef int fast_path(str name, fast_t fast, bint keyed=True) except -1:
    cdef Row row = Row.__new__(Row)
    row.fast = fast
    row.keyed = keyed
    _rows[name] = row
    return 0


cdef int attach_fast_path(dict records, str name, fast_t fast, bint keyed=True) except -1:
    cdef Record record = records.get(name)
    if record is not None:
        record.fast = fast
        record.prefetch = keyed
    return 0


def attach_fast_paths(dict commands) -> None:
    """Give the records of registry.command.COMMANDS the fast paths that were declared. Called after build_records."""
    cdef Row row
    for command in commands.values():
        row = _rows.get(command.name)
        if row is not None:
            (<Record>command.record).fast = row.fast
            (<Record>command.record).prefetch = row.keyed


def fast_path_names(dict commands) -> list[str]:
    """The commands that have one."""
    return [command.name for command in commands.values() if (<Record>command.record).fast != NULL]
