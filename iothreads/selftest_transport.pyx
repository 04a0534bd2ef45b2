# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A record is a letter, a length of two bytes, and as many scrambled ones: D data, Q a question, A its answer."""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from libc.stdlib cimport abort, calloc, free
from libc.string cimport memcmp, memmove

from iothreads.transport cimport TRANSPORT_FAILED, WANT_READ, WANT_WRITE, Socket, iovec, plain_transport, socket_fail

cdef enum:
    HELLO = 8
    HEAD = 3
    RECORD = 1000                      # bytes of data in one
    ROOM = 4096
    ASK_EVERY = 5                      # records
    MASK = 0x5A

cdef struct Scrambled:
    size_t hello_sent, hello_got
    char[HELLO] hello
    char[ROOM] incoming                # as it came ...
    size_t got                         # ... so much of it
    size_t given                       # of the data of the first record, handed out already
    char[ROOM] outgoing                # to be sent before anything else
    size_t length, sent
    size_t payload                     # bytes of the caller that `outgoing` carries
    uint32_t records
    bint asked                         # a question is out: no data until it is answered


cdef void* scrambled_state() noexcept nogil:
    cdef void* state = calloc(1, sizeof(Scrambled))
    if state == NULL:
        abort()
    return state


cdef ssize_t pushed(Socket* s) noexcept nogil:
    """Sends what waits: 0 when all is out."""
    cdef Scrambled* t = <Scrambled*>s.state
    cdef ssize_t n
    while t.sent < t.length:
        n = plain_transport().send(s, t.outgoing + t.sent, t.length - t.sent)
        if n < 0:
            return n
        t.sent += n
    t.length = t.sent = 0
    return 0


cdef void add(Scrambled* t, char kind, const char* bytes, size_t length) noexcept nogil:
    cdef size_t i
    t.outgoing[t.length] = kind
    t.outgoing[t.length + 1] = <char>(length >> 8)
    t.outgoing[t.length + 2] = <char>(length & 255)
    for i in range(length):
        t.outgoing[t.length + HEAD + i] = bytes[i] ^ MASK
    t.length += HEAD + length


cdef size_t first_record(Scrambled* t) noexcept nogil:
    """Bytes of the first record with its head, if it is whole; else 0."""
    cdef size_t size
    if t.got < HEAD:
        return 0
    size = HEAD + (<size_t><unsigned char>t.incoming[1] << 8) + <size_t><unsigned char>t.incoming[2]
    return size if t.got >= size else 0


cdef void drop(Scrambled* t, size_t bytes) noexcept nogil:
    t.got -= bytes
    memmove(t.incoming, t.incoming + bytes, t.got)


cdef ssize_t pulled(Socket* s) noexcept nogil:
    """Reads until the first record is one of data, answering questions on the way: 1; 0 at the end of file."""
    cdef Scrambled* t = <Scrambled*>s.state
    cdef ssize_t n
    while True:
        if t.given > 0 or (first_record(t) and t.incoming[0] == c'D'):
            return 1
        if first_record(t):
            if t.incoming[0] == c'A':
                t.asked = False
            else:
                add(t, c'A', NULL, 0)  # a peer asks once and waits: there is room
            drop(t, HEAD)
            n = pushed(s)
            if n < 0:
                return n
            continue
        if t.length:
            n = pushed(s)
            if n < 0:
                return n
        n = plain_transport().recv(s, t.incoming + t.got, ROOM - t.got)
        if n <= 0:
            return n
        t.got += n


cdef const char* HELLO_TEXT = "SCRAMBLE"


cdef int handshake(Socket* s) noexcept nogil:
    cdef Scrambled* t = <Scrambled*>s.state
    cdef ssize_t n
    while t.hello_sent < HELLO:        # in two pieces
        n = plain_transport().send(s, HELLO_TEXT + t.hello_sent, min(<size_t>5, HELLO - t.hello_sent))
        if n < 0:
            return <int>n
        t.hello_sent += n
        if t.hello_sent < HELLO:
            return WANT_WRITE
    while t.hello_got < HELLO:
        n = plain_transport().recv(s, t.hello + t.hello_got, HELLO - t.hello_got)
        if n < 0:
            return <int>n
        if n == 0 or memcmp(t.hello, HELLO_TEXT, t.hello_got + n) != 0:
            socket_fail(s, "the peer does not scramble")
            return TRANSPORT_FAILED
        t.hello_got += n
    return 0


cdef ssize_t recv(Socket* s, char* to, size_t room) noexcept nogil:
    cdef Scrambled* t = <Scrambled*>s.state
    cdef ssize_t n = pulled(s)
    cdef size_t size, i
    if n <= 0:
        return n
    size = first_record(t) - HEAD
    n = min(room, min(size - t.given, <size_t>700))        # never a whole record at once
    for i in range(n):
        to[i] = t.incoming[HEAD + t.given + i] ^ MASK
    t.given += n
    if t.given == size:
        drop(t, HEAD + size)
        t.given = 0
    return n


cdef ssize_t send(Socket* s, const char* bytes, size_t length) noexcept nogil:
    cdef Scrambled* t = <Scrambled*>s.state
    cdef size_t taken
    cdef ssize_t n
    if t.payload == 0:
        if t.asked:
            n = pulled(s)
            if n < 0 and (t.asked or n != WANT_READ):
                return n
            if t.asked:                # data stands before the answer: it must be read first; or the peer is gone
                return WANT_READ
        n = pushed(s)
        if n < 0:
            return n
        t.payload = min(length, <size_t>RECORD)
        add(t, c'D', bytes, t.payload)
        t.records += 1
        if t.records % ASK_EVERY == 0:
            add(t, c'Q', NULL, 0)
            t.asked = True
    n = pushed(s)
    if n < 0:
        return n
    taken = t.payload
    t.payload = 0
    return taken


cdef ssize_t sendmsg(Socket* s, iovec* pieces, size_t count) noexcept nogil:
    return send(s, <const char*>pieces[0].iov_base, pieces[0].iov_len)


cdef bint pending(Socket* s) noexcept nogil:
    cdef Scrambled* t = <Scrambled*>s.state
    return t.given > 0 or (first_record(t) > 0 and t.incoming[0] == c'D')


cdef void close(Socket* s) noexcept nogil:
    free(s.state)


cdef Transport _scrambled
_scrambled.name = "scrambled"
_scrambled.short_blocks = False
_scrambled.handshake = handshake
_scrambled.recv = recv
_scrambled.send = send
_scrambled.sendmsg = sendmsg
_scrambled.pending = pending
_scrambled.close = close


cdef const Transport* scrambled_transport() noexcept nogil:
    return &_scrambled
