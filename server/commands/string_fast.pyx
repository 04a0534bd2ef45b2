# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of strings: GET MGET STRLEN GETRANGE SUBSTR, SET with all its options, SETNX SETEX PSETEX MSET MSETNX, GETSET
GETDEL GETEX. GET and SET are by hand: they are what a shape costs too much for.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.ref cimport PyObject

from iothreads.message cimport REFERENCE_MIN, Batch, Output, Request, arg_at, arg_length, output_reference
from iothreads.resp_writer cimport write_bulk, write_header, write_integer, write_null, write_raw
from server.clients.client cimport Client
from server.dispatch.error_texts cimport not_an_integer, syntax_error
from server.dispatch.fast_words cimport FAST_FAR
from server.dispatch.option_words cimport FIT, ODD, Options, OptionWords, meaning_at, read_options, words_of
from server.dispatch.record cimport Event, Op, Record
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FAST_KEYS, FREE, OR_ZERO, READ, SAYS, TYPED, WRITE, Word, by_hand, changed, event_of, find_at,
    find_live, found, has_expired, hash_keys, hash_of, hears_itself, integer_at, is_expired, is_passed_on, is_plain,
    length_at, missed, notify, number_word, pass_on, pass_on_as, pass_on_verb, refuse, refuse_type, row, table_of, tell,
    touch, word_at, word_of)
from server.keyspace.database cimport entry_string_view
from server.structures.blob cimport Blob, blob_adopt, blob_release
from server.structures.table cimport (ENTRY_EXPIRE, TYPE_STRING, Entry, Table, entry_type, entry_word_ref,
                                      table_delete, table_find, table_persist, table_set_expire)
from server.types.value cimport release_value

from server.registry.errors import invalid_expire_text

cdef enum:                             # op.how: the unit of a time to live, ms
    SECONDS = 1000
    MILLISECONDS = 1

cdef const Event* _SET = event_of("set")
cdef const Event* _EXPIRE = event_of("expire")
cdef const Event* _PERSIST = event_of("persist")


cdef Blob* _in_place(Batch* b, const char* value, size_t length) noexcept:
    """The blob that a long argument becomes in the buffer into which it was read; NULL: it must be copied."""
    cdef Blob* blob
    if value != b.buffer + b.roomy or b.capacity - b.roomy - length > length >> 3:
        return NULL
    blob = blob_adopt(b.buffer, b.capacity, b.roomy, length)
    blob.references += 1               # the batch's: what comes after the command reads its arguments, too
    b.holder = blob
    b.roomy = 0
    return blob


cdef inline Entry* _put(Client c, Batch* b, Request* r, Entry* e, uint64_t hash, uint32_t at, bint keep_ttl) except NULL:
    """Argument `at` becomes the value of the first key, which was looked up: e."""
    cdef Blob* blob = _in_place(b, arg_at(b, r, at), arg_length(b, r, at)) if b.roomy else NULL
    if blob != NULL:
        return c.db.store_blob_at(e, arg_at(b, r, 1), arg_length(b, r, 1), hash, blob, keep_ttl)
    return c.db.store_at(e, arg_at(b, r, 1), arg_length(b, r, 1), hash, arg_at(b, r, at), arg_length(b, r, at), keep_ttl)


cdef inline Entry* _store(Op* op, uint32_t at, bint keep_ttl) except NULL:
    """Argument `at` becomes the value of the first key, which was looked up: op.e."""
    return _put(<Client>op.client, op.b, op.r, op.e, op.hash, at, keep_ttl)


cdef int64_t _when(Op* op, uint32_t at, int64_t unit_ms) noexcept:
    """Unix ms of a time to live in argument `at`; 0 for what the definition must look at."""
    cdef int64_t amount
    if not integer_at(op, at, &amount) or not 0 < amount <= FAST_FAR:
        return 0
    return (<Client>op.client).db.keyspace.clock.unix_ms + amount * unit_ms


# ---- replies
cdef void _release_blob(void* blob) noexcept:
    blob_release(<Blob*>blob)


cdef void _reply_string(Output* out, Entry* e) noexcept:
    """Many bytes leave without a copy."""
    cdef char scratch[24]
    cdef char* start
    cdef size_t length = entry_string_view(e, scratch, &start)
    cdef Blob* blob
    if length >= REFERENCE_MIN:
        blob = <Blob*>entry_word_ref(e)[0]
        blob.references += 1
        write_header(out, c'$', length)
        output_reference(out, blob.data, length, blob, _release_blob)
        write_raw(out, "\r\n", 2)
    else:
        write_bulk(out, start, length)


cdef inline void _reply_value(Op* op) noexcept:
    """What op.e holds, or null."""
    if op.e != NULL:
        _reply_string(op.out, op.e)
    else:
        write_null(op.out, (<Client>op.client).resp)


# ---- reads
cdef int _get(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e = table_find(table_of(c, r), arg_at(b, r, 1), arg_length(b, r, 1), hash_of(b, r))
    if e == NULL:
        write_null(&c.out, c.resp)
        return missed(c, b, r, 1)
    if not is_plain(c, e, TYPE_STRING):
        return refuse_type(c, r, e, True)
    touch(c, e)
    found(c, e)
    _reply_string(&c.out, e)
    return 1


cdef bint _all_live(Op* op, int step) noexcept:
    """Whether none of the keys from argument 1 on is there but expired: those are the definition's."""
    cdef uint64_t hashes[FAST_KEYS]
    cdef int i, count
    cdef int first = 1
    while op.table.expires and first < <int>op.r.arg_count:
        count = hash_keys(op, first, step, hashes)
        for i in range(count):
            if has_expired(op, first + i * step, hashes[i]):
                return False
        first += count * step
    return True


cdef inline void _write_values(Op* op, int first, int count, const uint64_t* hashes) noexcept:
    """Other types answer null."""
    cdef Entry* e
    cdef int i
    for i in range(count):
        e = table_find(op.table, word_at(op, first + i), length_at(op, first + i), hashes[i])
        if e != NULL and entry_type(e) == TYPE_STRING:
            _reply_string(op.out, e)
        else:
            write_null(op.out, (<Client>op.client).resp)


cdef inline int _note_reads(Op* op, int first, int count, const uint64_t* hashes) except -1:
    cdef Client c = <Client>op.client
    cdef Entry* e
    cdef int i
    for i in range(count):
        e = table_find(op.table, word_at(op, first + i), length_at(op, first + i), hashes[i])
        if e == NULL:
            missed(c, op.b, op.r, first + i)
        else:
            touch(c, e)
            found(c, e)
    return 0


cdef int64_t _mget(Op* op) except -1:
    """Hits and misses follow the whole reply: somebody may hear of a miss."""
    cdef uint64_t hashes[FAST_KEYS]
    cdef bint few = op.r.arg_count - 1 <= FAST_KEYS
    cdef int count, end = op.r.arg_count
    cdef int at = 1
    if not _all_live(op, 1):
        return DECLINED
    write_header(op.out, c'*', end - 1)
    while at < end:
        count = hash_keys(op, at, 1, hashes)
        _write_values(op, at, count, hashes)
        at += count
    at = 1
    while at < end:
        if not few:
            count = hash_keys(op, at, 1, hashes)
        _note_reads(op, at, count, hashes)
        at += count
    return 0


cdef int64_t _strlen(Op* op) except -1:
    cdef char scratch[24]
    cdef char* start
    write_integer(op.out, entry_string_view(op.e, scratch, &start))
    return 0


cdef int64_t _getrange(Op* op) except -1:
    cdef int64_t start, end, length
    cdef char scratch[24]
    cdef char* at = NULL
    if not integer_at(op, 2, &start) or not integer_at(op, 3, &end):
        return refuse(op, not_an_integer)
    length = entry_string_view(op.e, scratch, &at) if op.e != NULL else 0
    if start < 0 and end < 0 and start > end:
        length = 0
    if start < 0:
        start = max(start + length, 0)
    if end < 0:
        end = max(end + length, 0)
    if end >= length:
        end = length - 1
    if length == 0 or start > end:
        write_raw(op.out, "$0\r\n\r\n", 6)
    else:
        write_bulk(op.out, at + start, end - start + 1)
    return 0


# ---- SET and its elder forms
cdef int _changed_until(Op* op) except -1:
    """The key has a new value and an expire."""
    changed(op, 1, _SET)
    return notify(op, 1, _EXPIRE)


cdef int _store_until(Op* op, uint32_t at, int64_t when) except -1:
    """Argument `at` becomes the value, which expires at Unix ms `when`; propagated as SET with PXAT."""
    cdef Word words[5]
    table_set_expire(op.table, _store(op, at, True), op.hash, when)
    if is_passed_on():
        words[0] = Word("SET", 3)
        words[1] = word_of(op, 1)
        words[2] = word_of(op, at)
        words[3] = Word("PXAT", 4)
        words[4] = number_word(when)
        pass_on_as(op, 5, words)
    return _changed_until(op)


cdef enum:                             # what words of SET and GETEX mean
    ABSENT = 1                         # NX
    PRESENT = 2                        # XX
    READS = 4                          # GET
    KEEPS = 8                          # KEEPTTL
    PERSISTS = 16
    TIMED = 32                         # a time to live in seconds ...
    IN_MS = 64                         # ... in milliseconds ...
    UNIX = 128                         # ... or a Unix time

cdef dict _TIMES = {"EX": TIMED, "PX": TIMED | IN_MS, "EXAT": TIMED | UNIX, "PXAT": TIMED | UNIX | IN_MS}
cdef const OptionWords* _SET_WORDS = words_of("set", {"NX": ABSENT, "XX": PRESENT, "GET": READS, "KEEPTTL": KEEPS, **_TIMES})
cdef const OptionWords* _GETEX_WORDS = words_of("getex", {"PERSIST": PERSISTS, **_TIMES})


cdef int64_t _refuse_options(Op* op, int state) except -1:
    return DECLINED if state == ODD else refuse(op, syntax_error)


cdef int64_t _refuse_time(Op* op, uint32_t at) except -1:
    """A time to live that is none, or one that the definition must look at."""
    cdef int64_t amount
    if not integer_at(op, at, &amount):
        return refuse(op, not_an_integer)
    return DECLINED if amount > 0 else refuse(op, invalid_expire_text((<Record>op.r.record).command.name))


cdef int64_t _until(Op* op, const Options* options) noexcept:
    """Unix ms of the time to come that these options say; 0 for what the definition must look at."""
    cdef int64_t amount
    cdef int64_t unit_ms = 1 if options.means & IN_MS else 1000
    if not options.means & UNIX:
        return _when(op, options.value_at, unit_ms)
    if (not integer_at(op, options.value_at, &amount) or not 0 < amount <= FAST_FAR * (1000 // unit_ms)
            or amount * unit_ms <= (<Client>op.client).db.keyspace.clock.unix_ms):
        return 0
    return amount * unit_ms


cdef void _pass_on_without_get(Op* op) noexcept:
    cdef Word words[8]
    cdef uint32_t i
    cdef uint32_t count = 0
    for i in range(op.r.arg_count):
        if i < 3 or meaning_at(op, _SET_WORDS, i) != READS:
            words[count] = word_of(op, i)
            count += 1
    pass_on_as(op, count, words)


cdef int64_t _set_with(Op* op) except -1:
    """SET with options. With GET it counts as a read, and the reply is written, or refers to the old value, before that
    goes."""
    cdef Client c = <Client>op.client
    cdef Options options
    cdef int64_t when = 0
    cdef uint32_t said
    cdef int state = read_options(op, _SET_WORDS, 3, &options)
    if state == FIT and op.r.arg_count > 8:
        return DECLINED
    if state != FIT:
        return _refuse_options(op, state)
    said = options.means
    if said & TIMED:
        when = _until(op, &options)
        if when == 0:
            return _refuse_time(op, options.value_at)
    if not find_live(op, 1):
        return DECLINED
    if said & READS:
        if op.e != NULL:
            if entry_type(op.e) != TYPE_STRING:
                return DECLINED
            touch(c, op.e)
            found(c, op.e)
        else:
            missed(c, op.b, op.r, 1)
        _reply_value(op)
    if (said & ABSENT and op.e != NULL) or (said & PRESENT and op.e == NULL):
        if op.e != NULL:
            touch(c, op.e)
        if not said & READS:
            write_null(op.out, c.resp)
        return 0
    if said & UNIX and said & IN_MS:
        table_set_expire(op.table, _store(op, 2, True), op.hash, when)
        pass_on(op)
        _changed_until(op)
    elif said & TIMED:
        _store_until(op, 2, when)
    else:
        _store(op, 2, said & KEEPS != 0)
        if said & READS:
            _pass_on_without_get(op)
        else:
            pass_on(op)
        changed(op, 1, _SET)
    if not said & READS:
        write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef int _set(Client c, Batch* b, Request* r) except -1:
    cdef Table* t = table_of(c, r)
    cdef Entry* e
    cdef Op op
    if hears_itself(c):
        return 0
    if r.arg_count != 3:
        op.client, op.out, op.b, op.r, op.table = <PyObject*>c, &c.out, b, r, t
        return _set_with(&op) != DECLINED
    e = table_find(t, arg_at(b, r, 1), arg_length(b, r, 1), hash_of(b, r))
    if e != NULL and is_expired(c, e):
        return 0
    _put(c, b, r, e, r.hash, 2, False)
    tell(c, b, r, 1, _SET)
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int64_t _setnx(Op* op) except -1:
    cdef bint absent = op.e == NULL
    if absent:
        _store(op, 2, False)
    write_integer(op.out, absent)
    return absent


cdef int64_t _setex(Op* op) except -1:
    """op.how: the unit."""
    cdef int64_t when = _when(op, 2, op.how)
    if when == 0:
        return _refuse_time(op, 2)
    if not find_live(op, 1):
        return DECLINED
    _store_until(op, 3, when)
    write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef int _store_pairs(Op* op) except -1:
    """Every key from argument 1 on gets the value behind it."""
    cdef uint64_t hashes[FAST_KEYS]
    cdef Entry* e
    cdef int i, count
    cdef int at = 1
    while at < <int>op.r.arg_count:
        count = hash_keys(op, at, 2, hashes)
        for i in range(count):
            e = table_find(op.table, word_at(op, at), length_at(op, at), hashes[i])
            (<Client>op.client).db.store_at(e, word_at(op, at), length_at(op, at), hashes[i], word_at(op, at + 1),
                                            length_at(op, at + 1), False)
            op.at = at
            changed(op, 1, _SET)
            at += 2
    return 0


cdef int64_t _mset(Op* op) except -1:
    """op.how: only if not one of the keys is there."""
    cdef uint32_t i
    if op.r.arg_count < 3 or not op.r.arg_count & 1 or not _all_live(op, 2):
        return DECLINED
    if op.how:
        for i in range(1, op.r.arg_count, 2):
            if find_at(op, i) != NULL:
                touch(<Client>op.client, op.e)
                write_integer(op.out, 0)
                return 0
    _store_pairs(op)
    pass_on(op)
    if op.how:
        write_integer(op.out, 1)
    else:
        write_raw(op.out, "+OK\r\n", 5)
    return 0


# ---- reading and writing at once
cdef int64_t _getset(Op* op) except -1:
    """Propagated as SET."""
    cdef Client c = <Client>op.client
    cdef Word words[3]
    if find_at(op, 1) != NULL:
        if not is_plain(c, op.e, TYPE_STRING):
            return DECLINED
        touch(c, op.e)
        found(c, op.e)
    else:
        missed(c, op.b, op.r, 1)
    _reply_value(op)
    _store(op, 2, False)
    words[0] = Word("SET", 3)
    words[1] = word_of(op, 1)
    words[2] = word_of(op, 2)
    pass_on_as(op, 3, words)
    changed(op, 1, _SET)
    return 0


cdef int64_t _getdel(Op* op) except -1:
    """A read that takes the key; propagated as DEL."""
    _reply_value(op)
    if op.e == NULL:
        missed(<Client>op.client, op.b, op.r, 1)
        return 0
    found(<Client>op.client, op.e)
    table_delete(op.table, word_at(op, 1), length_at(op, 1), op.hash, release_value)
    pass_on_verb(op, "DEL")
    return 1


cdef int64_t _getex(Op* op) except -1:
    """A read, propagated as PEXPIREAT or PERSIST."""
    cdef Word words[3]
    cdef int64_t when = 0
    cdef Options options
    cdef int state = read_options(op, _GETEX_WORDS, 2, &options)
    if state != FIT:
        return _refuse_options(op, state)
    if options.means & TIMED:
        when = _until(op, &options)
        if when == 0:
            return DECLINED
    _reply_value(op)
    if op.e == NULL:
        missed(<Client>op.client, op.b, op.r, 1)
        return 0
    found(<Client>op.client, op.e)
    if when:
        table_set_expire(op.table, op.e, op.hash, when)
        words[0] = Word("PEXPIREAT", 9)
        words[1] = word_of(op, 1)
        words[2] = number_word(when)
        pass_on_as(op, 3, words)
        changed(op, 1, _EXPIRE)
    elif options.means & PERSISTS and op.e.klen & ENTRY_EXPIRE:
        table_persist(op.table, op.e, op.hash)
        pass_on_verb(op, "PERSIST")
        changed(op, 1, _PERSIST)
    return 0


by_hand("get", _get)
by_hand("set", _set)
row("mget", FREE, ANY_TYPE, _mget)
row("strlen", READ | TYPED | OR_ZERO, TYPE_STRING, _strlen)
row("getrange", READ, TYPE_STRING, _getrange)
row("substr", READ, TYPE_STRING, _getrange)
row("setnx", WRITE, ANY_TYPE, _setnx, "set")
row("setex", FREE, ANY_TYPE, _setex, "", SECONDS)
row("psetex", FREE, ANY_TYPE, _setex, "", MILLISECONDS)
row("mset", FREE, ANY_TYPE, _mset)
row("msetnx", FREE, ANY_TYPE, _mset, "", 1)
row("getset", FREE, TYPE_STRING, _getset)
row("getdel", WRITE | SAYS, TYPE_STRING, _getdel, "del")
row("getex", WRITE | SAYS, TYPE_STRING, _getex)
