# cython: language_level=3
"""See secure.pxd. As much of socket.socket's interface as a run needs before its workers begin."""
import os
import select
import time

from libc.stdlib cimport free
from libc.string cimport memset

from iothreads.tls cimport TlsContext, tls_transport
from iothreads.transport cimport WANT_READ, WANT_WRITE, Socket, socket_close


cdef object failure_of(Socket* s):
    if s.reason != NULL:
        return ConnectionError((<bytes>s.reason).decode("utf-8", "replace"))
    return OSError(s.error, os.strerror(s.error))


cdef class SecureSocket:
    """TLS over a connected socket, which becomes its own.

    context: whom to trust and what to show. server_name: for SNI; "": none is sent. timeout: seconds for the handshake,
    and for each later call. Errors: OSError, with OpenSSL's words where it has some; TimeoutError.
    """

    def __cinit__(self):
        memset(&self.socket, 0, sizeof(Socket))
        self.socket.fd = -1

    def __init__(self, connected, TlsContext context, str server_name, double timeout):
        self.timeout = timeout
        connected.setblocking(False)
        self.socket.state = context.state(server_name.encode())
        if self.socket.state == NULL:
            raise MemoryError
        self.socket.transport = tls_transport()
        self.socket.fd = connected.detach()
        self.until_done(None, b"")

    def __dealloc__(self):
        self.close()

    cdef object until_done(self, receive, bytes to_send):
        """One call of the transport, again and again until it can be done; bytes received, or how many were sent. receive:
        most bytes, None to send; without either it is the handshake."""
        cdef Socket* s = &self.socket
        cdef bytearray room = bytearray(receive or 0)
        cdef ssize_t n
        deadline = time.monotonic() + self.timeout
        while True:
            if receive:
                n = s.transport.recv(s, room, len(room))
            elif to_send:
                n = s.transport.send(s, to_send, len(to_send))
            else:
                n = s.transport.handshake(s)
            if n >= 0:
                return bytes(room[:n]) if receive else n
            if n != WANT_READ and n != WANT_WRITE:
                raise failure_of(s)
            if self.timeout == 0:
                raise BlockingIOError("not now")
            waiter = select.poll()
            waiter.register(s.fd, select.POLLIN if n == WANT_READ else select.POLLOUT)
            if not waiter.poll(max(0, deadline - time.monotonic()) * 1000):
                raise TimeoutError("timed out")

    def sendall(self, bytes data):
        """Send all of it."""
        while data:
            data = data[self.until_done(None, data):]

    def recv(self, int most):
        """What has come, b"" at the end; waits for something."""
        return self.until_done(most, b"")

    def settimeout(self, double seconds):
        """For each call from now on; 0: what cannot be done at once raises BlockingIOError."""
        self.timeout = seconds

    def fileno(self):
        """Its descriptor; -1 when it is closed or taken."""
        return self.socket.fd

    cdef Socket take(self) noexcept:
        cdef Socket taken = self.socket
        memset(&self.socket, 0, sizeof(Socket))
        self.socket.fd = -1
        return taken

    def close(self):
        """Say goodbye and go."""
        if self.socket.fd >= 0:
            socket_close(&self.socket, False)
        free(self.socket.reason)
        self.socket.reason = NULL

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
