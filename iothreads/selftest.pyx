# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The test face of this package: a server that echoes, so that tests reach the hand-off through sockets.

For every command the reply is an array of its arguments as bulks. A few names do something else:
    BIG n         a bulk of n bytes, sent by reference            HOLD          keep the batch until the peer is gone
    AUTH          the client is authenticated from now on         QUIT          OK, then close once it is written
    STATS         the counters as a bulk `name:value ...`         RESIZE n      io-threads n
    DOUBLE x      a double (RESP3 form if a third word follows)   SEEN          offset-length pairs of the batch's own bytes
    DROP          close at once, replies and all                  LATER         the reply comes at the end of the turn after
A protocol error is answered with `-<PARSE_ number> <byte>`.

It also speaks to others. A plan says how a link reads: `replies:2,raw:5,requests` is two replies, then five bytes, then
requests for ever; `frames` are raw bytes in messages that begin with their length in one byte.
    DIAL fd plan  a link on a connecting socket: its number. A plan that begins with `~` is scrambled (selftest_transport)
    TELL n bytes  write to link n                 HEARD n       a bulk: repr of the list of what happened to it so far
    WAIT n ms m   serve only link n for so long, or until it has heard more than m things; an integer: how many it has heard
    HANGUP n      close link n                    LINKS         how many there are now
"""
import threading
import time

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from iothreads.handoff cimport (EVENT_ACCEPTED, EVENT_BATCH, EVENT_CLOSED, EVENT_HOME, EVENT_OF_LINK, EVENT_OPENED, Event,
                                IOThreads, Start)
from iothreads.message cimport (PARSE_OK, READ_RAW, READ_REPLIES, READ_REQUESTS, Batch, Chunk, Output, Request, arg_at,
                                arg_length, chunk_held, output_clear, output_cut, output_init, output_reference,
                                output_splice)
from iothreads.resp_writer cimport (format_double, format_unsigned, write_bulk, write_double, write_error, write_header,
                                    write_integer, write_raw, write_status)
from iothreads.selftest_transport cimport scrambled_state, scrambled_transport

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


def digits_of(uint64_t value) -> bytes:
    """What format_unsigned makes of a number."""
    cdef char text[24]
    return text[:format_unsigned(text, value) - text]


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


cdef enum:
    WHATEVER = -1                      # Link.left: for ever
    READ_FRAMES = 100 | READ_RAW       # a step of a plan

READERS = {"requests": READ_REQUESTS, "replies": READ_REPLIES, "raw": READ_RAW, "frames": READ_FRAMES}


cdef class Link:
    """A connection that is no client; its plan, and what it has heard."""

    cdef uint64_t connection           # 0: gone
    cdef Output out
    cdef list steps                    # (reads, how many) that are still to come
    cdef int reads                     # the one it is at ...
    cdef int64_t left                  # ... and how many more
    cdef list heard

    def __cinit__(self, str plan):
        self.steps = []
        for step in plan.split(","):
            name, _, count = step.partition(":")
            self.steps.append((READERS[name], int(count) if count else WHATEVER))
        self.heard = []
        self.next_step()

    cdef int next_step(self) except -1:
        self.reads, self.left = self.steps.pop(0)
        return 0

    cdef int hear_bytes(self, bytes piece) except -1:
        if self.heard and self.heard[len(self.heard) - 1][0] == "bytes":
            piece = self.heard.pop()[1] + piece
        self.heard.append(("bytes", piece))
        return 0

    cdef int batch(self, Batch* b) except -1:
        """Notes what is in it, as far as the plan goes; then the batch says where the next step begins."""
        cdef int64_t end
        if b.error != PARSE_OK:
            self.heard.append(("broken", b.error))
            return 0
        end = self.take(b)
        if self.left == 0:
            self.next_step()
            b.reads = self.reads % 100
            b.consumed = end
        elif end < <int64_t>b.used and b.reads == READ_RAW:
            b.consumed = end
        return 0

    cdef int64_t take(self, Batch* b) except -1:
        cdef uint32_t i
        cdef Request* c
        cdef int64_t at = 0
        if self.reads == READ_RAW:
            at = b.used if self.left < 0 else min(self.left, <int64_t>b.used)
            self.hear_bytes(b.buffer[:at])
            if self.left > 0:
                self.left -= at
            return at
        if self.reads == READ_FRAMES:
            while at < <int64_t>b.used and at + 1 + <unsigned char>b.buffer[at] <= <int64_t>b.used and self.left:
                self.heard.append(("frame", b.buffer[at + 1:at + 1 + <unsigned char>b.buffer[at]]))
                at += 1 + <unsigned char>b.buffer[at]
                if self.left > 0:
                    self.left -= 1
            return at
        for i in range(b.command_count):
            c = &b.commands[i]
            if self.reads == READ_REPLIES:
                self.heard.append(("reply", b.buffer[c.bytes:c.bytes + c.bytes_length]))
            else:
                self.heard.append(("request", *[arg_at(b, c, n)[:arg_length(b, c, n)] for n in range(c.arg_count)]))
            at = c.bytes + c.bytes_length
            if self.left > 0:
                self.left -= 1
                if self.left == 0:
                    break
        return at


cdef class Echo:
    """An echo server on a thread of its own.

    sockets: listening sockets; threads, poller: as for IOThreads; authenticated: whether clients start so. Connections
    stay on I/O threads, if there are any, until a client says KEEP no. scrambled: clients are to speak so; plan: who
    connects is no client but a link with this plan.
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
    cdef list links
    cdef list told                     # links with output
    cdef bint scrambled
    cdef str plan

    def __init__(self, list sockets, int threads=1, str poller="", bint authenticated=True, *, bint scrambled=False,
                 str plan="", **limits):
        self.links = []
        self.told = []
        self.scrambled = scrambled
        self.plan = plan
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
            if event.kind & EVENT_OF_LINK:
                self.link_event(event)
                continue
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
        self.flush_links()
        self.io.flush_wakes()
        return 0

    # ---- links
    cdef int flush_links(self) except -1:
        cdef Link link
        for link in self.told:
            self.io.send(link.connection, &link.out)
        self.told = []
        return 0

    cdef int link_event(self, Event* event) except -1:
        cdef Link link = <Link>event.client
        cdef int kind = event.kind & ~EVENT_OF_LINK
        if kind == EVENT_BATCH:
            link.batch(event.batch)
            if event.batch.error != PARSE_OK:
                self.io.close(link.connection, False)
            self.io.give_back(event.batch)
        elif kind == EVENT_OPENED:
            link.heard.append(("opened",))
        elif kind == EVENT_CLOSED:
            link.heard.append(("closed", event.error, b"" if event.reason == NULL else event.reason))
            link.connection = 0
        return 0

    cdef int begin(self, int fd, str plan, bint connecting) except -1:
        """A new link; its number."""
        cdef Start start
        cdef Link link
        memset(&start, 0, sizeof(Start))
        if plan.startswith("~"):
            plan = plan[1:]
            start.transport = scrambled_transport()
            start.state = scrambled_state()
        link = Link(plan)
        start.link = start.authenticated = True
        start.connecting = connecting
        start.reads = link.reads % 100
        start.keepalive = -1
        self.links.append(link)        # for good: it is a cookie
        link.connection = self.io.begin(fd, <void*>link, &start)
        return len(self.links) - 1

    cdef int wait(self, Link link, int milliseconds, int known) except -1:
        """Serve one link alone."""
        cdef Event* event
        cdef uint64_t connection = link.connection
        self.flush_links()
        end = time.monotonic() + milliseconds / 1000
        while len(link.heard) <= known and link.connection and (left := int(1000 * (end - time.monotonic()))) > 0:
            self.io.poll_one(connection, left)
            while True:
                event = self.io.next_event_of(connection)
                if event == NULL:
                    break
                self.link_event(event)
        self.io.poll_one_over()
        return len(link.heard)

    cdef int accept(self, int fd, int listener) except -1:
        cdef Peer* peer
        cdef Start start
        if fd < 0:
            self.refused += 1
            return 0
        if self.plan:
            self.begin(fd, self.plan, False)
            return 0
        peer = <Peer*>calloc(1, sizeof(Peer))
        peer.authenticated = self.authenticated
        self.connections += 1
        if not self.scrambled:
            peer.connection = self.io.adopt(fd, peer, self.tcp[listener], peer.authenticated)
            return 0
        memset(&start, 0, sizeof(Start))
        start.authenticated = peer.authenticated
        start.keepalive = -1
        start.transport = scrambled_transport()
        start.state = scrambled_state()
        peer.connection = self.io.begin(fd, peer, &start)
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
        cdef Request* c
        cdef bytes text
        for i in range(b.command_count):
            c = &b.commands[i]
            self.commands += 1
            if c.arg_count > 4 or arg_length(b, c, 0) > 6 or arg_at(b, c, 0)[0] > c'Z' or not self.special(peer, b, c):
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

    cdef void echo(self, Peer* peer, Batch* b, Request* c) noexcept:
        cdef uint32_t i
        if c.arg_count == 1 and arg_length(b, c, 0) == 4 and arg_at(b, c, 0)[0] == c'P':
            write_status(&peer.out, "PONG", 4)
            return
        write_header(&peer.out, c'*', c.arg_count)
        for i in range(c.arg_count):
            write_bulk(&peer.out, arg_at(b, c, i), arg_length(b, c, i))

    cdef bint special(self, Peer* peer, Batch* b, Request* c) except -1:
        """False if the command is to be echoed."""
        cdef bytes name = arg_at(b, c, 0)[:arg_length(b, c, 0)]
        cdef bytes word = arg_at(b, c, 1)[:arg_length(b, c, 1)] if c.arg_count > 1 else b""
        cdef bytes third = arg_at(b, c, 2)[:arg_length(b, c, 2)] if c.arg_count > 2 else b""
        cdef Link link
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
        elif name == b"DIAL":
            write_integer(&peer.out, self.begin(int(word), third.decode(), True))
        elif name == b"TELL":
            link = <Link>self.links[int(word)]
            write_raw(&link.out, third, len(third))
            self.told.append(link)
            write_status(&peer.out, "OK", 2)
        elif name == b"HEARD":
            word = repr((<Link>self.links[int(word)]).heard).encode()
            write_bulk(&peer.out, word, len(word))
        elif name == b"WAIT":
            n = int(arg_at(b, c, 3)[:arg_length(b, c, 3)])
            write_integer(&peer.out, self.wait(<Link>self.links[int(word)], int(third), n))
        elif name == b"HANGUP":
            self.io.close((<Link>self.links[int(word)]).connection, False)
            write_status(&peer.out, "OK", 2)
        elif name == b"LINKS":
            write_integer(&peer.out, sum([(<Link>link).connection != 0 for link in self.links]))
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
