# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Making and pooling chunks and batches. The chunk pool is the main thread's; every lane has a batch pool of its own."""
from libc.stdlib cimport abort, calloc, free, malloc, realloc

cdef enum:
    CHUNK_POOL = 256                   # idle chunks kept: 4 MB
    BATCH_POOL = 128                   # idle batches kept per lane: 2 MB
    KEPT_BUFFER = 65536                # a pooled batch with a longer buffer is given a short one
    KEPT_ITEMS = 4096

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void* at) nogil

# Stacks, not chains: taking one needs nothing from the chunk itself, which is seldom in a near cache.
cdef Chunk* free_chunks[CHUNK_POOL]
cdef Chunk* free_references[CHUNK_POOL]
cdef uint32_t free_chunk_count = 0
cdef uint32_t free_reference_count = 0


cdef Chunk* chunk_new(size_t capacity) noexcept nogil:
    global free_chunk_count, free_reference_count
    cdef Chunk* c
    if capacity == CHUNK_BYTES and free_chunk_count:
        free_chunk_count -= 1
        c = free_chunks[free_chunk_count]
    elif capacity == 0 and free_reference_count:
        free_reference_count -= 1
        c = free_references[free_reference_count]
    else:
        c = <Chunk*>malloc(sizeof(Chunk) + capacity)
        if c == NULL:
            abort()
    c.capacity = capacity
    c.next = NULL
    c.bytes = <char*>(c + 1)
    c.used = c.sent = 0
    c.owner = NULL
    c.release = NULL
    return c


cdef void chunk_free(Chunk* c) noexcept nogil:
    global free_chunk_count, free_reference_count
    if c.capacity == CHUNK_BYTES and free_chunk_count < CHUNK_POOL:
        free_chunks[free_chunk_count] = c
        free_chunk_count += 1
    elif c.capacity == 0 and free_reference_count < CHUNK_POOL:
        free_references[free_reference_count] = c
        free_reference_count += 1
    else:
        free(c)


cdef void chunks_home(Chunk* c) noexcept:
    """Ends a chain of chunks: lets go of what they refer to and pools them."""
    cdef Chunk* following
    while c != NULL:
        following = c.next
        if c.release != NULL:
            c.release(c.owner)
        chunk_free(c)
        c = following


cdef void output_clear(Output* out) noexcept:
    cdef Chunk* head = out.head
    output_init(out)
    chunks_home(head)


cdef inline void append(Output* out, Chunk* c) noexcept nogil:
    out.memory += chunk_held(c)
    if out.tail == NULL:
        out.head = c
    else:
        out.tail.next = c
    out.tail = c


cdef char* output_grow(Output* out, size_t room) noexcept nogil:
    cdef Chunk* c = chunk_new(CHUNK_BYTES if room <= CHUNK_BYTES else room)
    append(out, c)
    return c.bytes


cdef void output_reference(Output* out, char* bytes, size_t length, void* owner, release_t release) noexcept nogil:
    cdef Chunk* c = chunk_new(0)
    c.bytes = bytes
    c.used = length
    c.owner = owner
    c.release = release
    append(out, c)
    out.bytes += length


cdef void output_cut(Output* out, size_t bytes) noexcept:
    """O(chunks). Nothing may have left since there were so many bytes."""
    cdef Chunk* last = out.head
    cdef Chunk* c
    cdef size_t before = 0             # bytes in the chunks in front of `last`
    if bytes == 0:
        output_clear(out)
        return
    if bytes >= out.bytes:
        return
    while before + last.used < bytes:
        before += last.used
        last = last.next
    if last.capacity == 0:
        out.memory -= last.used - (bytes - before)
    last.used = bytes - before
    c = last.next
    while c != NULL:
        out.memory -= chunk_held(c)
        c = c.next
    out.bytes = bytes
    out.tail = last
    chunks_home(last.next)
    last.next = NULL


cdef void output_splice(Output* out, Output* more) noexcept nogil:
    if more.head == NULL:
        return
    if out.tail == NULL:
        out.head = more.head
    else:
        out.tail.next = more.head
    out.tail = more.tail
    out.bytes += more.bytes
    out.memory += more.memory
    output_init(more)


# ---- batches: called by the lane that owns the pool

cdef void* must(void* block) noexcept nogil:
    if block == NULL:
        abort()
    return block


cdef Batch* batch_new(BatchPool* pool) noexcept nogil:
    cdef Batch* b = pool.free
    if b != NULL:
        pool.free = b.link
        pool.size -= 1
        prefetch(b.link)               # the next one, and what the parser fills while this one is being received into
        prefetch(<char*>b.link + 64)
        prefetch(b.args)
        prefetch(b.commands)
        b.link = NULL
    else:
        b = <Batch*>must(calloc(1, sizeof(Batch)))
        b.buffer = <char*>must(malloc(BUFFER_BYTES))
        b.capacity = BUFFER_BYTES
        b.arg_capacity = 64
        b.args = <Arg*>must(malloc(b.arg_capacity * sizeof(Arg)))
        b.command_capacity = 16
        b.commands = <Request*>must(malloc(b.command_capacity * sizeof(Request)))
    b.used = 0
    b.arg_count = b.command_count = b.next = 0
    b.error = PARSE_OK
    b.error_byte = 0
    b.reads = READ_REQUESTS
    b.input_bytes = b.buffered = b.roomy = 0
    b.holder = NULL
    return b


cdef void batch_pool(BatchPool* pool, Batch* b) noexcept nogil:
    if pool.size >= BATCH_POOL:
        batch_free(b)
        return
    batch_shrink(b)
    b.link = pool.free
    pool.free = b
    pool.size += 1


cdef void batch_shrink(Batch* b) noexcept nogil:
    """Gives an empty batch that one huge request has blown up its ordinary size again."""
    if b.capacity > KEPT_BUFFER:
        free(b.buffer)
        b.buffer = <char*>must(malloc(BUFFER_BYTES))
        b.capacity = BUFFER_BYTES
    if b.arg_capacity > KEPT_ITEMS:
        free(b.args)
        b.arg_capacity = 64
        b.args = <Arg*>must(malloc(b.arg_capacity * sizeof(Arg)))
    if b.command_capacity > KEPT_ITEMS:
        free(b.commands)
        b.command_capacity = 16
        b.commands = <Request*>must(malloc(b.command_capacity * sizeof(Request)))


cdef void batch_leave_buffer(Batch* b) noexcept nogil:
    b.buffer = <char*>must(malloc(BUFFER_BYTES))
    b.capacity = BUFFER_BYTES
    b.roomy = 0
    b.holder = NULL


cdef void batch_free(Batch* b) noexcept nogil:
    free(b.buffer)
    free(b.args)
    free(b.commands)
    free(b)


cdef void batch_pool_clear(BatchPool* pool) noexcept nogil:
    cdef Batch* b
    while pool.free != NULL:
        b = pool.free
        pool.free = b.link
        batch_free(b)
    pool.size = 0


cdef void batch_room(Batch* b, size_t capacity) noexcept nogil:
    """Makes the buffer at least `capacity` bytes long."""
    if capacity > b.capacity:
        b.buffer = <char*>must(realloc(b.buffer, capacity))
        b.capacity = capacity


cdef void batch_more_args(Batch* b) noexcept nogil:
    b.arg_capacity *= 2
    b.args = <Arg*>must(realloc(b.args, b.arg_capacity * sizeof(Arg)))


cdef void batch_more_commands(Batch* b) noexcept nogil:
    b.command_capacity *= 2
    b.commands = <Request*>must(realloc(b.commands, b.command_capacity * sizeof(Request)))
