# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Data as commands: what would have to be sent to an empty server to make it hold the same (a base without RDB).

Large values take several commands of up to 64 elements each, so that none is longer than the reader of the file likes:

    SET key value | RPUSH | SADD | HMSET | ZADD key ...         PEXPIREAT key ms, of keys that expire
    XADD key ID field value ...  XSETID  XGROUP CREATE  XCLAIM ... JUSTID FORCE | XGROUP CREATECONSUMER

As with RDB files all of it is native, so that a forked child touches few pages; only what it hands on is a bytes
object.
"""
from libc.math cimport signbit
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport strlen

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from server.keyspace.database cimport Database, Keyspace
from server.persistence.keyspace_writer cimport KeyspaceWriter
from server.persistence.object_writer cimport entry_text
from server.persistence.rdb_sink cimport RdbSink, dismiss, put_raw, sink_init, sink_reserve
from server.structures.listpack cimport LP_INTEGER_TEXT, LpValue, lp_first, lp_get, lp_integer_text, lp_length, lp_skip
from server.structures.quicklist cimport (
    QL_HEAD, Quicklist, QuicklistEntry, QuicklistIter, quicklist_iter, quicklist_iter_done, quicklist_next)
from server.structures.rax cimport RaxCursor, StreamId, rax_first, rax_item, rax_next
from server.structures.table cimport (
    ENTRY_EXPIRE, ENTRY_WORD, STR_INT, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STRING, TYPE_ZSET, Entry,
    entry_encoding, entry_expire, entry_key, entry_key_length, entry_type, entry_word_ref, table_size)
from server.structures.table_walk cimport TableWalk, table_walk, table_walk_next
from server.types.hash cimport HASH_LISTPACK, hash_table
from server.types.list cimport LIST_LISTPACK, list_length
from server.types.set cimport SetWalk, set_length, set_walk, set_walk_next
from server.types.sorted_set cimport ZCursor, ZElement, zset_next, zset_size, zset_walk
from server.types.stream cimport StreamValue, stream_value
from server.types.stream_groups cimport Pending, StreamConsumer, StreamGroup
from server.types.stream_log cimport (
    ENTRY_SAME_FIELDS, StreamLog, StreamWalk, format_id, id_max, stream_is_empty, stream_walk, stream_walk_next)

cdef extern from "stdio.h" nogil:
    int snprintf(char* s, size_t n, const char* format, ...)

cdef enum:
    ITEMS_PER_COMMAND = 64
    FLUSH_AT = 262144                  # bytes that are worth a call
    EXACT_INTEGER = 9007199254740992   # doubles up to here are integers exactly

cdef struct Portions:                  # a value that may take several commands
    RdbSink* sink
    const char* name                   # of the command
    Entry* key
    uint64_t left                      # items still to come
    uint64_t now                       # of them, in the command at hand
    int words                          # an item has


# ---- words
cdef void write_head(RdbSink* sink, char mark, int64_t number) noexcept nogil:
    """`*3` or `$3`, and the line's end."""
    cdef char* at = <char*>sink_reserve(sink, LP_INTEGER_TEXT + 3)
    cdef size_t n
    at[0] = mark
    n = 1 + lp_integer_text(number, at + 1)
    at[n] = c'\r'
    at[n + 1] = c'\n'
    sink.length += n + 2


cdef void write_word(RdbSink* sink, const char* s, size_t n) noexcept nogil:
    write_head(sink, c'$', n)
    put_raw(sink, s, n)
    put_raw(sink, <char*>b"\r\n", 2)


cdef inline void _name(RdbSink* sink, const char* name) noexcept nogil:
    write_word(sink, name, strlen(name))


cdef void write_number(RdbSink* sink, int64_t number) noexcept nogil:
    cdef char text[LP_INTEGER_TEXT]
    write_word(sink, text, lp_integer_text(number, text))


cdef void _natural(RdbSink* sink, uint64_t number) noexcept nogil:
    cdef char text[24]
    write_word(sink, text, snprintf(text, sizeof(text), "%llu", <unsigned long long>number))


cdef void _score(RdbSink* sink, double score) noexcept nogil:
    """17 significant digits: the same double comes back."""
    cdef char text[40]
    if -EXACT_INTEGER < score < EXACT_INTEGER and score == <double><int64_t>score and not signbit(score) * (score == 0):
        write_number(sink, <int64_t>score)
    else:
        write_word(sink, text, snprintf(text, sizeof(text), "%.17g", score))


cdef inline void _value(RdbSink* sink, const LpValue* value) noexcept nogil:
    if value.s == NULL:
        write_number(sink, value.number)
    else:
        write_word(sink, value.s, value.length)


cdef void _id(RdbSink* sink, const StreamId* id) noexcept nogil:
    cdef char text[48]
    write_word(sink, text, format_id(text, id))


cdef inline void _key(RdbSink* sink, Entry* key) noexcept nogil:
    write_word(sink, entry_key(key), entry_key_length(key))


cdef void _text_of(RdbSink* sink, Entry* e) noexcept nogil:
    cdef size_t n
    cdef const char* text = entry_text(e, &n)
    write_word(sink, text, n)
    dismiss(text, n)


# ---- values
cdef void _portions(Portions* p, RdbSink* sink, const char* name, Entry* key, uint64_t items, int words) noexcept nogil:
    p.sink = sink
    p.name = name
    p.key = key
    p.left = items
    p.now = 0
    p.words = words


cdef inline void _item(Portions* p) noexcept nogil:
    """The words of an item follow; maybe a new command begins with it."""
    if p.now == 0:
        p.now = min(p.left, <uint64_t>ITEMS_PER_COMMAND)
        p.left -= p.now
        write_head(p.sink, c'*', 2 + p.now * p.words)
        _name(p.sink, p.name)
        _key(p.sink, p.key)
    p.now -= 1


cdef void _string(RdbSink* sink, Entry* e) noexcept nogil:
    write_head(sink, c'*', 3)
    _name(sink, "SET")
    _key(sink, e)
    if e.klen & ENTRY_WORD and entry_encoding(e) == STR_INT:
        write_number(sink, <int64_t>entry_word_ref(e)[0])
    else:
        _text_of(sink, e)


cdef void _packed(Portions* p, unsigned char* lp) noexcept nogil:
    """Every element of a listpack, `words` of them an item."""
    cdef unsigned char* at = lp_first(lp)
    cdef uint64_t elements = lp_length(lp)
    cdef uint64_t i
    cdef LpValue value
    for i in range(elements):
        if i % p.words == 0:
            _item(p)
        lp_get(at, &value)
        _value(p.sink, &value)
        at = lp_skip(at)


cdef void _list(RdbSink* sink, Entry* e) noexcept:
    cdef Portions p
    cdef QuicklistIter it
    cdef QuicklistEntry entry
    _portions(&p, sink, "RPUSH", e, list_length(e), 1)
    if entry_encoding(e) == LIST_LISTPACK:
        _packed(&p, <unsigned char*>entry_word_ref(e)[0])
        return
    quicklist_iter(<Quicklist*>entry_word_ref(e)[0], &it, QL_HEAD)
    while quicklist_next(&it, &entry):
        _item(&p)
        _value(sink, &entry.value)
    quicklist_iter_done(&it)


cdef void _set(RdbSink* sink, Entry* e) noexcept:
    cdef Portions p
    cdef SetWalk walk
    cdef LpValue member
    _portions(&p, sink, "SADD", e, set_length(e), 1)
    set_walk(&walk, e)
    while set_walk_next(&walk, &member):
        _item(&p)
        _value(sink, &member)


cdef void _hash(RdbSink* sink, Entry* e) noexcept:
    cdef Portions p
    cdef TableWalk walk
    cdef Entry* field
    cdef unsigned char* lp
    if entry_encoding(e) == HASH_LISTPACK:
        lp = <unsigned char*>entry_word_ref(e)[0]
        _portions(&p, sink, "HMSET", e, lp_length(lp) >> 1, 2)
        _packed(&p, lp)
        return
    _portions(&p, sink, "HMSET", e, table_size(hash_table(e)), 2)
    table_walk(&walk, hash_table(e))
    while True:
        field = table_walk_next(&walk)
        if field == NULL:
            return
        _item(&p)
        _key(sink, field)
        _text_of(sink, field)


cdef void _sorted_set(RdbSink* sink, Entry* e) noexcept:
    cdef Portions p
    cdef ZCursor cursor
    cdef ZElement element
    cdef size_t size = zset_size(e)
    _portions(&p, sink, "ZADD", e, size, 2)
    zset_walk(e, 0, size, False, &cursor)
    while zset_next(&cursor, &element):
        _item(&p)
        _score(sink, element.score)
        write_word(sink, element.member, element.length)


# ---- streams
cdef void _entry(RdbSink* sink, Entry* e, StreamWalk* walk) noexcept nogil:
    cdef unsigned char* p = walk.body
    cdef unsigned char* field = walk.node_field
    cdef bint same = walk.flags & ENTRY_SAME_FIELDS
    cdef LpValue value
    cdef int64_t i
    write_head(sink, c'*', 3 + 2 * walk.fields)
    _name(sink, "XADD")
    _key(sink, e)
    _id(sink, &walk.id)
    for i in range(walk.fields):
        if same:
            lp_get(field, &value)
            field = lp_skip(field)
        else:
            lp_get(p, &value)
            p = lp_skip(p)
        _value(sink, &value)
        lp_get(p, &value)
        _value(sink, &value)
        p = lp_skip(p)


cdef void _stream(RdbSink* sink, Entry* e) noexcept:
    cdef StreamValue* stream = stream_value(e)
    cdef StreamLog* log = &stream.log
    cdef StreamWalk walk
    cdef uint64_t i
    if not stream_is_empty(log):
        stream_walk(log, &walk, StreamId(0, 0), id_max(), False)
        while stream_walk_next(&walk):
            _entry(sink, e, &walk)
    else:                              # only an XADD makes the key; this one leaves nothing else
        write_head(sink, c'*', 7)
        _name(sink, "XADD")
        _key(sink, e)
        _name(sink, "MAXLEN")
        _name(sink, "0")
        _name(sink, "0-1")
        _name(sink, "x")
        _name(sink, "y")
    write_head(sink, c'*', 7)
    _name(sink, "XSETID")
    _key(sink, e)
    _id(sink, &log.last)
    _name(sink, "ENTRIESADDED")
    _natural(sink, log.added)
    _name(sink, "MAXDELETEDID")
    _id(sink, &log.max_deleted)
    for i in range(stream.groups.count):
        _group(sink, e, stream.groups.items[i])


cdef void _group(RdbSink* sink, Entry* e, StreamGroup* group) noexcept:
    cdef StreamConsumer* consumer
    cdef uint64_t i
    write_head(sink, c'*', 7)
    _name(sink, "XGROUP")
    _name(sink, "CREATE")
    _key(sink, e)
    write_word(sink, group.name.text, group.name.length)
    _id(sink, &group.last)
    _name(sink, "ENTRIESREAD")
    write_number(sink, group.entries_read)
    for i in range(group.consumer_count):
        consumer = group.consumers[i]
        if not _pending(sink, e, group, consumer):
            write_head(sink, c'*', 5)
            _name(sink, "XGROUP")
            _name(sink, "CREATECONSUMER")
            _key(sink, e)
            write_word(sink, group.name.text, group.name.length)
            write_word(sink, consumer.name.text, consumer.name.length)


cdef bint _pending(RdbSink* sink, Entry* e, StreamGroup* group, StreamConsumer* consumer) noexcept:
    """What a consumer has not acknowledged; 0: nothing, so that no command has made the consumer."""
    cdef RaxCursor cursor
    cdef Pending* pending
    cdef bint more = rax_first(consumer.pending, &cursor)
    cdef bint found = more
    while more:
        pending = <Pending*>rax_item(&cursor).value
        write_head(sink, c'*', 12)
        _name(sink, "XCLAIM")
        _key(sink, e)
        write_word(sink, group.name.text, group.name.length)
        write_word(sink, consumer.name.text, consumer.name.length)
        _name(sink, "0")
        _id(sink, &cursor.id)
        _name(sink, "TIME")
        write_number(sink, pending.delivered_ms)
        _name(sink, "RETRYCOUNT")
        write_number(sink, <int64_t>pending.deliveries)
        _name(sink, "JUSTID")
        _name(sink, "FORCE")
        more = rax_next(&cursor)
    return found


# ---- a key
cdef void write_entry(RdbSink* sink, Entry* e) noexcept:
    cdef int type = entry_type(e)
    if type == TYPE_STRING:
        _string(sink, e)
    elif type == TYPE_LIST:
        _list(sink, e)
    elif type == TYPE_SET:
        _set(sink, e)
    elif type == TYPE_HASH:
        _hash(sink, e)
    elif type == TYPE_ZSET:
        _sorted_set(sink, e)
    else:
        _stream(sink, e)
    if e.klen & ENTRY_EXPIRE:
        write_head(sink, c'*', 3)
        _name(sink, "PEXPIREAT")
        _key(sink, e)
        write_number(sink, entry_expire(e))


cdef void write_unlink(RdbSink* sink, const char* key, size_t length) noexcept nogil:
    write_head(sink, c'*', 2)
    _name(sink, "UNLINK")
    write_word(sink, key, length)


# ---- the keyspace
cdef void _hand_on(RdbSink* sink) noexcept with gil:
    """A sink's flush: to the writer's `write`."""
    cdef CommandWriter writer = <CommandWriter>sink.context
    piece = PyBytes_FromStringAndSize(<char*>sink.data, sink.length)
    sink.length = 0
    if writer.failed is None:
        try:
            writer.write(piece)
        except Exception as error:     # it is raised after the key
            writer.failed = error


cdef class CommandWriter(KeyspaceWriter):
    """Writes a keyspace as commands, some keys a step: `begin`, `step` until it says False, `finish`.

    write(bytes) takes a piece of the file; what it raises, step and finish raise. delay_us: rdb-key-save-delay.
    Complexity: O(N) in all.
    """

    cdef object write
    cdef object failed                 # what `write` raised, None: nothing

    def __cinit__(self, Keyspace keyspace, write, int64_t delay_us=0):
        sink_init(&self.sink, 0, False)
        self.sink.flush_at = FLUSH_AT
        self.sink.flush = _hand_on
        self.sink.context = <void*>self
        self.keyspace = keyspace
        self.write = write
        self.delay_us = delay_us

    def begin(self, libraries=()) -> None:
        """The head: the sources of function libraries."""
        cdef bytes source
        for source in libraries:
            write_head(&self.sink, c'*', 3)
            _name(&self.sink, "FUNCTION")
            _name(&self.sink, "LOAD")
            write_word(&self.sink, PyBytes_AS_STRING(source), PyBytes_GET_SIZE(source))

    cdef int _begin_database(self, Database db) except -1:
        write_head(&self.sink, c'*', 2)
        _name(&self.sink, "SELECT")
        write_number(&self.sink, db.index)
        return 0

    cdef int _write_key(self, Entry* e) except -1:
        write_entry(&self.sink, e)
        if self.failed is not None:
            raise self.failed
        return 0

    def finish(self) -> None:
        """Hand on what is left."""
        _hand_on(&self.sink)
        if self.failed is not None:
            raise self.failed
