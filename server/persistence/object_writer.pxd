# cython: language_level=3
"""Writing values as RDB bytes into a sink. No function here touches a Python object, so a forked child may use them."""
from libc.stddef cimport size_t

from server.persistence.rdb_sink cimport RdbSink
from server.structures.blob cimport Blob
from server.structures.table cimport ENTRY_WORD, Entry, entry_inline, entry_word_ref

cdef inline const char* entry_text(Entry* e, size_t* n) noexcept nogil:
    """The text in an entry that holds one, inline or in a blob: a string that is no integer, a field's value."""
    cdef Blob* blob
    cdef unsigned char* place
    if e.klen & ENTRY_WORD:
        blob = <Blob*>entry_word_ref(e)[0]
        n[0] = blob.length
        return blob.data
    place = entry_inline(e)
    n[0] = place[0]
    return <char*>place + 1

cdef struct PayloadForm:               # of what DUMP replies
    int version                        # rdb-version
    bint compress                      # rdbcompression

cdef PayloadForm payload_form

cdef int value_type(Entry* e, int version) noexcept                             # the RDB_ type that put_value writes
cdef void put_value(RdbSink* sink, Entry* e) noexcept                           # the value behind a key, without its type
cdef void put_payload(RdbSink* sink, Entry* e) noexcept                         # what DUMP replies; a sink that is flushed meanwhile will not do
