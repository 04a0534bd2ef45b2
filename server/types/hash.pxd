# cython: language_level=3
"""A hash's data sheet: one listpack of fields and values while it is small, a table beyond.

The entry's word is a bare listpack (HASH_LISTPACK: field, value, field, value...) or a Table* (HASH_TABLE) whose
entries carry the value inline up to INLINE_MAX bytes and as a Blob* beyond. A hash turns into a table when it exceeds
`hash-max-listpack-entries` fields or meets a field or value longer than `hash-max-listpack-value`; never back.
The functions here work on the entry alone, so the fast paths need no view. An empty hash exists only between a
command's lookup and its first field, or its last field and the deletion of the key.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from iothreads.message cimport Output
from server.structures.blob cimport Blob
from server.structures.listpack cimport LpValue
from server.structures.table cimport Entry, Table, entry_word_ref
from server.types.value cimport Value

cdef enum:                             # encodings
    HASH_LISTPACK = 0
    HASH_TABLE = 1

cdef enum:                             # what hash_write answers with
    HASH_FIELDS = 1
    HASH_VALUES = 2

cdef struct HashLimits:
    size_t entries                     # hash-max-listpack-entries, fields
    size_t value                       # hash-max-listpack-value, bytes

cdef struct HashValue:                 # a value as it is read; good until the hash changes
    LpValue text
    Blob* blob                         # that holds it, to be shared by a reply; NULL for a short one

cdef HashLimits limits

cdef class Hash(Value):
    cdef list _draw_packed(self, uint32_t count)
    cdef list _draw_walking(self, uint64_t count, uint64_t size)

cdef inline Table* hash_table(Entry* e) noexcept nogil:                # only with HASH_TABLE
    return <Table*>entry_word_ref(e)[0]

cdef inline unsigned char* hash_listpack(Entry* e) noexcept nogil:     # only with HASH_LISTPACK
    return <unsigned char*>entry_word_ref(e)[0]

cdef uint64_t hash_new_word() noexcept nogil                           # an empty hash, HASH_LISTPACK
cdef uint64_t hash_length(Entry* e) noexcept nogil                     # fields
cdef bint hash_get(Entry* e, const char* field, size_t n, HashValue* value) noexcept nogil
cdef void hash_grow(Entry* e, size_t fields, size_t bytes) noexcept nogil      # due before so many fields are set
cdef bint hash_set(Entry* e, const char* field, size_t n, const char* value, size_t m) noexcept     # 1: the field is new
cdef bint hash_delete(Entry* e, const char* field, size_t n) noexcept
cdef void hash_random(Entry* e, LpValue* field, HashValue* value) noexcept nogil    # of a hash that is not empty; each as likely as another (in a table: nearly)
cdef void hash_write_value(Output* out, const HashValue* value) noexcept       # a bulk reply; a large value without a copy
cdef void hash_write(Entry* e, Output* out, int resp, int what) noexcept       # map of all, or array of fields or values
cdef size_t hash_value_length(const HashValue* value) noexcept nogil           # bytes of the value's text
