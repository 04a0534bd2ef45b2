# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from cpython.ref cimport PyObject
from libc.stddef cimport size_t

cdef dict _places = {}                 # class -> attribute -> Place


cdef class Place:
    """How a number is read."""


cdef int _tell(object part, str name, Place place) except -1:
    if part not in _places:
        _places[part] = {}
    _places[part][name] = place
    return 0


cdef int _tell_all(object model, dict where, PlaceKind kind) except -1:
    cdef Place place
    cdef size_t address
    for name, address in where.items():
        place = Place.__new__(Place)
        place.kind, place.offset = kind, address - <size_t><PyObject*>model
        _tell(type(model), name, place)
    return 0


cdef int integers_at(object model, dict where) except -1:
    return _tell_all(model, where, INTEGER_AT)


cdef int reals_at(object model, dict where) except -1:
    return _tell_all(model, where, REAL_AT)


cdef int integer_from(object part, str name, integer_of read) except -1:
    cdef Place place = Place.__new__(Place)
    place.kind, place.integer = INTEGER_OF, read
    return _tell(part, name, place)


cdef int real_from(object part, str name, real_of read) except -1:
    cdef Place place = Place.__new__(Place)
    place.kind, place.real = REAL_OF, read
    return _tell(part, name, place)


def place_of(part, str name) -> Place | None:
    """Where objects of that class have what is told as `name`, maybe of a base; None: ask the object."""
    for each in getattr(part, "__mro__", ()):
        if name in _places.get(each, ()):
            return _places[each][name]
        if name in vars(each):
            return None
    return None


def told() -> dict[type, list[str]]:
    """All that is told by now, for tests."""
    return {part: list(names) for part, names in _places.items()}
