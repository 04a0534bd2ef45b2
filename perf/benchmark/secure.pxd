# cython: language_level=3
"""A connection through TLS while Python still has it: connected, shaken hands, greeted. A worker then takes it as it is."""
from iothreads.transport cimport Socket

cdef class SecureSocket:
    cdef Socket socket                 # fd -1: closed, or taken
    cdef double timeout                # seconds that each call may take
    cdef Socket take(self) noexcept    # descriptor and TLS state are the caller's from now on
    cdef object until_done(self, receive, bytes to_send)
