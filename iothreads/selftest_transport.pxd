# cython: language_level=3
"""A transport for tests that behaves as TLS does, and worse: a handshake, records that come out piece by piece, and every
few records a question that the peer must answer before the writer goes on. So writing wants to read, reading wants to
write, and there are bytes that the poller does not know of. The bytes are XORed: who mistakes them for plain ones fails.
"""
from iothreads.transport cimport Transport

cdef const Transport* scrambled_transport() noexcept nogil
cdef void* scrambled_state() noexcept nogil
