# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc
from libc.string cimport strlen

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_INCREF, PyObject

from iothreads.message cimport Batch, Request, arg_at, arg_length
from iothreads.resp_writer cimport format_signed, write_bulk, write_error, write_header, write_integer, write_joined, write_null
from server.clients.client cimport Client, is_obeyed
from server.clients.key_events cimport KeyEvents
from server.dispatch.conditions cimport HEARD_CHANGES, event_kind, state
from server.dispatch.propagate cimport Propagation
from server.dispatch.record cimport AHEAD_KEY, AHEAD_NOTHING, Event, Op, Record, Row, fast_t, own_t, wish_t
from server.dispatch.tracked cimport tracking_
from server.observe.error_counts cimport ErrorCounts
from server.structures.table cimport (
    TYPE_HASH, TYPE_LIST, TYPE_SET, Entry, Table, entry_encoding, entry_set_type, entry_type, entry_word_ref,
    table_delete, table_find, table_hash, table_insert_word, table_prefetch_bucket, table_prefetch_entry)
from server.types.hash cimport HASH_TABLE, hash_length, hash_table
from server.types.list cimport list_length
from server.types.set cimport SET_TABLE, set_length, set_table
from server.types.sorted_set cimport ZSET_SKIPLIST, zset_members, zset_size, zset_warm_place
from server.types.value cimport release_value

from server.keyspace.effects import EVENT_CLASS
from server.registry.errors import WRONG_TYPE

cdef dict _declared = {}               # command name -> _Declared: filled as the files of fast paths are imported
cdef Event _SILENT
_SILENT.name = NULL
_SILENT.kind = HEARD_CHANGES
cdef dict _events = {}                 # (name, alone) -> address of its Event
cdef const Event* _DEL = event_of("del")
cdef KeyEvents _key_events = None
cdef ErrorCounts _errors = None
cdef bytes _WRONG_TYPE = WRONG_TYPE.encode()
propagation_ = None


def use(Propagation propagation, KeyEvents key_events, ErrorCounts errors) -> None:
    """Tell the fast paths where writes are propagated to, who tells of keyspace events, and who counts errors."""
    global propagation_, _key_events, _errors
    propagation_, _key_events, _errors = propagation, key_events, errors


# ---- declaring
cdef class _Declared:
    cdef fast_t fast
    cdef bint keyed
    cdef Row row
    cdef wish_t wish


cdef const Event* event_of(str name, bint alone=False) except NULL:
    """Errors: KeyError."""
    cdef Event* event
    if not name:
        return &_SILENT
    if (name, alone) not in _events:
        event = <Event*>calloc(1, sizeof(Event))
        event.kind = event_kind(EVENT_CLASS[name])
        if not alone:
            event.kind |= <uint32_t>HEARD_CHANGES
        Py_INCREF(name)                # for good
        event.name = <PyObject*>name
        _events[name, alone] = <size_t>event
    return <Event*><size_t>_events[name, alone]


cdef int by_hand(str name, fast_t fast, bint keyed=True) except -1:
    cdef _Declared declared = _Declared.__new__(_Declared)
    declared.fast = fast
    declared.keyed = keyed
    _declared[name] = declared
    return 0


cdef int row(str name, uint32_t shape, int type, own_t own, str event="", int how=0) except -1:
    cdef _Declared declared = _Declared.__new__(_Declared)
    declared.fast = _driver(shape & SHAPES)
    declared.keyed = not shape & UNKEYED
    declared.row = Row(own, shape, type, how, event_of(event))
    _declared[name] = declared
    return 0


cdef int waits(str name, wish_t wish) except -1:
    (<_Declared>_declared[name]).wish = wish
    return 0


cdef fast_t _driver(uint32_t shape) noexcept:
    if shape == READ or shape == LOOK:
        return _read
    return _change if shape == WRITE or shape == TAKE else _free


def attach(dict commands) -> None:
    """Give the records of registry.command.COMMANDS the fast paths that were declared. Called after build_records."""
    cdef _Declared declared
    for command in _all(commands):
        declared = _declared.get(command.name)
        if declared is not None:
            (<Record>command.record).fast = declared.fast
            (<Record>command.record).prefetch = AHEAD_KEY if declared.keyed else AHEAD_NOTHING
            (<Record>command.record).row = declared.row
            (<Record>command.record).wish = declared.wish


def _all(dict commands):
    """And their subcommands, whose names have the container's before them: "object|encoding"."""
    for command in commands.values():
        yield command
        yield from command.subcommands.values()


def fast_path_names(dict commands) -> list[str]:
    """The commands that have one."""
    return [command.name for command in _all(commands) if (<Record>command.record).fast != NULL]


# ---- the shapes
cdef inline void _begin(Op* op, const Row* row, Client c, Batch* b, Request* r) noexcept:
    op.client = <PyObject*>c
    op.out = &c.out
    op.b = b
    op.r = r
    op.table = table_of(c, r)
    op.hash = r.hash
    op.at = 1
    op.how = row.how


cdef void begin_op(Op* op, Client c, Batch* b, Request* r) noexcept:
    _begin(op, &(<Record>r.record).row, c, b, r)
    op.e = NULL


cdef inline void _untouch(Entry* e, uint32_t meta) noexcept:
    """As it was before `touch`: the time of access, not the encoding beside it."""
    e.meta = (e.meta & 0xFF000000U) | (meta & 0xFFFFFF)


cdef int _read(Client c, Batch* b, Request* r) except -1:
    cdef const Row* row = &(<Record>r.record).row
    cdef uint32_t meta
    cdef int64_t result
    cdef Op op
    _begin(&op, row, c, b, r)
    if find_at(&op, 1) == NULL:
        if not _answer_nothing(c, row):
            result = row.own(&op)
            if result == DECLINED or result == REFUSED:
                return result == REFUSED
        return missed(c, b, r, 1)
    if not is_plain(c, op.e, row.type):
        return _refuse_row(c, r, op.e, row)
    meta = op.e.meta
    if row.shape & SHAPES == READ:
        touch(c, op.e)
    if row.shape & (WARM | WARM_PLACE) and begins_run(b):
        warm(&op, 2, row.shape & WARM_PLACE)
    result = row.own(&op)
    if result == DECLINED or result == REFUSED:
        _untouch(op.e, meta)
        return result == REFUSED
    found(c, op.e)
    return 1


cdef int _change(Client c, Batch* b, Request* r) except -1:
    """WRITE and TAKE."""
    cdef const Row* row = &(<Record>r.record).row
    cdef uint32_t meta
    cdef int64_t changes
    cdef Op op
    if hears_itself(c):
        return 0
    _begin(&op, row, c, b, r)
    if find_at(&op, 1) == NULL:
        if _answer_nothing(c, row):
            return 1
        changes = row.own(&op)
    elif not is_plain(c, op.e, row.type):
        return _refuse_row(c, r, op.e, row)
    else:
        meta = op.e.meta
        touch(c, op.e)
        if row.shape & (WARM | WARM_PLACE) and begins_run(b):
            warm(&op, 2, row.shape & WARM_PLACE)
        changes = row.own(&op)
        if changes == DECLINED or changes == REFUSED:
            _untouch(op.e, meta)
    if changes > 0:
        if not row.shape & SAYS:
            pass_on(&op)
        if row.shape & SHAPES == TAKE and _is_empty(op.e):
            _delete_emptied(&op, changes, row.event)
        else:
            changed(&op, changes, row.event)
    return changes != DECLINED


cdef int _refuse_row(Client c, Request* r, Entry* e, const Row* row) except -1:
    """The key holds another type, or has expired."""
    cdef int arity = (<Record>r.record).arity
    if row.shape & TYPED or (row.shape & TYPED_SHORT and r.arg_count <= <uint32_t>(arity if arity > 0 else -arity)):
        return refuse_type(c, r, e, row.shape & SHAPES == READ)
    return 0


cdef int refuse_type(Client c, Request* r, Entry* e, bint reads) except -1:
    """What the definition would: look at the key, see that it is of another type, and raise."""
    if is_expired(c, e) or not refuse_call(c, r, _WRONG_TYPE):
        return 0
    touch(c, e)
    if reads:
        found(c, e)
    return 1


cdef bint refuse_call(Client c, Request* r, bytes text) except -1:
    """Not to who has to be obeyed: an error there is a matter for the log, too."""
    if is_obeyed(c.state):
        return False
    (<Record>r.record).failed += 1
    _errors.count(text)
    write_error(&c.out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    return True


cdef int64_t refuse(Op* op, bytes text) except -1:
    return REFUSED if refuse_call(<Client>op.client, op.r, text) else DECLINED


cdef int64_t refuse_value(Op* op, bytes text) except -1:
    return 0 if refuse_call(<Client>op.client, op.r, text) else DECLINED


cdef int _free(Client c, Batch* b, Request* r) except -1:
    cdef const Row* row = &(<Record>r.record).row
    cdef Op op
    if (<Record>r.record).write and hears_itself(c):
        return 0
    _begin(&op, row, c, b, r)
    op.e = NULL
    return row.own(&op) != DECLINED


cdef inline bint _answer_nothing(Client c, const Row* row) noexcept:
    if row.shape & OR_ZERO:
        write_integer(&c.out, 0)
    elif row.shape & OR_NULL:
        write_null(&c.out, c.resp)
    elif row.shape & OR_EMPTY:
        write_header(&c.out, c'*', 0)
    else:
        return False
    return True


# ---- telling of a change
cdef int tell_event(Client c, int db, Batch* b, Request* r, uint32_t at, const Event* event) except -1:
    if state.events & event.kind & <uint32_t>HEARD_CHANGES:
        tracking_.key_changed(c.id, arg_at(b, r, at), arg_length(b, r, at))
    if state.events & event.kind & ~<uint32_t>HEARD_CHANGES:
        _key_events.tell(db, <str>event.name, arg_at(b, r, at), arg_length(b, r, at))
    return 0


cdef inline bint _is_empty(Entry* e) noexcept:
    cdef int type = entry_type(e)
    if type == TYPE_HASH:
        return hash_length(e) == 0
    if type == TYPE_LIST:
        return list_length(e) == 0
    return (set_length(e) if type == TYPE_SET else zset_size(e)) == 0


cdef int _delete_emptied(Op* op, int64_t changes, const Event* event) except -1:
    table_delete(op.table, word_at(op, op.at), length_at(op, op.at), op.hash, release_value)
    changed(op, changes, event)
    return notify(op, op.at, _DEL)


cdef int finish_take(Op* op, int64_t changes, const Event* event) except -1:
    return _delete_emptied(op, changes, event) if _is_empty(op.e) else changed(op, changes, event)


cdef int missed(Client c, Batch* b, Request* r, uint32_t at) except -1:
    """Returns 1."""
    c.db.keyspace.misses += 1
    if c.db.keyspace.on_miss is not None:
        c.db.keyspace.on_miss(c.db, PyBytes_FromStringAndSize(arg_at(b, r, at), arg_length(b, r, at)))
    return 1


cdef bint begin_unit() noexcept:
    if not propagation_.wanted or propagation_.depth:
        return False
    propagation_.loose = False
    propagation_.depth = 1
    propagation_.gather()
    return True


cdef int end_unit(Client c, bint began) except -1:
    if began:
        propagation_.leave()
        c.written = propagation_.end()
    return 0


cdef void pass_on_own(Client c, Batch* b, Request* r) noexcept:
    cdef uint32_t i
    cdef size_t apart = arg_length(b, r, r.arg_count - 1) + 2 if r.gap else 0
    if r.bytes_length:
        propagation_.feed_raw(c.db.index, b.buffer + r.bytes, 0 if apart else r.bytes_length)
        if apart:
            write_joined(&propagation_.out, b.buffer + r.bytes, r.bytes_length - apart, arg_at(b, r, r.arg_count - 1), apart)
    else:
        propagation_.feed_raw(c.db.index, NULL, 0)       # an inline command: written anew
        write_header(&propagation_.out, c'*', r.arg_count)
        for i in range(r.arg_count):
            write_bulk(&propagation_.out, arg_at(b, r, i), arg_length(b, r, i))
    c.written = propagation_.end()


cdef inline void _write_word(const Word* word) noexcept:
    cdef char digits[24]
    if word.s != NULL:
        write_bulk(&propagation_.out, word.s, word.n)
    else:
        write_bulk(&propagation_.out, digits, format_signed(digits, <int64_t>word.n) - digits)


cdef void pass_on_words(Op* op, uint32_t count, const Word* words) noexcept:
    cdef uint32_t i
    propagation_.feed_raw((<Client>op.client).db.index, NULL, 0)
    write_header(&propagation_.out, c'*', count)
    for i in range(count):
        _write_word(&words[i])
    (<Client>op.client).written = propagation_.end()


cdef void pass_on_with(Op* op, uint32_t at, uint32_t count, const Word* words) noexcept:
    cdef uint32_t i
    if not propagation_.wanted:
        return
    propagation_.feed_raw((<Client>op.client).db.index, NULL, 0)
    write_header(&propagation_.out, c'*', op.r.arg_count)
    for i in range(op.r.arg_count):
        if at <= i < at + count:
            _write_word(&words[i - at])
        else:
            write_bulk(&propagation_.out, word_at(op, i), length_at(op, i))
    (<Client>op.client).written = propagation_.end()


cdef void pass_on_verb(Op* op, const char* name) noexcept:
    cdef Word words[2]
    words[0] = Word(name, strlen(name))
    words[1] = word_of(op, op.at)
    pass_on_as(op, 2, words)


# ---- finding and making
cdef Entry* insert(Op* op, int type, int encoding, uint64_t word) except NULL:
    cdef Client c = <Client>op.client
    op.e = table_insert_word(op.table, word_at(op, op.at), length_at(op, op.at), op.hash, word)
    op.e.meta = c.db.keyspace.first_access()
    entry_set_type(op.e, type, encoding)
    if c.db.keyspace.on_new is not None:
        c.db.keyspace.on_new(c.db, PyBytes_FromStringAndSize(word_at(op, op.at), length_at(op, op.at)))
    return op.e


cdef int store_result(Op* op, Entry* result, int64_t elements, const Event* event, int64_t changes=1) except -1:
    if elements == 0:
        release_value(result)
        if op.e != NULL:
            table_delete(op.table, word_at(op, op.at), length_at(op, op.at), op.hash, release_value)
            pass_on(op)
            changed(op, 1, _DEL)
    else:
        if op.e != NULL:
            (<Client>op.client).db.replace(op.e, op.hash, result)
        else:
            insert(op, entry_type(result), entry_encoding(result), entry_word_ref(result)[0])
        pass_on(op)
        changed(op, changes, event)
    write_integer(op.out, elements)
    return 0


cdef int overwrite(Op* op, size_t offset, bytes data) except -1:
    cdef Client c = <Client>op.client
    if op.e != NULL:
        c.db._overwrite(op.e, op.hash, offset, data)
    else:
        c.db.set_range(PyBytes_FromStringAndSize(word_at(op, op.at), length_at(op, op.at)), offset, data)
    return 0


cdef int hash_keys(Op* op, int first, int step, uint64_t* hashes) noexcept:
    cdef int i, count = min((<int>op.r.arg_count - first + step - 1) // step, <int>FAST_KEYS)
    for i in range(count):
        hashes[i] = table_hash(word_at(op, first + i * step), length_at(op, first + i * step))
        table_prefetch_bucket(op.table, hashes[i])
    for i in range(count):
        table_prefetch_entry(op.table, hashes[i])
    return count


cdef bint find_all(Op* op, uint32_t first, int64_t count, uint32_t types, Entry** entries) except -1:
    cdef Client c = <Client>op.client
    cdef bint hears_misses = c.subscriptions is not None and c.db.keyspace.on_miss is not None     # its own: after the reply
    cdef uint64_t hashes[FAST_KEYS]
    cdef uint32_t i
    if count > FAST_KEYS:
        return False
    for i in range(<uint32_t>count):
        hashes[i] = table_hash(word_at(op, first + i), length_at(op, first + i))
        table_prefetch_bucket(op.table, hashes[i])
    for i in range(<uint32_t>count):
        table_prefetch_entry(op.table, hashes[i])
    for i in range(<uint32_t>count):
        entries[i] = table_find(op.table, word_at(op, first + i), length_at(op, first + i), hashes[i])
        if entries[i] == NULL and hears_misses:
            return False
        if entries[i] != NULL and (not types >> entry_type(entries[i]) & 1 or is_expired(c, entries[i])):
            return False
    for i in range(<uint32_t>count):
        if entries[i] == NULL:
            missed(c, op.b, op.r, first + i)
        else:
            touch(c, entries[i])
            found(c, entries[i])
    return True


cdef int find_first(Op* op, uint32_t first, uint32_t end, int type) noexcept:
    cdef uint32_t i
    for i in range(first, end):
        if find_at(op, i) != NULL:
            return 1 if is_plain(<Client>op.client, op.e, type) else -1
    return 0


cdef bint _awaited = False             # whoever waits is seen to


cdef bint run_awaited(Client c, Batch* b, Request* r) except -1:
    global _awaited
    _awaited = True
    try:
        return (<Record>r.record).fast(c, b, r)
    finally:
        _awaited = False


cdef bint stands_in_queue(Op* op, uint32_t at) except -1:
    cdef Client c = <Client>op.client
    return not _awaited and PyBytes_FromStringAndSize(word_at(op, at), length_at(op, at)) in c.db.blocking


cdef inline Table* _members(Entry* e) noexcept:
    """The table of a large value that has members; NULL without one."""
    cdef int type = entry_type(e)
    cdef int encoding = entry_encoding(e)
    if type == TYPE_HASH:
        return hash_table(e) if encoding == HASH_TABLE else NULL
    if type == TYPE_SET:
        return set_table(e) if encoding == SET_TABLE else NULL
    return zset_members(e) if encoding == ZSET_SKIPLIST else NULL


cdef void warm(Op* op, uint32_t at, bint place) noexcept:
    """Runs begin at every FAST_RUN-th command of the batch (`begins_run`), so the others pay for one test. First all
    buckets are asked for, then the entries that they point to: by then most buckets have come."""
    cdef uint64_t hashes[FAST_RUN]
    cdef Request* others[FAST_RUN]
    cdef Request* other
    cdef Batch* b = op.b
    cdef Table* members
    cdef uint32_t first = b.next - 1
    cdef uint32_t i, count = 0
    if not begins_run(b):
        return
    members = _members(op.e)
    if members == NULL:
        return
    for i in range(first, min(first + FAST_RUN, b.command_count)):
        other = &b.commands[i]
        if other.record == op.r.record and other.hash == op.hash and other.arg_count > at:
            hashes[count] = table_hash(arg_at(b, other, at), arg_length(b, other, at))
            table_prefetch_bucket(members, hashes[count])
            others[count] = other
            count += 1
    for i in range(count):
        table_prefetch_entry(members, hashes[i])
    if place:
        for i in range(1, count):
            zset_warm_place(op.e, arg_at(b, others[i], at), arg_length(b, others[i], at))
