# cython: language_level=3
"""What a fatal signal's report can say of the command that was running: pointers that are only read while it crashes."""
from cpython.ref cimport PyObject
from libc.stdint cimport uint64_t

cdef struct CrashContext:
    PyObject* argv                     # the list of bytes being executed, borrowed; NULL between commands
    PyObject* address                  # str of its client, borrowed; NULL with argv
    uint64_t client_id                 # CLIENT ID
    int db                             # its database

cdef CrashContext* crash_context() noexcept nogil
