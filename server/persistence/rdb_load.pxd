# cython: language_level=3
"""The reader of RDB files, versions 1 to 11, from memory (a mapped file) into a keyspace, or as they come, piece by
piece. Format: rdb_save.pxd."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from server.keyspace.database cimport Database, Keyspace
from server.persistence.rdb_input cimport RdbInput
from server.types.stream_log cimport StreamLog

cdef class RdbReader:
    cdef Py_buffer view                # the file
    cdef bint viewed
    cdef RdbInput input
    # of one that is fed
    cdef bint growing                  # more bytes may come
    cdef unsigned char* own            # those that came and are not read yet (from malloc), for view's bytes
    cdef size_t own_size
    cdef uint64_t dropped              # bytes of the file before those of the buffer
    cdef uint64_t total                # of the file; 0: nobody knows
    cdef size_t wanted                 # so many bytes must be there before another try makes sense
    cdef bint begun                    # the head is read
    cdef const unsigned char* summed   # the checksum is computed up to here
    cdef uint64_t crc
    cdef bint checksum                 # compute and compare it
    cdef Keyspace keyspace
    cdef Database db                   # selected
    cdef object on_field, on_library
    cdef object on_database, on_warning, on_expired        # may be None; on_expired(database, key): it was left out
    cdef const unsigned char* item     # where what is read now begins: an opcode, or a key with its type
    cdef readonly int item_type        # its first byte, -1 before
    cdef readonly str doing            # Redis's word for it
    cdef readonly uint64_t keys_with_expire        # among all that were read
    cdef bint drop_expired             # keys whose time has come are not loaded (a master's own snapshot)
    cdef bint replace                  # a key that is there is replaced; otherwise it makes the file bad
    cdef public int64_t delay_us       # key-load-delay
    cdef int64_t now_ms
    cdef readonly int version
    cdef readonly uint64_t keys_loaded
    cdef readonly uint64_t keys_expired
    cdef readonly uint64_t keys_empty  # values without elements, which no key may have
    cdef uint64_t streams_miscounted
    cdef readonly bytes last_key       # the key that was read when the file turned out to be bad
    # of the key to come
    cdef int64_t expire                # Unix ms, -1 none
    cdef int64_t idle                  # seconds, -1 unknown
    cdef int frequency                 # LFU counter, -1 unknown
    cdef bint _opcode(self, int op) except -1
    cdef int _key(self, int type) except -1
    cdef bint _add(self, const char* name, size_t n, int type) except -1
    cdef int _warn(self, const char* name, size_t n, const StreamLog* log) except -1
    cdef int _end(self) except -1
    cdef bytes _bytes(self)
    cdef uint32_t _access(self) noexcept
    cdef void _sum(self) noexcept
    cdef int _want(self) except -1
    cdef uint64_t _place(self, const unsigned char* at) noexcept
    cdef uint64_t _to_come(self) noexcept
