# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport uint64_t

from server.structures.blob cimport Blob, blob_memory, blob_new, blob_release
from server.structures.table cimport (ENTRY_WORD, STR_BLOB, TYPE_STRING, Entry, entry_encoding, entry_set_type,
                                      entry_type, entry_word_ref)

cdef TypeTraits _traits[16]
cdef dict _classes = {}


cdef class Value:
    """A view of one key's value."""

    def __dealloc__(self):
        if self.entry == &self.loose.head:
            release_value(self.entry)

    cdef int create(self) except -1:
        raise NotImplementedError(type(self).__name__)


cdef int value_class(kind) except -1:
    _classes[kind.TYPE] = kind
    return 0


cdef object class_of(int type):
    return _classes.get(type)


cdef Value loose_value(kind):
    cdef Value value = kind.__new__(kind)
    value.loose.head.klen = ENTRY_WORD
    entry_set_type(&value.loose.head, kind.TYPE, 0)
    value.entry = &value.loose.head
    value.create()
    return value


def loose(kind) -> Value:
    """The same for Python: what SINTERSTORE and its like build before they give it to a key."""
    return loose_value(kind)


cdef TypeTraits* traits_of(int type) noexcept:
    return &_traits[type & 15]


cdef void release_word(int type, int encoding, uint64_t word) noexcept:
    if word != 0 and _traits[type].release != NULL:
        _traits[type].release(encoding, word)


cdef void release_value(Entry* entry) noexcept:
    if entry.klen & ENTRY_WORD:
        release_word(entry_type(entry), entry_encoding(entry), entry_word_ref(entry)[0])


# ---- strings: only a blob owns memory
cdef void _release_string(int encoding, uint64_t word) noexcept:
    if encoding == STR_BLOB:
        blob_release(<Blob*>word)


cdef size_t _string_memory(int encoding, uint64_t word) noexcept:
    return blob_memory(<Blob*>word) if encoding == STR_BLOB else 0


cdef uint64_t _copy_string(int encoding, uint64_t word) noexcept:
    if encoding != STR_BLOB:
        return word
    return <uint64_t>blob_new((<Blob*>word).data, (<Blob*>word).length, (<Blob*>word).length)


_traits[TYPE_STRING].release = _release_string
_traits[TYPE_STRING].memory = _string_memory
_traits[TYPE_STRING].copy = _copy_string
