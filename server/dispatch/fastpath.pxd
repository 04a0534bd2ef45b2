# cython: language_level=3
"""Fast paths: the plain form of hot commands straight on the native table and the output buffer.

A fast path may decline (return 0) as long as it has changed nothing; then the Python definition runs. It must never
differ from it. With AOF or replicas attached it feeds the command's own bytes to the propagation stream.
"""
from server.dispatch.propagate cimport Propagation

cdef void bind_propagation(Propagation propagation)
