# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The test face of this package: a server that echoes, so that tests reach the hand-off through sockets.

For every command the reply is an array of its arguments as bulks. A few names do something else:
    BIG n         a bulk of n bytes, sent by reference            HOLD          keep the batch until the peer is gone
    AUTH          the client is authenticated from now on         QUIT          OK, then close once it is written
    STATS         the counters as a bulk `name:value ...`         RESIZE n      io-threads n
    DOUBLE x      a double (RESP3 form if a third word follows)   SEEN          offset-length pairs of the batch's own bytes
    DROP          close at once, replies and all                  LATER         the reply comes at the end of the turn after
A protocol error is answered with `-<PARSE_ number> <byte>`.
"""
import threading

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from iothreads.handoff cimport EVENT_ACCEPTED, EVENT_BATCH, EVENT_CLOSED, EVENT_HOME, Event, IOThreads
from iothreads.message cimport (PARSE_OK, Batch, Chunk, Command, Output, arg_at, arg_length, chunk_held, output_clear,
                                output_cut, output_init, output_reference, output_splice)
from iothreads.resp_writer cimport (format_double, write_bulk, write_double, write_error, write_header, write_raw,
                                    write_status)

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int)

cdef struct Peer:                      # the cookie
    uint64_t connection
    Output out
    Batch* held
    bint authenticated
    bint queued
    bint closing
    size_t in_flight
    Peer* next_dirty
    Peer* next_late

cdef int references = 0                # values that chunks refer to now


cdef void let_go(void* owner) noexcept:
    global references
    references -= 1
    free(owner)


def format(double value) -> bytes:
    """What format_double makes of a number."""
    cdef char text[64]
    cdef size_t n = format_double(text, value)
    return text[:n]


cdef size_t walk(const Output* out) noexcept:
    cdef Chunk* chunk = out.head
    cdef size_t held = 0
    while chunk != NULL:
        held += chunk_held(chunk)
        chunk = chunk.next
    return held


def account(list steps) -> list[tuple[int, int, int]]:
    """Do things to an output: `("write", n)`, `("refer", n)`, `("cut", bytes kept)`, `("splice", n)` (of n bytes, written and
    referred to), `("clear", 0)`. After each: its bytes, its memory as accounted, and as its chunks say."""
    cdef Output out
    cdef Output more
    cdef bytes value
    seen = []
    values = []                        # alive while referred to
    output_init(&out)
    output_init(&more)
    for what, n in steps:
        value = bytes(n)
        values.append(value)
        if what == "write":
            write_raw(&out, value, n)
        elif what == "refer":
            output_reference(&out, value, n, NULL, NULL)
        elif what == "cut":
            output_cut(&out, n)
        elif what == "splice":
            write_raw(&more, value, n)
            output_reference(&more, value, n, NULL, NULL)
            output_splice(&out, &more)
        else:
            output_clear(&out)
        seen.append((out.bytes, out.memory, walk(&out)))
    output_clear(&out)
    return seen


cdef class Echo:
    """An echo server on a thread of its own.

    sockets: listening sockets; threads, poller: as for IOThreads; authenticated: whether clients start so. Connections
    stay on I/O threads, if there are any, until a client says KEEP no.
    """

    cdef IOThreads io
    cdef bint authenticated
    cdef bint stopping
    cdef Peer* dirty
    cdef Peer* late
    cdef readonly int connections
    cdef readonly int refused          # failed accepts
    cdef readonly uint64_t commands
    cdef readonly uint64_t home        # bytes that left at once or were reported home
    cdef readonly uint64_t sent        # bytes given to send()
    cdef readonly uint64_t wakes       # polls that returned
    cdef object thread
    cdef object tcp

    def __init__(self, list sockets, int threads=1, str poller="", bint authenticated=True, **limits):
        self.io = IOThreads(threads, poller)
        self.io.keep_away(True)
        self.io.set_limits(**limits)
        self.authenticated = authenticated
        self.tcp = [s.family != 1 for s in sockets]
        self.io.start()
        self.io.listen(sockets)

    def start(self) -> None:
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Ends it; afterwards nothing may be referred to by any chunk."""
        self.stopping = True
        self.wake()
        self.thread.join()
        self.io.stop()

    def wake(self) -> None:
        import os
        os.write(self.io.wake_fd, b"\1\0\0\0\0\0\0\0")

    @property
    def references(self) -> int:
        return references

    def run(self) -> None:
        while not self.stopping:
            self.turn()

    cdef int turn(self) except -1:
        cdef Event* event
        cdef Peer* peer
        cdef size_t left
        self.io.poll(1000)
        self.wakes += 1
        peer = self.late               # of the turn before
        self.late = NULL
        while peer != NULL:
            write_status(&peer.out, "LATE", 4)
            self.queue(peer)
            peer = peer.next_late
        while True:
            event = self.io.next_event()
            if event == NULL:
                break
            peer = <Peer*>event.client
            if event.kind == EVENT_BATCH:
                self.batch(peer, event.batch)
            elif event.kind == EVENT_HOME:
                peer.in_flight -= event.bytes
                self.home += event.bytes
            elif event.kind == EVENT_ACCEPTED:
                self.accept(event.fd, event.listener)
            elif event.kind == EVENT_CLOSED:
                self.closed(peer)
        while self.dirty != NULL:
            peer = self.dirty
            self.dirty = peer.next_dirty
            peer.queued = False
            peer.in_flight += peer.out.bytes
            self.sent += peer.out.bytes
            left = self.io.send(peer.connection, &peer.out)
            peer.in_flight -= left
            self.home += left
            if peer.closing:
                self.io.close(peer.connection, True)
        self.io.flush_wakes()
        return 0

    cdef int accept(self, int fd, int listener) except -1:
        cdef Peer* peer
        if fd < 0:
            self.refused += 1
            return 0
        peer = <Peer*>calloc(1, sizeof(Peer))
        peer.authenticated = self.authenticated
        self.connections += 1
        peer.connection = self.io.adopt(fd, peer, self.tcp[listener], peer.authenticated)
        return 0

    cdef int closed(self, Peer* peer) except -1:
        cdef Peer** at
        if peer.held != NULL:
            self.io.give_back(peer.held)
        output_clear(&peer.out)
        at = &self.dirty
        while at[0] != NULL:
            if at[0] == peer:
                at[0] = peer.next_dirty
                break
            at = &at[0].next_dirty
        at = &self.late
        while at[0] != NULL:
            if at[0] == peer:
                at[0] = peer.next_late
                break
            at = &at[0].next_late
        free(peer)
        self.connections -= 1
        return 0

    cdef void queue(self, Peer* peer) noexcept:
        if not peer.queued:
            peer.queued = True
            peer.next_dirty = self.dirty
            self.dirty = peer

    cdef int batch(self, Peer* peer, Batch* b) except -1:
        cdef uint32_t i
        cdef Command* c
        cdef bytes text
        for i in range(b.command_count):
            c = &b.commands[i]
            self.commands += 1
            if c.arg_count > 3 or arg_length(b, c, 0) > 6 or arg_at(b, c, 0)[0] > c'Z' or not self.special(peer, b, c):
                self.echo(peer, b, c)
            if peer.held != NULL:
                return 0
        if b.error != PARSE_OK:
            text = b"%d %c" % (b.error, b.error_byte) if b.error_byte else b"%d" % b.error
            write_error(&peer.out, text, len(text))
            peer.closing = True
        b.authenticated = peer.authenticated
        self.queue(peer)
        self.io.give_back(b)
        return 0

    cdef void echo(self, Peer* peer, Batch* b, Command* c) noexcept:
        cdef uint32_t i
        if c.arg_count == 1 and arg_length(b, c, 0) == 4 and arg_at(b, c, 0)[0] == c'P':
            write_status(&peer.out, "PONG", 4)
            return
        write_header(&peer.out, c'*', c.arg_count)
        for i in range(c.arg_count):
            write_bulk(&peer.out, arg_at(b, c, i), arg_length(b, c, i))

    cdef bint special(self, Peer* peer, Batch* b, Command* c) except -1:
        """False if the command is to be echoed."""
        cdef bytes name = arg_at(b, c, 0)[:arg_length(b, c, 0)]
        cdef bytes word = arg_at(b, c, 1)[:arg_length(b, c, 1)] if c.arg_count > 1 else b""
        cdef size_t n
        cdef char* value
        if name == b"BIG":
            n = int(word)
            value = <char*>calloc(1, n + 1)
            memset(value, c'x', n)
            global references
            references += 1
            write_header(&peer.out, c'$', n)
            output_reference(&peer.out, value, n, value, let_go)
            write_raw(&peer.out, "\r\n", 2)
        elif name == b"HOLD":
            peer.held = b
        elif name == b"AUTH":
            peer.authenticated = True
            write_status(&peer.out, "OK", 2)
        elif name == b"QUIT":
            peer.closing = True
            write_status(&peer.out, "OK", 2)
        elif name == b"DROP":
            self.io.close(peer.connection, False)
        elif name == b"LATER":
            peer.next_late = self.late
            self.late = peer
            self.wake()
        elif name == b"RESIZE":
            self.io.resize(int(word))
            write_status(&peer.out, "OK", 2)
        elif name == b"AWAY":
            self.io.move_away(int(word))
            write_status(&peer.out, "OK", 2)
        elif name == b"HOME":
            self.io.take_home(int(word))
            write_status(&peer.out, "OK", 2)
        elif name == b"KEEP":
            self.io.keep_away(word == b"yes")
            write_status(&peer.out, "OK", 2)
        elif name == b"DOUBLE":
            write_double(&peer.out, float(word), 3 if c.arg_count > 2 else 2)
        elif name == b"SEEN":
            word = b"%d %d" % (c.bytes, c.bytes_length)
            write_bulk(&peer.out, word, len(word))
        elif name == b"STATS":
            word = repr({"connections": self.connections, "commands": self.commands, "home": self.home, "sent": self.sent,
                         "wakes": self.wakes, "references": references, "threads": self.io.threads,
                         "away": self.io.away, "at_home": self.io.at_home,
                         "api": self.io.multiplexing_api, "lanes": self.io.stats(), "refused": self.refused}).encode()
            write_bulk(&peer.out, word, len(word))
        else:
            return False
        return True
