# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""INFO's text. A monitor asks for two hundred fields every few seconds. What stands around their values (names, titles,
constants) is made once, by registry.info, and kept as Lines. Numbers of native parts are read where they are
(registry.number_places), all other values of a section by one function of Python's (registry.info_reader).

A number that is what it was, and a value that is the very object of last time, are not written anew: what stood there is
copied, together with all around it that did not change either.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject_CallObject
from cpython.ref cimport PyObject
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

from server.registry.number_places cimport INTEGER_AT, INTEGER_OF, REAL_AT, REAL_OF, Place, integer_of, real_of
from server.registry.text_writer cimport (Text, text_add, text_add_bytes, text_add_decimal, text_add_number, text_add_size,
                                          text_add_value, text_begin, text_end, text_made)

cdef extern from "Python.h":
    PyObject* PyTuple_GET_ITEM(object items, Py_ssize_t at)

cdef enum:                             # Line.digits
    PRINTED = -1                       # by str()
    SIZE = -2                          # 1.50K

AS_PRINTED = PRINTED
FOR_PEOPLE = SIZE
HIDDEN = object()                      # the value of a field that is not shown

cdef PyObject* _hidden = <PyObject*>HIDDEN

cdef enum Kind:                        # of a line
    CONSTANT
    ASKED                              # a value that `read` returns
    FAMILY                             # lines that it returns
    INTEGER                            # a number that is read in its place: at an offset, ...
    REAL
    INTEGER_ASKED                      # ... or from a function
    REAL_ASKED

cdef union Number:
    int64_t integer
    double real

cdef struct Spot:                      # a line as it is written: all that it points to belongs to its Line
    Kind kind
    int digits
    int part                           # its number among the page's
    const char* text
    size_t length
    const char* end
    size_t end_length
    size_t offset                      # of a number, ...
    integer_of integer
    real_of real
    Number last                        # ... and what it was
    size_t ended                       # where this line ended in the text of last time


cdef class Line:
    """What stands in a section: constant lines (`text`), or a field (its name and the colon), or a family (None) whose value
    is read. digits: behind the point of a number, FOR_PEOPLE of a size; unit: what is written behind it. place: where the
    number is, in a part of the type `part`."""

    cdef bytes text, end
    cdef bint constant
    cdef int digits
    cdef object part
    cdef Place place

    def __init__(self, bytes text, *, bint constant=False, int digits=PRINTED, str unit="", part=None, Place place=None):
        self.text, self.constant, self.digits = text, constant, digits
        self.end = unit.encode() + b"\r\n"
        self.part, self.place = part, place


cdef int _fill(Spot* spot, Line line, list parts) except -1:
    spot.digits = line.digits
    spot.end, spot.end_length = PyBytes_AS_STRING(line.end), PyBytes_GET_SIZE(line.end)
    if line.text is None:
        spot.kind = FAMILY
        return 0
    spot.text, spot.length = PyBytes_AS_STRING(line.text), PyBytes_GET_SIZE(line.text)
    spot.kind = CONSTANT if line.constant else ASKED
    if line.place is not None:
        spot.kind = (INTEGER if line.place.kind == INTEGER_AT else REAL if line.place.kind == REAL_AT
                     else INTEGER_ASKED if line.place.kind == INTEGER_OF else REAL_ASKED)
        spot.offset, spot.integer, spot.real = line.place.offset, line.place.integer, line.place.real
        if line.part not in parts:
            parts.append(line.part)
        spot.part = parts.index(line.part)
    return 0


cdef class Page:
    """A section: its lines in order; `read` gets its parts, and returns the values of those lines that are neither constant
    nor a number in its place."""

    cdef list lines
    cdef Spot* spots
    cdef Py_ssize_t count              # of the lines, ...
    cdef Py_ssize_t values_count       # ... and of those whose values `read` returns
    cdef tuple parts                   # those that `read` gets
    cdef tuple native                  # those that numbers are in
    cdef object read
    cdef tuple values                  # that `read` returned last time
    cdef bint written                  # there was a last time, whose text this is:
    cdef char* text
    cdef size_t room
    cdef dict kept                     # of which server the next ones are
    cdef tuple subjects                # its parts, those of numbers behind the others; None where ...
    cdef list asked                    # ... it is to be asked for: (place, part)
    cdef tuple given                   # of them what `read` gets, if nothing is to be asked for

    def __cinit__(self, list lines, tuple parts, read=None):
        cdef list native = []
        cdef Py_ssize_t i
        self.lines, self.parts, self.read = list(lines), parts, read       # a list of our own: spots point into its lines
        self.count = len(self.lines)
        self.spots = <Spot*>calloc(self.count + 1, sizeof(Spot))
        if self.spots == NULL:
            raise MemoryError
        for i in range(self.count):
            _fill(&self.spots[i], self.lines[i], native)
            self.values_count += self.spots[i].kind == ASKED or self.spots[i].kind == FAMILY
        self.native = tuple(native)

    def __dealloc__(self):
        free(self.spots)
        free(self.text)

    cdef int bind(self, dict kept) except -1:
        """It is that server's turn."""
        cdef tuple parts = self.parts + self.native
        self.kept = None
        self.subjects = tuple([kept.get(part) for part in parts])
        self.asked = [(place, part) for place, part in enumerate(parts) if part not in kept]
        self.given = self.subjects[:len(self.parts)]
        if not self.asked:
            self.check(self.subjects)
        self.kept = kept
        return 0

    cdef int check(self, tuple subjects) except -1:
        """Numbers are read from objects of the class that told where they are, and from no others."""
        cdef Py_ssize_t i, first = len(self.parts)
        for i in range(len(self.native)):
            if not isinstance(subjects[first + i], self.native[i]):
                raise TypeError(f"{subjects[first + i]!r} is no {self.native[i]!r}")
        return 0

    cdef tuple look(self, dict where, dict kept, dict seen):
        """The parts now, those of numbers behind the others; seen: those that were asked for already."""
        cdef list subjects
        cdef tuple looked
        if self.kept is not kept:
            self.bind(kept)
        if not self.asked:
            return self.subjects
        subjects = list(self.subjects)
        for place, part in self.asked:
            if part not in seen:
                seen[part] = where[part]()
            subjects[place] = seen[part]
        looked = tuple(subjects)
        self.check(looked)
        return looked

    cdef tuple ask(self, tuple subjects):
        """What `read` returns."""
        if self.read is None:
            return ()
        return PyObject_CallObject(self.read, self.given if subjects is self.subjects else subjects[:len(self.parts)])

    cdef int keep(self, const char* text, size_t length) except -1:
        cdef char* grown
        if length > self.room:
            grown = <char*>realloc(self.text, length * 2)
            if grown == NULL:
                raise MemoryError
            self.text, self.room = grown, length * 2
        memcpy(self.text, text, length)
        return 0


cdef int _add_family(Text* text, object lines) except -1:
    for name, value in lines:
        text_add_value(text, name)
        text_add(text, ":", 1)
        text_add_value(text, value)
        text_add(text, "\r\n", 2)
    return 0


cdef int _add_value(Text* text, const Spot* spot, object value) except -1:
    text_add(text, spot.text, spot.length)
    if spot.digits >= 0:
        text_add_decimal(text, value, spot.digits)
    elif spot.digits == SIZE:
        text_add_size(text, value)
    else:
        text_add_value(text, value)
    return text_add(text, spot.end, spot.end_length)


cdef int _add_integer(Text* text, const Spot* spot) except -1:
    text_add(text, spot.text, spot.length)
    if spot.digits == PRINTED:
        text_add_number(text, spot.last.integer)
    elif spot.digits == SIZE:
        text_add_size(text, <double>spot.last.integer)
    else:
        text_add_decimal(text, <double>spot.last.integer, spot.digits)
    return text_add(text, spot.end, spot.end_length)


cdef int _add_real(Text* text, const Spot* spot) except -1:
    if spot.digits == PRINTED:
        return _add_value(text, spot, spot.last.real)
    text_add(text, spot.text, spot.length)
    if spot.digits == SIZE:
        text_add_size(text, spot.last.real)
    else:
        text_add_decimal(text, spot.last.real, spot.digits)
    return text_add(text, spot.end, spot.end_length)


cdef int _add_line(Text* text, const Spot* spot, PyObject* value) except -1:
    """value: what was read, of a line that is ASKED or a FAMILY."""
    if spot.kind == CONSTANT:
        return text_add(text, spot.text, spot.length)
    if spot.kind == ASKED:
        return 0 if value == _hidden else _add_value(text, spot, <object>value)
    if spot.kind == FAMILY:
        return _add_family(text, <object>value)
    return _add_integer(text, spot) if spot.kind == INTEGER or spot.kind == INTEGER_ASKED else _add_real(text, spot)


cdef inline bint _lasts(object value) noexcept:
    """Whether it is one that can only say the same again."""
    return (<PyObject*>value == _hidden or type(value) is int or type(value) is str or type(value) is float
            or type(value) is bool or type(value) is tuple)


cdef inline bint _is_other(Spot* spot, PyObject* part) noexcept:
    """Read a number in its place: whether it is not what it was."""
    cdef Number now
    if spot.kind == INTEGER or spot.kind == REAL:
        now = (<Number*>(<char*>part + spot.offset))[0]
    elif spot.kind == INTEGER_ASKED:
        now.integer = spot.integer(part)
    else:
        now.real = spot.real(part)
    if now.integer == spot.last.integer:           # of a double: the same bits
        return False
    spot.last = now
    return True


cdef inline int _copy(Text* text, Page page, size_t begin, size_t end) except -1:
    """From the text of last time, of which there is none at first."""
    return text_add(text, page.text + begin, end - begin) if end > begin else 0


cdef int _add_page(Text* text, Page page, tuple subjects, tuple values) except -1:
    """Runs of lines that say what they said are copied."""
    cdef Spot* spot = page.spots
    cdef Spot* end = spot + page.count
    cdef tuple before = page.values
    cdef bint known = page.written, other
    cdef size_t begin = text.used, ended
    cdef size_t was = 0, run = 0       # in the old text: where this line began, and the run that is to be copied
    cdef Py_ssize_t at = 0, first = len(page.parts)
    cdef PyObject* value = NULL
    page.written = False               # a reader that fails leaves nothing half
    while spot < end:
        ended = spot.ended
        if spot.kind == CONSTANT:
            other = False
        elif spot.kind >= INTEGER:
            other = _is_other(spot, PyTuple_GET_ITEM(subjects, first + spot.part))
        else:
            value = PyTuple_GET_ITEM(values, at)
            other = known and (value != PyTuple_GET_ITEM(before, at) or not _lasts(<object>value))
            at += 1
        if other or not known:
            _copy(text, page, run, was)
            _add_line(text, spot, value)
            run = ended
            if page.written:           # within that line somebody wrote the same page: the old text is not what it was
                known = page.written = False
        was = ended
        spot.ended = text.used - begin + was - run
        spot += 1
    _copy(text, page, run, was)
    page.keep(text.bytes + begin, text.used - begin)
    page.values = values
    page.written = True
    return 0


def human(double size) -> str:
    """Bytes as Redis writes them for people: 1.50K, 3.20M."""
    cdef Text text
    text_begin(&text)
    try:
        text_add_size(&text, size)
        return text_made(&text).decode("ascii")
    finally:
        text_end(&text)


cdef int add_sections(Text* text, list pages, dict where, dict kept) except -1:
    cdef dict seen = {}
    cdef Page page
    cdef tuple subjects, values
    for page in pages:
        if text.used:
            text_add(text, "\r\n", 2)
        subjects = page.look(where, kept, seen)
        values = page.ask(subjects)
        if len(values) != page.values_count:
            raise ValueError(f"{len(values)} values for {page.values_count} lines")
        _add_page(text, page, subjects, values)
    return 0


def write_sections(list pages, dict where, dict kept) -> bytes:
    """The text of those sections. where, kept: as in registry.parts; each part is asked for once. Complexity: O(fields),
    plus what their readers do."""
    cdef Text text
    text_begin(&text)
    try:
        add_sections(&text, pages, where, kept)
        return text_made(&text)
    finally:
        text_end(&text)
