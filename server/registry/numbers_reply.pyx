# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Replies that are maps of many numbers of one native part (MEMORY STATS): read where they are, written without an object
for each."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport PyObject

from iothreads.message cimport Output
from iothreads.resp_writer cimport write_bulk, write_double, write_header, write_integer
from server.registry.number_places cimport Place, place_integer, place_is_real, place_real
from server.registry.reply_writer cimport NativeReply, write_reply

from server.registry.number_places import place_of


cdef class NumberNames:
    """Names of a reply, and what each says of parts of a class: (name, what number_places calls it)."""

    cdef object part
    cdef list names, places

    def __init__(self, part, names):
        self.part = part
        self.names = [name for name, _ in names]
        self.places = [place_of(part, told) for _, told in names]
        if None in self.places:
            raise ValueError(f"{part!r} does not tell all of {names!r}")

    cdef int write(self, Output* out, object part, int resp) except -1:
        cdef Py_ssize_t i
        cdef bytes name
        cdef Place place
        for i in range(len(self.names)):
            name, place = self.names[i], self.places[i]
            write_bulk(out, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
            if place_is_real(place):
                write_double(out, place_real(place, <PyObject*>part), resp)
            else:
                write_integer(out, place_integer(place, <PyObject*>part))
        return 0


cdef class NumbersReply(NativeReply):
    """A map of some numbers, other pairs, and more numbers, of a part that does not change any more."""

    cdef object part
    cdef NumberNames first, last
    cdef list between

    def __init__(self, part, NumberNames first, list between, NumberNames last):
        if not isinstance(part, first.part) or not isinstance(part, last.part):
            raise TypeError(f"{part!r} is no {first.part!r}")
        self.part, self.first, self.between, self.last = part, first, between, last

    cdef int write(self, Output* out, int resp) except -1:
        cdef Py_ssize_t pairs = len(self.first.names) + len(self.between) + len(self.last.names)
        write_header(out, c'%' if resp == 3 else c'*', pairs if resp == 3 else 2 * pairs)
        self.first.write(out, self.part, resp)
        for name, value in self.between:
            write_reply(out, name, resp)
            write_reply(out, value, resp)
        return self.last.write(out, self.part, resp)
