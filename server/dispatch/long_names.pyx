# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t

from cpython.bytes cimport PyBytes_GET_SIZE

from iothreads.message cimport Request, arg_length
from server.structures.table cimport KEY_LENGTH_MASK

from server.registry.command import find as find_command

cdef frozenset _OF_MEMBERS = frozenset({"set", "sorted_set", "geo"})


cdef bint names_too_long(list argv) except -1:
    cdef bytes word
    cdef Py_ssize_t i
    for word in argv:
        if PyBytes_GET_SIZE(word) > KEY_LENGTH_MASK:
            return _is_name(argv, [i for i in range(len(argv)) if len(argv[i]) > KEY_LENGTH_MASK])
    return False


cdef bint _is_name(list argv, list long_words) except -1:
    """Whether one of these words is a key, or a member, a field, or a prefix that a client follows."""
    command = find_command(argv)
    if command is None or not command.arity_fits(len(argv)):
        return False
    if command.group in _OF_MEMBERS or command.name.startswith("client"):
        return True
    if command.group == "hash" and any(at % 2 == 0 for at in long_words):
        return True                    # HSET key field value ...
    return any(reference.position in long_words for reference in command.keys.references(argv) or ())


cdef void pass_over_long(Batch* b) noexcept:
    cdef Request* r
    cdef uint32_t i, at
    for i in range(b.command_count):
        r = &b.commands[i]
        for at in range(r.arg_count):
            if arg_length(b, r, at) > <size_t>KEY_LENGTH_MASK:
                r.record, r.hash = NULL, 0
                break
