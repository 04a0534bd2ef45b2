# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t

from iothreads.message cimport output_reference
from server.clients.client cimport CLIENT_CLOSE_ASAP, Client
from server.structures.block_stream cimport TO_REPLICAS, Block, Sink, Stream

DEF_ROOM = 1 << 20                     # bytes under way to a replica's lane, at most


cdef void let_go(void* block) noexcept:
    (<Stream>(<Block*>block).stream).let_go(<Block*>block)


cdef class Feed(Sink):
    """What one replica gets."""

    def __cinit__(self, Client client):
        self.kind = TO_REPLICAS
        self.client = client

    cdef int fill(self, size_t room) except -1:
        cdef Client client = self.client
        cdef char* piece
        cdef size_t length, free
        cdef Block* block
        if client.state & CLIENT_CLOSE_ASAP:
            return 0
        while self.pending and client.out.bytes + client.in_flight < room:
            block = self.next_piece(&piece, &length)
            free = room - client.out.bytes - client.in_flight
            if length > free:
                length = free
            block.references += 1
            output_reference(&client.out, piece, length, <void*>block, let_go)
            self.advance(length)
        if client.out.bytes and not client.queued:
            client.has_output()
        return 0

    def send(self, size_t room=DEF_ROOM) -> bool:
        """Hand over what there is room for; whether something is left."""
        self.fill(room)
        return self.pending != 0
