# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What a link hears and says. Bytes leave at the loop's next flush(), or as soon as there are many."""
import os
import time

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcmp, memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject

from iothreads.connection cimport QueryMeter
from iothreads.handoff cimport EVENT_BATCH, EVENT_CLOSED, EVENT_HOME, EVENT_OF_LINK, EVENT_OPENED, Start
from iothreads.message cimport (CONSUMED_ALL, PARSE_NOT_A_REPLY, PARSE_OK, PARSE_REPLY_TOO_LONG, READ_RAW, READ_REPLIES, READ_REQUESTS,
                                REFERENCE_MIN, Request, arg_at, arg_length, output_clear, output_reference)
from iothreads.resp_writer cimport write_bulk, write_header, write_raw
from iothreads.ring cimport load_relaxed64
from iothreads.tls cimport TlsContext, tls_transport

from iothreads.connect import begin_connecting

cdef extern from "<sys/socket.h>":
    enum:
        AF_UNIX

cdef enum:
    SEND_BYTES = 65536                 # so many are handed to the lane at once
    KEEPALIVE_AS_CLIENTS = -1
    KEEPALIVE_NOT_TCP = -2

REQUESTS = READ_REQUESTS
REPLIES = READ_REPLIES
RAW = READ_RAW
BROKEN = {PARSE_NOT_A_REPLY: "what came is no reply", PARSE_REPLY_TOO_LONG: "a reply was too long"}


cdef void let_go(void* owner) noexcept:
    Py_DECREF(<object>owner)


cdef class Link:
    """One link; Links.open makes it."""

    def __init__(self):
        raise TypeError("Links.open makes links")

    def __dealloc__(self):
        output_clear(&self.out)

    def __repr__(self) -> str:
        return f"<Link to {self.address}: {'lost' if self.lost else 'open' if self.opened else 'connecting'}>"

    def set_protocol(self, protocol) -> None:
        """Somebody else hears from now on. A lost link stays without."""
        if not self.lost:
            self.protocol = protocol

    # ---- out
    def write(self, bytes data) -> None:
        """Send bytes as they are. Large ones are not copied. What is written before it is open leaves then; to a lost
        link it goes nowhere."""
        cdef size_t length = PyBytes_GET_SIZE(data)
        if length < REFERENCE_MIN:
            write_raw(&self.out, PyBytes_AS_STRING(data), length)
        else:
            Py_INCREF(data)
            output_reference(&self.out, PyBytes_AS_STRING(data), length, <PyObject*>data, let_go)
        self.tell()

    def command(self, *words) -> None:
        """Send a command: its words are bytes."""
        cdef bytes word
        write_header(&self.out, c'*', len(words))
        for word in words:
            if PyBytes_GET_SIZE(word) < REFERENCE_MIN:
                write_bulk(&self.out, PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word))
            else:
                write_header(&self.out, c'$', PyBytes_GET_SIZE(word))
                self.write(word)
                write_raw(&self.out, "\r\n", 2)
        self.tell()

    cdef int tell(self) except -1:
        if self.lost or self.closing:
            output_clear(&self.out)
        elif self.out.bytes >= SEND_BYTES:
            self.send()
        elif not self.told:
            self.told = True
            self.links.told.append(self)
        return 0

    cdef int send(self) except -1:
        cdef size_t bytes = self.out.bytes
        self.in_flight += bytes
        self.in_flight -= self.links.io.send(self.connection, &self.out)
        return 0

    @property
    def unsent(self) -> int:
        """Bytes that the socket has not taken yet; of a lost link those that it never took."""
        return self.out.bytes + self.in_flight

    # ---- in
    def read_as(self, int reads) -> None:
        """How to read what comes behind the message that is being heard: REPLIES, REQUESTS or RAW. Only for its protocol,
        from within reply_received, command_received or data_received; what was received already is read anew. (A request
        that came inline counts as one message with the request behind it.)

        Errors: ValueError, when no message is being heard.
        """
        if not self.hearing:
            raise ValueError("a link changes its reader behind a message")
        self.reads = reads

    def hold(self) -> None:
        """Read no further until `resume`: what comes waits in the socket, and its sender with it. Only for its protocol,
        from within data_received. Until then nothing is heard of the peer's end either.

        Errors: ValueError, when no bytes are being heard.
        """
        if not self.hearing or self.reads != READ_RAW:
            raise ValueError("a link is held while bytes are being heard")
        self.holding = True

    def resume(self) -> None:
        """Go on after `hold`: data_received is called at once with the bytes that it did not take, perhaps none. Nothing
        happens to a link that is not held.

        Errors: ValueError, from within data_received.
        """
        cdef Batch* b = self.held
        if self.hearing:
            raise ValueError("a link is not resumed while it is heard")
        if b != NULL and not self.closing:
            self.held = NULL
            self.hear(b)

    @property
    def heard_us(self) -> int:
        """When bytes came last, in monotonic us; 0 when none did."""
        cdef QueryMeter* meter = self.links.io.meter(self.connection)
        return 0 if meter == NULL else load_relaxed64(&meter.read_us)

    cdef int hear(self, Batch* b) except -1:
        self.hearing = True
        try:
            if self.closing:
                pass
            elif b.reads == READ_REPLIES:
                self.hear_replies(b)
            elif b.reads == READ_RAW:
                self.hear_bytes(b)
            else:
                self.hear_requests(b)
            if b.error != PARSE_OK and not self.closing:
                self.close(reason=BROKEN.get(b.error, "what came is no request"))
        except Exception:
            self.links.on_failure(f"The link to {self.address}")
            self.close(reason="internal error")
        finally:
            self.hearing = False
            if self.holding and not self.closing and not self.lost:
                self.held = b
            else:
                self.taken = 0
                self.links.io.give_back(b)
            self.holding = False
        return 0

    cdef int hear_replies(self, Batch* b) except -1:
        cdef uint32_t i
        cdef Request* c
        for i in range(b.command_count):
            c = &b.commands[i]
            if c.bytes_length == 5 and memcmp(b.buffer + c.bytes, "+OK\r\n", 5) == 0:
                value = "OK"           # of which a hundred may come at once
            else:
                try:
                    value = self.links.read_reply(PyBytes_FromStringAndSize(b.buffer + c.bytes, c.bytes_length))
                except ValueError:
                    self.close(reason=BROKEN[PARSE_NOT_A_REPLY])
                    return 0
            self.protocol.reply_received(self, value)
            if self.closing:
                return 0
            if self.reads != READ_REPLIES:
                b.reads = self.reads
                b.consumed = c.bytes + c.bytes_length
                return 0
        return 0

    cdef int hear_requests(self, Batch* b) except -1:
        cdef uint32_t i, n
        cdef Request* c
        for i in range(b.command_count):
            c = &b.commands[i]
            self.protocol.command_received(self, [
                PyBytes_FromStringAndSize(arg_at(b, c, n), arg_length(b, c, n)) for n in range(c.arg_count)])
            if self.closing:
                return 0
            if self.reads != READ_REQUESTS and c.bytes_length:
                b.reads = self.reads
                b.consumed = c.bytes + c.bytes_length
                return 0
        return 0

    cdef int hear_bytes(self, Batch* b) except -1:
        cdef size_t left = b.used - self.taken
        cdef int64_t taken = self.protocol.data_received(self, PyBytes_FromStringAndSize(b.buffer + self.taken, left))
        if not 0 <= taken <= <int64_t>left:
            raise ValueError("data_received says how many bytes it took")
        self.taken += taken
        if self.reads != READ_RAW or self.taken < b.used:
            b.reads = self.reads
            b.consumed = self.taken
        else:
            b.consumed = CONSUMED_ALL
        return 0

    # ---- the end
    def close(self, *, bint after_flush=False, str reason="closed by us") -> None:
        """End it: its protocol hears of that once, in a later turn, and of nothing else before. after_flush: once what
        was written has left."""
        if self.lost or self.closing:
            return
        if after_flush:
            self.send()
        output_clear(&self.out)
        self.closing = True
        self.reason = reason
        self.links.io.close(self.connection, after_flush)

    cdef int end(self, str reason) except -1:
        self.lost = True
        self.opened = False
        output_clear(&self.out)
        self.links.living.discard(self)
        if self.held != NULL:
            self.links.io.give_back(self.held)
            self.held = NULL
        protocol = self.protocol
        self.protocol = None           # who knows its link and is known by it would never be freed
        protocol.connection_lost(self, self.reason if self.closing else reason)
        return 0


cdef class Links:
    """All links of a server.

    read_reply: makes a value of the bytes of a whole reply, or raises ValueError. on_failure: called with a text while
    an exception of a protocol is handled, after which its link is closed.
    """

    def __cinit__(self, IOThreads io, read_reply, on_failure):
        self.io = io
        self.read_reply = read_reply
        self.on_failure = on_failure
        self.living = set()
        self.told = []

    def __len__(self) -> int:
        return len(self.living)

    def __iter__(self):
        return iter(self.living)

    def open(self, to, protocol, *, str source="", int reads=READ_REPLIES, TlsContext tls=None, str host="") -> Link:
        """Begin to connect. to: an Address; source: the address to come from, "" for any; reads: how it is read at first.
        tls: how it is enciphered, None for not at all; host: the name that was asked for, "" when that was an address.

        Errors: ConnectError, when it fails at once.
        """
        return self.begin(begin_connecting(to, source), str(to), protocol, reads,
                          KEEPALIVE_NOT_TCP if to.family == AF_UNIX else KEEPALIVE_AS_CLIENTS, True, tls, host)

    def take(self, int fd, str address, protocol, *, bint is_tcp=True, int reads=READ_REPLIES, TlsContext tls=None) -> Link:
        """Make a link of a connected, non-blocking socket, which is the link's from now on: of a peer that came to a listener
        of ours. address: what to call it; tls: as for open()."""
        return self.begin(fd, address, protocol, reads, KEEPALIVE_AS_CLIENTS if is_tcp else KEEPALIVE_NOT_TCP, False, tls,
                          "")

    cdef Link begin(self, int fd, str address, object protocol, int reads, int keepalive, bint connecting, TlsContext tls,
                    str host):
        cdef Start start
        cdef Link link = Link.__new__(Link)
        memset(&start, 0, sizeof(Start))
        if tls is not None:
            start.transport = tls_transport()
            start.state = tls.state(host.encode())
            if start.state == NULL:
                os.close(fd)
                raise MemoryError
        start.link = start.authenticated = True
        start.connecting = connecting
        start.reads = reads
        start.keepalive = keepalive
        link.address = address
        link.fd = fd
        link.protocol = protocol
        link.links = self
        link.reads = reads
        self.living.add(link)
        link.connection = self.io.begin(fd, <void*>link, &start)
        return link

    cdef uint64_t give_away(self, Link link, void* client) except 0:
        """The connection of a link becomes a client's, its protocol hears nothing more. Returns the connection. While a reply
        or bytes are being heard, what comes behind them are requests of the client; else the link must have been read as
        requests before. Errors: ValueError."""
        if link.lost or link.closing or not link.opened:
            raise ValueError("only a link that is open can be given away")
        if link.hearing == (link.reads == READ_REQUESTS):
            raise ValueError("a link is given away behind a reply or bytes, or between requests")
        link.reads = READ_REQUESTS
        link.send()
        link.lost = True
        link.opened = False
        link.protocol = None
        self.living.discard(link)
        self.io.rename(link.connection, client, False)
        return link.connection

    def wake(self) -> None:
        """End the loop's wait: the one thing here that other threads may do."""
        if self.io.wake_fd >= 0:
            os.write(self.io.wake_fd, b"\1\0\0\0\0\0\0\0")

    def wait(self, Link link, int timeout_ms) -> bool:
        """Serve this link alone, until one thing happened to it or so many ms have passed: whether something did.
        Everybody else waits meanwhile, for something that must not be seen half done."""
        cdef Event* event
        cdef bint heard = False
        cdef int64_t end = time.monotonic_ns() + <int64_t>timeout_ms * 1000000
        cdef int64_t left = timeout_ms
        self.flush()
        while not heard and not link.lost and left >= 0:
            self.io.poll_one(link.connection, <int>left)
            event = self.io.next_event_of(link.connection)
            if event != NULL:
                heard = True
                self.event(event)
            left = (end - time.monotonic_ns()) // 1000000
        self.io.poll_one_over()
        return heard

    cdef int event(self, Event* event) except -1:
        """What the hand-off says of a link."""
        cdef Link link = <Link>event.client
        cdef int kind = event.kind & ~EVENT_OF_LINK
        if kind == EVENT_BATCH:
            return link.hear(event.batch)
        if kind == EVENT_HOME:
            if event.error == 0:
                link.in_flight -= event.bytes
            return 0
        try:
            if kind == EVENT_OPENED:
                if not link.closing:
                    link.opened = True
                    link.protocol.connection_made(link)
            elif kind == EVENT_CLOSED:
                if event.reason != NULL:
                    link.end((<bytes>event.reason).decode("utf-8", "replace"))
                else:
                    link.end(os.strerror(event.error) if event.error else "closed by the peer")
        except Exception:
            self.on_failure(f"The link to {link.address}")
            link.close(reason="internal error")
        return 0

    cdef int flush(self) except -1:
        """Hands what was written to the lanes."""
        cdef Link link
        cdef list links = self.told
        self.told = []
        for link in links:
            link.told = False
            if link.lost or link.closing:
                output_clear(&link.out)
            elif link.out.bytes:
                link.send()
        return 0
