# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of DUMP, and of RESTORE and RESTORE-ASKING: what MIGRATE says to its target, a key each. What is not a
whole and sound payload is the definition's, which says what is wrong with it."""
from libc.stdint cimport int64_t, uint32_t

from iothreads.resp_writer cimport write_bulk, write_raw
from server.clients.client cimport Client
from server.dispatch.fast_words cimport FAST_FAR
from server.keyspace.database cimport Database
from server.dispatch.option_words cimport FIT, Options, OptionWords, read_options, words_of
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FREE, OR_NULL, READ, Word, changed, event_of, find_live, insert, integer_at, is_awaited,
    is_passed_on, length_at, number_word, pass_on, pass_on_as, row, word_at, word_of)
from server.persistence.object_reader cimport footer_is_right, take_value
from server.persistence.object_writer cimport payload_form, put_payload
from server.persistence.rdb_format cimport RDB_FOOTER, RDB_STRING
from server.persistence.rdb_input cimport RdbInput, RdbText, input_init, take_text, text_free
from server.persistence.rdb_sink cimport RdbSink, sink_free, sink_init
from server.structures.table cimport (
    Entry, entry_encoding, entry_type, entry_word_ref, table_release_entry, table_set_expire, table_unlink)
from server.types.value cimport LooseEntry, release_value

cdef enum:                             # what words mean
    REPLACES = 1
    ABSOLUTE = 2
    LONGEST = 7                        # words of one, its ABSTTL and ours included

cdef const Event* _RESTORE = event_of("restore")
cdef const OptionWords* _WORDS = words_of("restore", {"REPLACE": REPLACES, "ABSTTL": ABSOLUTE})


cdef int64_t _when(Op* op, const Options* options) noexcept:
    """Unix ms at which it expires, 0: never; negative for what the definition must look at."""
    cdef int64_t now_ms = (<Client>op.client).db.keyspace.clock.unix_ms
    cdef int64_t ttl
    if not integer_at(op, 2, &ttl) or ttl < 0:
        return -1
    if ttl == 0:
        return 0
    if options.means & ABSOLUTE:
        return ttl if now_ms < ttl <= FAST_FAR * 1000 else -1
    return now_ms + ttl if ttl <= FAST_FAR else -1


cdef void _remove_old(Op* op) noexcept:
    """What the key held, as DEL would, but that nobody hears of it."""
    cdef Database db = (<Client>op.client).db
    cdef Entry* e
    if op.e == NULL:
        return
    e = table_unlink(op.table, word_at(op, 1), length_at(op, 1), op.hash)
    if db.keyspace.lazy_server_del:
        db.discard_value(e)
    else:
        release_value(e)
    table_release_entry(op.table, e)


cdef Entry* _make(Op* op) except? NULL:
    """The key with the payload's value, instead of what it held; NULL for a payload that is none: nothing was done."""
    cdef Client c = <Client>op.client
    cdef RdbInput payload
    cdef RdbText text
    cdef LooseEntry loose
    cdef Entry* e = &loose.head
    if not footer_is_right(word_at(op, 3), length_at(op, 3)):
        return NULL
    input_init(&payload, word_at(op, 3) + 1, length_at(op, 3) - RDB_FOOTER - 1)
    if word_at(op, 3)[0] == RDB_STRING:
        if not take_text(&payload, &text):
            return NULL
        _remove_old(op)
        op.e = c.db.store_at(NULL, word_at(op, 1), length_at(op, 1), op.hash, text.s, text.n, False)
        text_free(&text)
        return op.e
    if not take_value(&payload, <unsigned char>word_at(op, 3)[0], &loose):
        return NULL
    _remove_old(op)
    return insert(op, entry_type(e), entry_encoding(e), entry_word_ref(e)[0])


cdef void _pass_on_until(Op* op, int64_t when) noexcept:
    """With the time at which it expires, whenever that is heard."""
    cdef Word words[LONGEST]
    cdef uint32_t i
    if is_passed_on():
        for i in range(op.r.arg_count):
            words[i] = word_of(op, i)
        words[2] = number_word(when)
        words[op.r.arg_count] = Word("ABSTTL", 6)
        pass_on_as(op, op.r.arg_count + 1, words)


cdef int64_t _restore(Op* op) except -1:
    """A key that is there without REPLACE is an error; a list may be what somebody waits for."""
    cdef Options options
    cdef int64_t when
    if op.r.arg_count >= LONGEST or length_at(op, 3) <= RDB_FOOTER or read_options(op, _WORDS, 4, &options) != FIT:
        return DECLINED
    when = _when(op, &options)
    if (when < 0 or not find_live(op, 1) or (op.e != NULL and not options.means & REPLACES) or is_awaited(op, 1)
            or _make(op) == NULL):
        return DECLINED
    if when:
        table_set_expire(op.table, op.e, op.hash, when)
    if when and not options.means & ABSOLUTE:
        _pass_on_until(op, when)
    else:
        pass_on(op)
    changed(op, 1, _RESTORE)
    write_raw(op.out, "+OK\r\n", 5)
    return 1


cdef int64_t _dump(Op* op) except -1:
    cdef RdbSink sink
    sink_init(&sink, payload_form.version, payload_form.compress)
    put_payload(&sink, op.e)
    write_bulk(op.out, <char*>sink.data, sink.length)
    sink_free(&sink)
    return 0


row("dump", READ | OR_NULL, ANY_TYPE, _dump)
row("restore", FREE, ANY_TYPE, _restore, "restore")
row("restore-asking", FREE, ANY_TYPE, _restore, "restore")
