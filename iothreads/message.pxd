# cython: language_level=3
"""What crosses between a lane (a set of sockets) and the main thread: batches of what was read, chunks of what is to be
written.

Whoever holds one of these owns its memory. All of it comes from malloc (lanes must not touch the keyspace's allocator).
A lane knows no command and no key; the main thread knows no socket. A connection is named by its id.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    CHUNK_BYTES = 16384                # payload of a pooled chunk
    REFERENCE_MIN = 16384              # a reply value at least this long leaves without a copy
    ROOMY_MIN = 65536                  # a last argument at least this long may stay where it was read: see Batch.roomy
    ROOMY_HEAD = 24                    # bytes left free in front of it

# ---- in
cdef enum:                             # how the bytes of a connection are read
    READ_REQUESTS = 0                  # Batch.commands are requests
    READ_REPLIES = 1                   # Batch.commands are whole replies, each by `bytes` and `bytes_length` alone
    READ_RAW = 2                       # no commands: buffer[:used] is what came
    CONSUMED_ALL = -1                  # Batch.consumed

cdef struct Arg:
    size_t offset                      # into Batch.buffer
    size_t length

cdef struct Request:
    uint32_t first_arg                 # index into Batch.args
    uint32_t arg_count                 # >= 1
    void* record                       # scratch of the main thread: its command record (the lane sets NULL)
    uint64_t hash                      # scratch of the main thread: the hash of the first key
    size_t bytes                       # this command's own RESP bytes: start offset in buffer
    size_t bytes_length                # 0 when it came inline (no RESP form to copy); without the gap
    uint16_t slot                      # of who prepares requests (Limits.prepare); without it anything
    uint8_t gap                        # free bytes in its RESP form, in front of its last argument; mostly 0

cdef struct Batch:                     # all complete commands that one read made available; at most one per connection is out
    uint64_t connection                # id
    void* client                       # the main thread's cookie given at adopt time
    char* buffer
    size_t used
    size_t capacity
    Arg* args
    uint32_t arg_count
    uint32_t arg_capacity
    Request* commands
    uint32_t command_count
    uint32_t command_capacity
    uint32_t next                      # next command to execute: the main thread may stop in the middle (blocked client)
    uint8_t error                      # a PARSE_ error that follows the commands: answer its text, then close
    uint8_t error_byte                 # the offending byte, for texts that show it
    uint8_t authenticated              # set by the main thread before it sends the batch home: lifts the limits of strangers
    uint8_t reads                      # a READ_; of a link the main thread may say before it sends the batch home how it goes on ...
    int64_t consumed                   # ... and behind how many bytes of `buffer`; the rest is read (again) then. CONSUMED_ALL: all that was handed over
    size_t input_bytes                 # bytes read from the socket for this batch
    size_t buffered                    # bytes of unparsed tail: counts against client-query-buffer-limit
    size_t roomy                       # offset of the last argument of all, with ROOMY_HEAD free bytes in front of it (8-byte
                                       # aligned) and nothing behind its line end; 0 = none
    void* holder                       # the value of the main thread's that `buffer` belongs to since, which is kept until the
                                       # batch goes home (batch_leave_buffer); NULL: the buffer is the batch's own
    size_t memory                      # what the query buffer of this connection holds now (qbuf + qbuf-free of CLIENT LIST)
    int64_t ready_at                   # monotonic us at hand-over (time spent waiting for the main thread)
    Batch* link

cdef enum:                             # Batch.error
    PARSE_OK = 0
    PARSE_INVALID_MULTIBULK_LENGTH = 1         # "Protocol error: invalid multibulk length"
    PARSE_UNAUTHENTICATED_MULTIBULK = 2        # "Protocol error: unauthenticated multibulk length"
    PARSE_TOO_BIG_MBULK_COUNT = 3              # "Protocol error: too big mbulk count string"
    PARSE_EXPECTED_DOLLAR = 4                  # "Protocol error: expected '$', got 'x'"
    PARSE_INVALID_BULK_LENGTH = 5              # "Protocol error: invalid bulk length"
    PARSE_UNAUTHENTICATED_BULK = 6             # "Protocol error: unauthenticated bulk length"
    PARSE_TOO_BIG_BULK_COUNT = 7               # "Protocol error: too big bulk count string"
    PARSE_TOO_BIG_INLINE = 8                   # "Protocol error: too big inline request"
    PARSE_UNBALANCED_QUOTES = 9                # "Protocol error: unbalanced quotes in request"
    PARSE_QUERY_BUFFER_LIMIT = 10              # no text: logged and closed
    PARSE_NOT_A_REPLY = 11                     # of replies; no text, these are not clients
    PARSE_REPLY_TOO_LONG = 12
    # (POST and Host: are commands to the parser; the main thread aborts on them)

cdef inline char* arg_at(const Batch* b, const Request* c, uint32_t i) noexcept nogil:
    return b.buffer + b.args[c.first_arg + i].offset

cdef inline size_t arg_length(const Batch* b, const Request* c, uint32_t i) noexcept nogil:
    return b.args[c.first_arg + i].length

# ---- out
ctypedef void (*release_t)(void* owner) noexcept         # called on the main thread only

cdef struct Chunk:                     # a piece of reply
    Chunk* next
    char* bytes                        # own storage (behind the struct), or somebody's value for a reference
    size_t used                        # bytes to send
    size_t sent
    size_t capacity                    # 0 for a reference
    void* owner                        # reference: what release(owner) lets go once the chunk is home
    release_t release

cdef struct Output:                    # a growing reply; belongs to a client on the main thread
    Chunk* head
    Chunk* tail
    size_t bytes                       # in all chunks, not sent yet
    size_t memory                      # held by the chunks, themselves included; a referred value counts with its length

cdef Chunk* chunk_new(size_t capacity) noexcept nogil                     # main thread; pooled at CHUNK_BYTES
cdef void chunk_free(Chunk* c) noexcept nogil                             # main thread; back to the pool (never calls release)
cdef void output_clear(Output* out) noexcept                              # frees and releases all
cdef char* output_grow(Output* out, size_t room) noexcept nogil           # slow half of output_reserve
cdef void output_reference(Output* out, char* bytes, size_t length, void* owner, release_t release) noexcept nogil
cdef void output_cut(Output* out, size_t bytes) noexcept                  # takes back what was written behind the first `bytes`
cdef void output_splice(Output* out, Output* more) noexcept nogil         # append and empty `more`

cdef inline void output_init(Output* out) noexcept nogil:
    """Empty, whatever it was: nothing is freed."""
    out.head = out.tail = NULL
    out.bytes = out.memory = 0

cdef inline size_t chunk_held(const Chunk* c) noexcept nogil:
    """Bytes of memory, as `memory` counts them."""
    return sizeof(Chunk) + (c.capacity if c.capacity else c.used)

cdef inline char* output_reserve(Output* out, size_t room) noexcept nogil:
    """A place for `room` contiguous bytes; say with output_advance how many were written."""
    cdef Chunk* tail = out.tail
    if tail != NULL and tail.used + room <= tail.capacity:
        return tail.bytes + tail.used
    return output_grow(out, room)

cdef inline void output_advance(Output* out, size_t written) noexcept nogil:
    out.tail.used += written
    out.bytes += written

cdef void chunks_home(Chunk* c) noexcept                                  # main thread: release and free a chain

# ---- batches: each lane has a pool of its own and calls these for it alone
cdef enum:
    BUFFER_BYTES = 16384               # of a fresh batch

cdef struct BatchPool:
    Batch* free
    uint32_t size

cdef Batch* batch_new(BatchPool* pool) noexcept nogil
cdef void batch_pool(BatchPool* pool, Batch* b) noexcept nogil            # keeps it for batch_new, or frees it
cdef void batch_shrink(Batch* b) noexcept nogil
cdef void batch_leave_buffer(Batch* b) noexcept nogil                     # to its holder: the batch gets a fresh one
cdef void batch_free(Batch* b) noexcept nogil
cdef void batch_pool_clear(BatchPool* pool) noexcept nogil
cdef void batch_room(Batch* b, size_t capacity) noexcept nogil
cdef void batch_more_args(Batch* b) noexcept nogil
cdef void batch_more_commands(Batch* b) noexcept nogil
