# cython: language_level=3
"""The base of every type's view, and the table of what each type owes the keyspace: freeing, sizes, copies.

A view names an entry by pointer: it is good until the key is deleted or its entry moves (an expire is added or removed).
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from server.structures.table cimport Entry, Table

cdef struct LooseEntry:                # an entry of no table: header and word, no key
    Entry head
    uint64_t word

cdef class Value:
    cdef Table* table                  # where the entry lives; NULL for a loose value
    cdef Entry* entry                  # word = the native value
    cdef LooseEntry loose              # the entry of a value that is in no database (see `loose_value`); freed with the view
    cdef int create(self) except -1    # give a fresh entry (word 0) an empty value and its first encoding

cdef int value_class(kind) except -1     # a class of this room introduces itself
cdef object class_of(int type)          # the class of a type's values, None for strings
cdef Value loose_value(kind)           # an empty value of a class of this room, in no database: Database.store gives it a key

cdef struct TypeTraits:
    void (*release)(int encoding, uint64_t word) noexcept                    # free the whole value now
    bint (*release_step)(int encoding, uint64_t* word, size_t effort) noexcept   # free about `effort` elements; 1 when all is gone
    size_t (*effort)(int encoding, uint64_t word) noexcept                   # elements to free: above LAZY_EFFORT it pays to do it in steps
    size_t (*memory)(int encoding, uint64_t word) noexcept                   # bytes behind the word
    uint64_t (*copy)(int encoding, uint64_t word) noexcept                   # a deep copy of the value

cdef enum:
    LAZY_EFFORT = 64

cdef TypeTraits* traits_of(int type) noexcept          # each type fills its own at import
cdef void release_value(Entry* entry) noexcept         # a value_free_t: frees what the entry's word points to
cdef void release_word(int type, int encoding, uint64_t word) noexcept
