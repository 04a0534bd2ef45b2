# cython: language_level=3
"""The TLS transport: OpenSSL between a lane and its socket. A handshake, reads and writes run wherever the connection lives,
without the GIL; a TlsContext holds what they share (certificate, authorities, ciphers) and is made on the main thread."""
from iothreads.transport cimport Transport

cdef class TlsContext:
    cdef void* context                 # SSL_CTX
    cdef int verify                    # SSL_VERIFY_ bits, of each connection of ours
    cdef bint accepting                # made for those who come to us, not for links
    cdef readonly double expires       # when its certificate ends, Unix seconds; 0: it has none
    cdef readonly bint quick           # its key makes a handshake of well under a millisecond
    cdef void* state(self, bytes host) noexcept    # of a new connection; NULL: out of memory

cdef const Transport* tls_transport() noexcept nogil
cdef void* tls_state(void* context, bint accepting, const char* host) noexcept nogil
# what TlsContext.state() makes, for who holds the context and not the GIL; host: NULL or "" to say none
