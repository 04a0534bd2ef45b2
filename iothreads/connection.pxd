# cython: language_level=3
"""One connection: a socket, the parser's state, what is still to be written. It belongs to one lane.

An idle connection is this struct and nothing else: its batch and chunks are pooled elsewhere. Below it lies its transport
(iothreads.transport), above it one of three readers: requests of a client, replies of a server that we asked, or raw bytes.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint64_t

from iothreads.message cimport Batch, BatchPool, Chunk
from iothreads.resp_reader cimport Reader
from iothreads.resp_reply_reader cimport ReplyScanner
from iothreads.transport cimport Socket, Transport

cdef enum:
    BIG_ARGUMENT = 32768               # room for an argument this long is made as soon as its length is known
    TURN_BYTES = 65536                 # read from one connection per turn, unless one argument is longer
    BULK_TURN_BYTES = 1048576          # and then
    WRITE_TURN_BYTES = 262144          # written to one connection per turn, at most
    IOVECS = 64
    RAW_MAX = 1048576                  # room for raw bytes grows up to this while they come faster than that

cdef enum:                             # answers of connection_read and connection_write
    IO_DONE = 0                        # nothing left for now (read: no whole command; write: all is out)
    IO_BATCH = 1                       # read: the batch has commands or an error
    IO_AGAIN = 2                       # the turn's share is used up, the socket may have more to offer
    IO_BLOCKED = 3                     # write: the socket takes no more, wait for WRITABLE
    IO_CLOSED = 4                      # the connection is gone; see Connection.error

cdef enum:                             # Connection.waits: for something that is out of the ordinary
    WAITS_CONNECT = 1                  # connect() is under way
    WAITS_HANDSHAKE = 2                # the transport's
    WAITS_TO_READ = 4                  # reading goes on when the socket is writable
    WAITS_TO_WRITE = 8                 # writing goes on when the socket is readable

ctypedef void (*prepare_t)(Batch* b) noexcept nogil      # called by any lane

cdef struct QueryMeter:                # of one connection: its lane writes it, the main thread reads it; relaxed, a statistic
    uint64_t memory                    # held by a half-read request, bytes; 0 = none, or it is in a batch that is out
    uint64_t used                      # of these, bytes not parsed yet
    uint64_t read_us                   # when bytes came last that made no request, monotonic; of a link: any; 0 = none yet

cdef struct Connection:
    uint64_t id                        # slot in the low half, generation in the high half
    void* client                       # the main thread's cookie
    Socket socket
    uint8_t readable                   # the socket may have bytes that we have not read
    uint8_t hangup                     # the poller told that the peer is gone: read until the end, do not trust a short read
    uint8_t batch_out                  # the batch is the main thread's
    uint8_t authenticated
    uint8_t failed                     # a protocol error was handed over: nothing is parsed any more
    uint8_t closing                    # nothing is read any more, close once the output is out
    uint8_t blocked                    # nothing is written before the poller says so
    uint8_t watched                    # the poller is asked for WRITABLE
    uint8_t waits                      # WAITS_ bits
    uint8_t goes_home                  # to the main thread's lane, when its handshake is over
    uint8_t reads                      # a READ_ (iothreads.message)
    uint8_t unparsed                   # the tail may hold a whole command: parse before reading
    uint8_t dirty                      # is in the lane's list of connections to write
    uint8_t again                      # is in the lane's list of unfinished work
    Reader reader                      # for replies and raw bytes: `position` is behind what was looked at
    ReplyScanner* replies              # NULL unless it ever read replies
    size_t raw_room                    # of raw bytes: what the last read could have taken
    const Limits* limits
    Batch* batch                       # buffer being filled; NULL when idle; stays set while batch_out
    Chunk* head                        # output not written yet
    Chunk* tail
    Chunk* done_head                   # written, on the way home
    Chunk* done_tail
    size_t done_bytes                  # payload of those
    QueryMeter* meter                  # IOThreads owns it; outlives the connection
    uint64_t metered                   # what meter.memory shows

cdef struct Limits:                    # of IOThreads, read by all lanes with relaxed loads: one for clients, one for links
    uint64_t max_bulk                  # proto-max-bulk-len, bytes
    uint64_t query_buffer              # client-query-buffer-limit, bytes
    uint64_t reply                     # longest reply, bytes
    uint64_t keepalive                 # tcp-keepalive, seconds, 0 = off
    uint8_t roomy                      # whether long arguments are read to stay where they are (Batch.roomy)
    prepare_t prepare                  # sees each batch of requests before the main thread does; NULL: nobody. Set
                                       # before there are any

cdef struct Traffic:                   # what one call moved, for the lane's statistics
    uint64_t calls
    uint64_t bytes

cdef Connection* connection_new(uint64_t id, int fd, void* client, bint authenticated, QueryMeter* meter,
                                const Limits* limits) noexcept nogil
cdef void connection_reads(Connection* c, int reads) noexcept nogil    # from the first byte not parsed on
cdef void connection_back(Connection* c, Batch* b) noexcept nogil      # the batch of a link is back: what is next, and with which reader
cdef void connection_free(Connection* c) noexcept nogil            # not the batch, not the chunks, not the socket
cdef int connection_open(Connection* c, bint writable) noexcept nogil
cdef int connection_read(Connection* c, BatchPool* pool, Traffic* traffic) noexcept nogil
cdef int connection_write(Connection* c, Traffic* traffic) noexcept nogil
cdef void connection_tune(int fd, uint64_t keepalive) noexcept nogil
cdef void accepted_tune(int fd, uint64_t keepalive) noexcept nogil     # of one that came to a listener of `listeners_tune`:
cdef void listeners_tune(const int* listeners, int count, uint64_t keepalive) noexcept nogil    # saves calls for each who comes
