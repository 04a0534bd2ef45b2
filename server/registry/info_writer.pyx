# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""INFO's text. A monitor asks for two hundred fields every few seconds. What stands around their values (names, titles,
constants) is made once, by registry.info, and kept as Lines; the values of a section are read by one function of Python's
(registry.info_reader)."""
from cpython.ref cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM

from server.registry.text_writer cimport (Text, text_add, text_add_bytes, text_add_decimal, text_add_size, text_add_value,
                                          text_begin, text_end, text_made)

cdef enum:                             # Line.digits
    PRINTED = -1                       # by str()
    SIZE = -2                          # 1.50K

AS_PRINTED = PRINTED
FOR_PEOPLE = SIZE
HIDDEN = object()                      # the value of a field that is not shown

cdef PyObject* _hidden = <PyObject*>HIDDEN


cdef class Line:
    """What stands in a section: constant lines (`text`), or a field (its name and the colon), or a family (None) whose value
    is read. digits: behind the point of a number, FOR_PEOPLE of a size; unit: what is written behind it."""

    cdef bytes text, end
    cdef bint constant
    cdef int digits

    def __init__(self, bytes text, *, bint constant=False, int digits=PRINTED, str unit=""):
        self.text, self.constant, self.digits = text, constant, digits
        self.end = unit.encode() + b"\r\n"


cdef class Page:
    """A section: its lines in order; `read` gets its parts, and returns the values of those that are not constant."""

    cdef list lines
    cdef tuple parts
    cdef object read
    cdef dict kept                     # of which server the next two are
    cdef list subjects                 # its parts, None where ...
    cdef list asked                    # ... it is to be asked for: (place, part)

    def __init__(self, list lines, tuple parts, read):
        self.lines, self.parts, self.read = lines, parts, read

    cdef list look(self, dict where, dict kept, dict seen):
        """The parts now; seen: those that were asked for already."""
        cdef list subjects
        if self.kept is not kept:
            self.kept = kept
            self.subjects = [kept.get(part) for part in self.parts]
            self.asked = [(place, part) for place, part in enumerate(self.parts) if part not in kept]
        subjects = self.subjects[:]
        for place, part in self.asked:
            if part not in seen:
                seen[part] = where[part]()
            subjects[place] = seen[part]
        return subjects


cdef int _add_family(Text* text, object lines) except -1:
    for name, value in lines:
        text_add_value(text, name)
        text_add(text, ":", 1)
        text_add_value(text, value)
        text_add(text, "\r\n", 2)
    return 0


cdef int _add_field(Text* text, Line line, object value) except -1:
    text_add_bytes(text, line.text)
    if line.digits >= 0:
        text_add_decimal(text, value, line.digits)
    elif line.digits == SIZE:
        text_add_size(text, value)
    else:
        text_add_value(text, value)
    return text_add_bytes(text, line.end)


cdef int _add_page(Text* text, Page page, tuple values) except -1:
    cdef Line line
    cdef PyObject* value
    cdef Py_ssize_t at = 0
    for line in page.lines:
        if line.constant:
            text_add_bytes(text, line.text)
            continue
        value = PyTuple_GET_ITEM(values, at)
        at += 1
        if line.text is None:
            _add_family(text, <object>value)
        elif value != _hidden:
            _add_field(text, line, <object>value)
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


def write_sections(list pages, dict where, dict kept) -> bytes:
    """The text of those sections. where, kept: as in registry.parts; each part is asked for once. Complexity: O(fields),
    plus what their readers do."""
    cdef dict seen = {}
    cdef Text text
    cdef Page page
    text_begin(&text)
    try:
        for page in pages:
            if text.used:
                text_add(&text, "\r\n", 2)
            _add_page(&text, page, page.read(*page.look(where, kept, seen)))
        return text_made(&text)
    finally:
        text_end(&text)
