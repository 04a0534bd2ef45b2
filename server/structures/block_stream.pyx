# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdlib cimport abort, free, malloc
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.message cimport CHUNK_BYTES, Chunk, Output, chunk_free, chunk_held, chunk_new, output_init

AOF, REPLICAS, ALL = TO_AOF, TO_REPLICAS, TO_ALL

cdef enum:
    COPIED_MAX = 8192                  # bytes: a fuller chunk becomes a block as it is

cdef extern from "Python.h":
    object PyMemoryView_FromMemory(char* memory, Py_ssize_t size, int flags)
    int PyBUF_READ


cdef class Stream:
    """One per server."""

    def __cinit__(self):
        self.sinks = []

    def __dealloc__(self):
        cdef Block* following
        while self.head != NULL:
            following = self.head.next
            chunk_free(self.head.chunk)
            free(self.head)
            self.head = following

    # ---- who reads
    def attach(self, Sink sink) -> None:
        """It gets what is written from now on."""
        if self.tail == NULL:
            self.add_block(chunk_new(CHUNK_BYTES), TO_ALL)
        sink.stream = self
        sink.pending = 0
        sink.block = self.tail
        sink.at = self.tail.chunk.used
        self.tail.references += 1
        self.sinks.append(sink)
        self.kinds |= sink.kind

    def attach_at(self, Sink sink, Backlog backlog, int64_t offset) -> None:
        """It gets what came behind that offset, which the backlog still holds. Complexity: O(blocks of the backlog)."""
        cdef Block* block = backlog.block
        if not backlog.first_offset <= offset <= self.offset:
            raise ValueError("not in the backlog")
        while block.next != NULL and not (block.mask & TO_REPLICAS
                                          and offset < block.offset + <int64_t>block.chunk.used):
            block = block.next
        sink.stream = self
        sink.block = block
        sink.at = offset - block.offset if block.mask & TO_REPLICAS else block.chunk.used
        sink.pending = self.offset - offset
        block.references += 1
        self.sinks.append(sink)
        self.kinds |= sink.kind

    def attach_like(self, Sink sink, Sink other) -> None:
        """It gets what another one has not read yet, and all that follows."""
        sink.stream = self
        sink.block, sink.at, sink.pending = other.block, other.at, other.pending
        sink.block.references += 1
        self.sinks.append(sink)
        self.kinds |= sink.kind

    def begin_history(self, int64_t offset) -> None:
        """The bytes that come have no connection with those before (a full sync). No sink for replicas may be attached."""
        if self.kinds & TO_REPLICAS:
            raise ValueError("somebody reads the history before")
        self.offset = offset
        if self.tail != NULL:
            self.add_block(chunk_new(CHUNK_BYTES), TO_ALL)
            self.trim()

    def detach(self, Sink sink) -> None:
        """It gets nothing more, and what it has not read is not kept for it."""
        cdef Sink other
        self.sinks.remove(sink)
        sink.block.references -= 1
        sink.block = NULL
        sink.stream = None
        sink.pending = 0
        self.kinds = 0
        for other in self.sinks:
            self.kinds |= other.kind
        self.trim()

    # ---- what comes
    def write(self, bytes data, uint32_t mask=TO_ALL) -> None:
        """Bytes of whole commands, for sinks of these kinds."""
        self.append(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), mask)

    cdef void append(self, const char* bytes, size_t length, uint32_t mask) noexcept:
        cdef Block* tail = self.tail
        if not length or not mask & self.kinds:
            return
        if tail.mask != mask or tail.chunk.capacity - tail.chunk.used < length:
            tail = self.add_block(chunk_new(CHUNK_BYTES if length <= CHUNK_BYTES else length), mask)
        memcpy(tail.chunk.bytes + tail.chunk.used, bytes, length)
        tail.chunk.used += length
        self.account(length, mask)

    cdef void take(self, Output* out) noexcept:
        """Full chunks become blocks without a copy."""
        cdef Chunk* chunk = out.head
        cdef Chunk* following
        cdef Block* tail
        output_init(out)
        while chunk != NULL:
            following = chunk.next
            chunk.next = NULL
            tail = self.tail
            if not self.kinds:
                chunk_free(chunk)
            elif chunk.sent or (chunk.used <= COPIED_MAX and tail.mask == TO_ALL
                                and tail.chunk.capacity - tail.chunk.used >= chunk.used):
                self.append(chunk.bytes + chunk.sent, chunk.used - chunk.sent, TO_ALL)
                chunk_free(chunk)
            else:
                self.add_block(chunk, TO_ALL)
                self.account(chunk.used, TO_ALL)
            chunk = following

    cdef void take_part(self, Output* out, size_t length, uint32_t mask) noexcept:
        cdef Chunk* chunk
        cdef size_t part
        while length:
            chunk = out.head
            part = min(length, chunk.used - chunk.sent)
            self.append(chunk.bytes + chunk.sent, part, mask)
            chunk.sent += part
            out.bytes -= part
            length -= part
            if chunk.sent == chunk.used:
                out.head = chunk.next
                if out.head == NULL:
                    out.tail = NULL
                out.memory -= chunk_held(chunk)
                chunk_free(chunk)

    cdef void account(self, size_t length, uint32_t mask) noexcept:
        cdef Sink sink
        if mask & TO_REPLICAS:
            self.offset += length
        for sink in self.sinks:
            if sink.kind & mask:
                sink.pending += length

    cdef Block* add_block(self, Chunk* chunk, uint32_t mask) noexcept:
        cdef Block* block = <Block*>malloc(sizeof(Block))
        if block == NULL:
            abort()
        block.next = NULL
        block.chunk = chunk
        block.references = 0
        block.mask = mask
        block.offset = self.offset
        block.stream = <void*>self
        if self.tail == NULL:
            self.head = block
        else:
            self.tail.next = block
        self.tail = block
        self.memory += chunk.capacity + sizeof(Chunk) + sizeof(Block)
        return block

    cdef void trim(self) noexcept:
        """Free the blocks that everybody has left; the last one begins anew when all have read it."""
        cdef Block* block = self.head
        cdef Sink sink
        while block != self.tail and block.references == 0:
            self.head = block.next
            self.memory -= block.chunk.capacity + sizeof(Chunk) + sizeof(Block)
            chunk_free(block.chunk)
            free(block)
            block = self.head
        if block == NULL or block != self.tail or block.references != <uint32_t>len(self.sinks):
            return
        for sink in self.sinks:
            if sink.at != block.chunk.used:
                return
        block.chunk.used = 0
        block.mask = TO_ALL
        block.offset = self.offset
        for sink in self.sinks:
            sink.at = 0

    cdef void let_go(self, Block* block) noexcept:
        cdef Sink sink
        block.references -= 1
        if block.references == 1:      # if a backlog stands in it, that waited: nobody else looks before the next write
            for sink in self.sinks:
                if sink.block == block and isinstance(sink, Backlog):
                    sink.trim()
        self.trim()

    def check(self) -> None:
        """Assert what must be true of blocks and sinks."""
        cdef Block* block = self.head
        cdef Sink sink
        memory = 0
        count = {}
        while block != NULL:
            assert block.chunk.used <= block.chunk.capacity
            memory += block.chunk.capacity + sizeof(Chunk) + sizeof(Block)
            count[<size_t>block] = block.references
            assert block.next != NULL or block == self.tail
            block = block.next
        assert memory == self.memory
        for sink in self.sinks:
            assert count[<size_t>sink.block] > 0 and sink.at <= sink.block.chunk.used
            count[<size_t>sink.block] -= 1
            assert sum(map(len, sink.views())) == sink.pending
        assert self.head == NULL or not self.sinks or self.head == self.tail or self.head.references


cdef class Sink:
    """A reader of the stream: `views` is what it has not read, `advance` says how much of that is done with."""

    def __cinit__(self, kind=TO_ALL):
        self.kind = kind if isinstance(kind, int) else 0

    def __len__(self) -> int:
        return self.pending

    def views(self) -> list[memoryview]:
        """What is pending, in pieces, in place: for immediate use, until the next call of anything here."""
        cdef Block* block = self.block
        cdef size_t at = self.at
        cdef list found = []
        while block != NULL:
            if block.mask & self.kind and block.chunk.used > at:
                found.append(PyMemoryView_FromMemory(block.chunk.bytes + at, block.chunk.used - at, PyBUF_READ))
            block = block.next
            at = 0
        return found

    def advance(self, size_t length) -> None:
        """So many bytes are read."""
        cdef size_t left
        if self.stream is None:
            return
        self.pending -= length
        while True:
            left = self.block.chunk.used - self.at if self.block.mask & self.kind else 0
            if left > length or (self.block.next == NULL and left >= length):
                self.at += length
                break
            length -= left
            if self.block.next == NULL:
                self.at = self.block.chunk.used
                break
            self.step()
        self.stream.trim()

    cdef void step(self) noexcept:
        self.block.references -= 1
        self.block = self.block.next
        self.block.references += 1
        self.at = 0

    cdef Block* next_piece(self, char** bytes, size_t* length) noexcept:
        if self.pending == 0:
            return NULL
        while not self.block.mask & self.kind or self.at == self.block.chunk.used:
            self.step()
        bytes[0] = self.block.chunk.bytes + self.at
        length[0] = self.block.chunk.used - self.at
        return self.block

    def clear(self) -> None:
        """Pass over what is pending."""
        self.advance(self.pending)

    def read(self) -> bytes:
        """All that is pending, at once; it is read then."""
        found = b"".join(self.views())
        self.advance(len(found))
        return found


cdef class Backlog(Sink):
    """Stands `size` bytes behind the end, so that what came since stays in memory."""

    def __cinit__(self):
        self.kind = TO_REPLICAS

    @property
    def first_offset(self) -> int:
        """Whoever has read so far may go on."""
        return self.stream.offset - self.pending

    def trim(self) -> None:
        """Forget what is more than `size` bytes behind; a block's memory goes with its last byte. What a replica still has
        to read is kept as long as that does: it costs nothing, and whoever loses its link may still go on from there."""
        cdef Block* block
        cdef size_t left
        while self.pending > self.size and self.block.references == 1:
            block = self.block
            left = block.chunk.used - self.at if block.mask & TO_REPLICAS else 0
            if block.next == NULL or self.pending - left < self.size:
                self.at += self.pending - self.size
                self.pending = self.size
                break
            self.pending -= left
            self.step()
        self.stream.trim()
