# cython: language_level=3
"""The stream of commands: a chain of blocks, and sinks that read it, each at its own place.

    blocks     [ SELECT SET SET .. ] -> [ LPUSH .. ] -> [ HSET .. ]
    sinks          append only file ^       replica ^     ^ backlog begins

Bytes stand in one block only, whoever reads them. A block belongs to some kinds of sinks (its mask): what a script sends
to the append only file alone (redis.set_repl) is a block that replicas pass over. A block is freed when it is the first
and nobody stands in it. Readers outside this thread (lanes that send it to a replica) hold a block by a reference of
their own.

The offset counts the bytes that replicas get, since the history began. A backlog is a sink that stays so many bytes
behind: as long as it stands in a block, somebody who comes back may go on from there (`attach_at`).
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.message cimport Chunk, Output

cdef enum:                             # kinds of sinks; the bits of a mask
    TO_AOF = 1
    TO_REPLICAS = 2
    TO_ALL = 3

cdef struct Block:
    Block* next
    Chunk* chunk                       # the storage
    uint32_t references                # sinks that stand in it, and readers elsewhere
    uint32_t mask
    int64_t offset                     # of its first byte, for replicas
    void* stream                       # the Stream; it lives as long as the process

cdef class Stream:
    cdef Block* head                   # NULL: no block was made yet
    cdef Block* tail
    cdef readonly int64_t offset       # bytes for replicas so far (master_repl_offset)
    cdef readonly size_t memory        # of all blocks
    cdef list sinks
    cdef readonly uint32_t kinds       # of the sinks that are attached
    cdef void append(self, const char* bytes, size_t length, uint32_t mask) noexcept
    cdef void take(self, Output* out) noexcept                 # a whole Output, for all kinds; emptied
    cdef void take_part(self, Output* out, size_t length, uint32_t mask) noexcept      # its first bytes, in a copy
    cdef void account(self, size_t length, uint32_t mask) noexcept
    cdef Block* add_block(self, Chunk* chunk, uint32_t mask) noexcept
    cdef void trim(self) noexcept
    cdef void let_go(self, Block* block) noexcept              # a reader elsewhere is done with it

cdef class Sink:
    cdef readonly Stream stream        # None: not attached
    cdef readonly uint32_t kind
    cdef readonly size_t pending       # bytes not read yet
    cdef Block* block                  # where it stands ...
    cdef size_t at                     # ... and behind so many bytes of that
    cdef void step(self) noexcept
    cdef Block* next_piece(self, char** bytes, size_t* length) noexcept    # what to read next; NULL: nothing is pending

cdef class Backlog(Sink):
    cdef public size_t size            # repl-backlog-size
