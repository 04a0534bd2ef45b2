# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of keys whatever they hold: DEL UNLINK EXISTS TOUCH TYPE, RENAME RENAMENX MOVE COPY."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_Size

from iothreads.message cimport Batch, Request, arg_at, arg_length
from iothreads.resp_writer cimport write_integer, write_raw, write_status
from server.clients.client cimport Client
from server.dispatch.conditions cimport SLOW_CLUSTER, state
from server.dispatch.error_texts cimport no_such_key
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FAST_KEYS, FAST_RUN, FREE, LOOK, begins_run, changed, event_of, find_at, find_live, found,
    has_expired, hash_keys, integer_at, is_awaited, is_expired, is_word, length_at, missed, notify, notify_in, pass_on,
    refuse, row, touch, word_at)
from server.keyspace.database cimport Database
from server.structures.table cimport (
    ENTRY_WORD, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM, TYPE_STRING, TYPE_ZSET, Entry, entry_encoding, entry_type,
    entry_word_ref, remus_prefetch, table_delete,
    table_find, table_hash, table_release_entry, table_unlink)
from server.types.hash cimport HASH_LISTPACK
from server.types.list cimport LIST_LISTPACK
from server.types.set cimport SET_TABLE
from server.types.sorted_set cimport ZSET_LISTPACK
from server.types.value cimport release_value

cdef enum:                             # op.how
    TOUCHES = 1                        # of EXISTS
    LAZY = 1                           # of DEL
    RENAMES = 1                        # what RENAME and its like do with another key of that name
    KEEPS = 2

cdef const Event* _DEL = event_of("del")
cdef const Event* _RENAME_FROM = event_of("rename_from")
cdef const Event* _RENAME_TO = event_of("rename_to")
cdef const Event* _COPY_TO = event_of("copy_to")
cdef const Event* _MOVE_FROM = event_of("move_from")
cdef const Event* _MOVE_TO = event_of("move_to")


cdef inline Entry* _entry(Op* op, int at, uint64_t hash) noexcept:
    return table_find(op.table, word_at(op, at), length_at(op, at), hash)


# ---- whether they are there
cdef int64_t _exists(Op* op) except -1:
    """op.how: TOUCHES."""
    cdef Client c = <Client>op.client
    cdef uint64_t hashes[FAST_KEYS]
    cdef Entry* e
    cdef int i, there = 0, count = hash_keys(op, 1, 1, hashes)
    if count < <int>op.r.arg_count - 1:
        return DECLINED
    for i in range(count):
        e = _entry(op, 1 + i, hashes[i])
        if e != NULL:
            if is_expired(c, e):
                return DECLINED
            there += 1
    write_integer(op.out, there)
    for i in range(count):
        e = _entry(op, 1 + i, hashes[i])
        if e == NULL:
            missed(c, op.b, op.r, 1 + i)
            continue
        found(c, e)
        if op.how == TOUCHES:
            touch(c, e)
    return 0


cdef int64_t _type(Op* op) except -1:
    cdef int type = entry_type(op.e) if op.e != NULL else -1
    if type == TYPE_STRING:
        write_status(op.out, "string", 6)
    elif type == TYPE_LIST:
        write_status(op.out, "list", 4)
    elif type == TYPE_SET:
        write_status(op.out, "set", 3)
    elif type == TYPE_ZSET:
        write_status(op.out, "zset", 4)
    elif type == TYPE_HASH:
        write_status(op.out, "hash", 4)
    elif type == TYPE_STREAM:
        write_status(op.out, "stream", 6)
    else:
        write_status(op.out, "none", 4)
    return 0


# ---- removing
cdef inline bint _small(Entry* e) noexcept:
    """Whether a value is freed in no time; for others it matters whether lazyfree-lazy-user-del is set."""
    cdef int type = entry_type(e)
    cdef int encoding = entry_encoding(e)
    return (type == TYPE_STRING or (type == TYPE_LIST and encoding == LIST_LISTPACK)
            or (type == TYPE_HASH and encoding == HASH_LISTPACK) or (type == TYPE_SET and encoding != SET_TABLE)
            or (type == TYPE_ZSET and encoding == ZSET_LISTPACK))


cdef void _warm_values(Op* op) noexcept:
    """Fetch what the next commands of a pipeline will free: a compact value says at its beginning how long it is."""
    cdef Batch* b = op.b
    cdef Request* other
    cdef Entry* e
    cdef uint32_t i
    for i in range(b.next, min(b.next - 1 + FAST_RUN, b.command_count)):
        other = &b.commands[i]
        if other.record == op.r.record and other.hash:
            e = table_find(op.table, arg_at(b, other, 1), arg_length(b, other, 1), other.hash)
            if e != NULL and e.klen & ENTRY_WORD:
                remus_prefetch(<void*>entry_word_ref(e)[0])


cdef int64_t _remove(Op* op) except -1:
    """op.how: LAZY."""
    cdef Client c = <Client>op.client
    cdef uint64_t hashes[FAST_KEYS]
    cdef Entry* e
    cdef int i, removed = 0, count = hash_keys(op, 1, 1, hashes)
    if count < <int>op.r.arg_count - 1:
        return DECLINED
    for i in range(count):
        e = _entry(op, 1 + i, hashes[i])
        if e != NULL and (is_expired(c, e) or not (op.how == LAZY or _small(e))):
            return DECLINED
    if begins_run(op.b) and e != NULL and e.klen & ENTRY_WORD and entry_type(e) != TYPE_STRING:
        _warm_values(op)
    for i in range(count):
        e = table_unlink(op.table, word_at(op, 1 + i), length_at(op, 1 + i), hashes[i])
        if e != NULL:
            if op.how == LAZY:
                c.db.discard_value(e)
            else:
                release_value(e)
            table_release_entry(op.table, e)
            removed += 1
            op.at = 1 + i
            changed(op, 1, _DEL)
    if removed:
        pass_on(op)
    write_integer(op.out, removed)
    return 0


# ---- other names
cdef bint _make_room(Op* op) noexcept:
    """Delete what has the name in argument 2; 0 for what the definition must look at, and nothing is changed then."""
    cdef uint64_t hash = table_hash(word_at(op, 2), length_at(op, 2))
    cdef Entry* e = _entry(op, 2, hash)
    if e == NULL:
        return True
    if is_expired(<Client>op.client, e) or not _small(e):
        return False
    return table_delete(op.table, word_at(op, 2), length_at(op, 2), hash, release_value)


cdef bint _is_source(Op* op) except -1:
    """Whether argument 1 is a key, and another than argument 2, which nobody waits for."""
    return (find_at(op, 1) != NULL and not is_awaited(op, 2) and not is_expired(<Client>op.client, op.e)
            and (length_at(op, 1) != length_at(op, 2) or memcmp(word_at(op, 1), word_at(op, 2), length_at(op, 1)) != 0))


cdef int64_t _rename(Op* op) except -1:
    """op.how: RENAMES or KEEPS."""
    cdef Client c = <Client>op.client
    cdef uint64_t hash
    if not _is_source(op):
        return refuse(op, no_such_key) if op.e == NULL else DECLINED
    if op.how == KEEPS:
        hash = table_hash(word_at(op, 2), length_at(op, 2))
        if has_expired(op, 2, hash):
            return DECLINED
        if _entry(op, 2, hash) != NULL:
            write_integer(op.out, 0)
            return 0
    elif not _make_room(op):
        return DECLINED
    c.db.put(PyBytes_FromStringAndSize(word_at(op, 2), length_at(op, 2)),
             c.db.take(PyBytes_FromStringAndSize(word_at(op, 1), length_at(op, 1))))
    pass_on(op)
    changed(op, 1, _RENAME_FROM)
    notify(op, 2, _RENAME_TO)
    if op.how == KEEPS:
        write_integer(op.out, 1)
    else:
        write_raw(op.out, "+OK\r\n", 5)
    return 0


cdef Database _target(Op* op):
    """The database that argument 2 names; None for what the definition must look at: one that is ours already, or where
    somebody watches or waits for the key, which the door does not know."""
    cdef Client c = <Client>op.client
    cdef Database target
    cdef int64_t number
    if (state.all & SLOW_CLUSTER or not integer_at(op, 2, &number) or not 0 <= number < len(c.db.keyspace.databases)
            or number == c.db.index):
        return None
    target = c.db.keyspace.databases[number]
    return target if PyDict_Size(target.watched) == 0 and PyDict_Size(target.blocking) == 0 else None


cdef int64_t _move(Op* op) except -1:
    cdef Client c = <Client>op.client
    cdef Database target = _target(op)
    cdef Entry* there
    if target is None or not find_live(op, 1):
        return DECLINED
    there = table_find(target.table, word_at(op, 1), length_at(op, 1), op.hash)
    if there != NULL and is_expired(c, there):
        return DECLINED
    if op.e == NULL or there != NULL:
        write_integer(op.out, 0)
        return 0
    key = PyBytes_FromStringAndSize(word_at(op, 1), length_at(op, 1))
    target.put(key, c.db.take(key))
    pass_on(op)
    changed(op, 1, _MOVE_FROM)
    notify_in(target.index, op, 1, _MOVE_TO)
    write_integer(op.out, 1)
    return 0


cdef int64_t _copy(Op* op) except -1:
    """Within the database. The source is counted and touched as read."""
    cdef Client c = <Client>op.client
    cdef bint replaces = op.r.arg_count == 4 and is_word(op, 3, "replace", 7)
    cdef uint64_t hash = table_hash(word_at(op, 2), length_at(op, 2))
    if not (replaces or op.r.arg_count == 3) or not _is_source(op) or has_expired(op, 2, hash):
        return DECLINED
    if not replaces and _entry(op, 2, hash) != NULL:
        write_integer(op.out, 0)
    elif not _make_room(op):
        return DECLINED
    else:
        c.db.put(PyBytes_FromStringAndSize(word_at(op, 2), length_at(op, 2)),
                 c.db.duplicate(PyBytes_FromStringAndSize(word_at(op, 1), length_at(op, 1))))
        pass_on(op)
        op.at = 2
        changed(op, 1, _COPY_TO)
        write_integer(op.out, 1)
    find_at(op, 1)
    touch(c, op.e)
    found(c, op.e)
    return 0


row("exists", FREE, ANY_TYPE, _exists)
row("touch", FREE, ANY_TYPE, _exists, "", TOUCHES)
row("type", LOOK, ANY_TYPE, _type)
row("del", FREE, ANY_TYPE, _remove)
row("unlink", FREE, ANY_TYPE, _remove, "", LAZY)
row("rename", FREE, ANY_TYPE, _rename, "", RENAMES)
row("renamenx", FREE, ANY_TYPE, _rename, "", KEEPS)
row("move", FREE, ANY_TYPE, _move)
row("copy", FREE, ANY_TYPE, _copy)
