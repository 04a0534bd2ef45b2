# cython: language_level=3
"""The writer of whole RDB files: what precedes the keys, every database, the end with its checksum.

    "REDIS" and 4 digits of version
    AUX name value ...                  FUNCTION2 source of a library ...
    SELECTDB number | RESIZEDB keys, keys that expire | key ...          for each database that has keys
    EOF | CRC64 of all before it (8 bytes, little endian; 0: not computed)

    key      [EXPIRETIME_MS 8 bytes] [IDLE seconds | FREQ 1 byte] type, name, value
"""
from libc.stdint cimport uint64_t

from server.persistence.keyspace_writer cimport KeyspaceWriter

cdef enum:                             # opcodes, where a key's type would stand
    OP_FUNCTION2 = 245
    OP_FUNCTION_PRE_GA = 246           # of release candidates of Redis 7.0
    OP_MODULE_AUX = 247
    OP_IDLE = 248
    OP_FREQ = 249
    OP_AUX = 250
    OP_RESIZEDB = 251
    OP_EXPIRETIME_MS = 252
    OP_EXPIRETIME = 253                # seconds, 4 bytes: until version 2
    OP_SELECTDB = 254
    OP_EOF = 255

cdef enum:                             # what is told of past accesses, by maxmemory-policy
    ACCESS_NONE = 0
    ACCESS_IDLE = 1
    ACCESS_FREQUENCY = 2

cdef struct RdbFile:                   # where a sink's bytes go
    int fd
    int error                          # errno of the first write that failed, 0: none
    bint checksum                      # keep the CRC64
    bint sync                          # have the kernel write as we go (rdb-save-incremental-fsync)
    uint64_t crc
    uint64_t written                   # bytes
    uint64_t synced                    # bytes that the kernel was asked to write

cdef class RdbWriter(KeyspaceWriter):
    cdef RdbFile file
    cdef int access                    # ACCESS_
