# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of OBJECT: ENCODING, REFCOUNT, IDLETIME, FREQ. Looking is no access, and a miss is counted but
nobody hears of it."""
from libc.stdint cimport int64_t, uint8_t

from iothreads.decimal cimport parse_int64
from iothreads.resp_writer cimport write_integer, write_null, write_raw
from server.clients.client cimport Client
from server.dispatch.conditions cimport state
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport ANY_TYPE, DECLINED, FREE, UNKEYED, find_live, found, row
from server.keyspace.database cimport entry_string_view
from server.structures.table cimport (
    ENTRY_WORD, STR_INT, STR_RAW_INLINE, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STRING, TYPE_ZSET, Entry, entry_encoding,
    entry_inline, entry_type)
from server.types.hash cimport HASH_LISTPACK
from server.types.list cimport LIST_LISTPACK
from server.types.set cimport SET_INTSET, SET_LISTPACK
from server.types.sorted_set cimport ZSET_LISTPACK

cdef enum:
    EMBEDDED_MAX = 44                  # bytes of a string that Redis would call embstr
    SHARED_INTEGERS = 10000            # numbers below this are shared in Redis ...
    SHARED_REFERENCES = 2147483647     # ... and say that of themselves


cdef bint _look(Op* op) noexcept:
    """Whether argument 2 is a key that is there; else null is the reply, or op.e is not NULL and it has expired."""
    cdef Client c = <Client>op.client
    if not find_live(op, 2):
        return False
    if op.e == NULL:
        c.db.keyspace.misses += 1
        write_null(op.out, c.resp)
        return False
    found(c, op.e)
    return True


cdef const char* _encoding_of_string(Entry* e) noexcept:
    cdef int64_t number
    cdef uint8_t* value
    if e.klen & ENTRY_WORD:
        return "$3\r\nint\r\n" if entry_encoding(e) == STR_INT else "$3\r\nraw\r\n"
    value = entry_inline(e)
    if entry_encoding(e) == STR_RAW_INLINE or value[0] > EMBEDDED_MAX:
        return "$3\r\nraw\r\n"
    return "$3\r\nint\r\n" if parse_int64(<char*>value + 1, value[0], &number) else "$6\r\nembstr\r\n"


cdef const char* _encoding(Entry* e) noexcept:
    """As a reply."""
    cdef int type = entry_type(e)
    cdef int encoding = entry_encoding(e)
    if type == TYPE_STRING:
        return _encoding_of_string(e)
    if (type == TYPE_HASH and encoding == HASH_LISTPACK or type == TYPE_LIST and encoding == LIST_LISTPACK
            or type == TYPE_SET and encoding == SET_LISTPACK or type == TYPE_ZSET and encoding == ZSET_LISTPACK):
        return "$8\r\nlistpack\r\n"
    if type == TYPE_HASH or (type == TYPE_SET and encoding != SET_INTSET):
        return "$9\r\nhashtable\r\n"
    if type == TYPE_SET:
        return "$6\r\nintset\r\n"
    return "$9\r\nquicklist\r\n" if type == TYPE_LIST else "$8\r\nskiplist\r\n" if type == TYPE_ZSET else "$6\r\nstream\r\n"


cdef int64_t _object_encoding(Op* op) except -1:
    cdef const char* text
    if not _look(op):
        return 0 if op.e == NULL else DECLINED
    text = _encoding(op.e)
    write_raw(op.out, text, 6 + (text[1] - c'0'))
    return 0


cdef int64_t _object_refcount(Op* op) except -1:
    """Under a memory limit the policy decides whether numbers are shared."""
    cdef int64_t number
    cdef char scratch[24]
    cdef char* text
    cdef size_t length
    if state.max_memory:
        return DECLINED
    if not _look(op):
        return 0 if op.e == NULL else DECLINED
    number = -1
    if entry_type(op.e) == TYPE_STRING and entry_encoding(op.e) != STR_RAW_INLINE:
        length = entry_string_view(op.e, scratch, &text)
        if not parse_int64(text, length, &number):
            number = -1
    write_integer(op.out, SHARED_REFERENCES if 0 <= number < SHARED_INTEGERS else 1)
    return 0


cdef int64_t _object_idletime(Op* op) except -1:
    """Under an LFU policy it is an error."""
    cdef Client c = <Client>op.client
    if c.db.keyspace.lfu:
        return DECLINED
    if not _look(op):
        return 0 if op.e == NULL else DECLINED
    write_integer(op.out, (c.db.keyspace.clock.lru - op.e.meta) & 0xFFFFFF)
    return 0


cdef int64_t _object_freq(Op* op) except -1:
    """Only under an LFU policy."""
    cdef Client c = <Client>op.client
    if not c.db.keyspace.lfu:
        return DECLINED
    if not _look(op):
        return 0 if op.e == NULL else DECLINED
    write_integer(op.out, c.db.keyspace.lfu_decayed(op.e.meta))
    return 0


row("object|encoding", FREE | UNKEYED, ANY_TYPE, _object_encoding)
row("object|refcount", FREE | UNKEYED, ANY_TYPE, _object_refcount)
row("object|idletime", FREE | UNKEYED, ANY_TYPE, _object_idletime)
row("object|freq", FREE | UNKEYED, ANY_TYPE, _object_freq)
