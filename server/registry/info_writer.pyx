# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""INFO's text. A monitor asks for two hundred fields every few seconds. What stands around their values (names, titles,
constants) is made once, by registry.info, and kept as Lines; the values of a section are read by one function of Python's
(registry.info_reader). A value that is the very object of last time is not written anew: what stood there is copied, together
with all around it that did not change either."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport PyObject
from libc.stddef cimport size_t
from libc.stdlib cimport calloc, free

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
    cdef tuple values                  # of last time, None: not written yet; its text, and where each line ended in it:
    cdef bytes text
    cdef size_t* ends
    cdef dict kept                     # of which server the next two are
    cdef list subjects                 # its parts, None where ...
    cdef list asked                    # ... it is to be asked for: (place, part)

    def __init__(self, list lines, tuple parts, read):
        self.lines, self.parts, self.read = lines, parts, read
        self.text = b""
        self.ends = <size_t*>calloc(len(lines) + 1, sizeof(size_t))
        if self.ends == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.ends)

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


cdef inline bint _lasts(object value) noexcept:
    """Whether it is one that can only say the same again."""
    return type(value) is int or type(value) is str or type(value) is float or type(value) is bool or type(value) is tuple


cdef int _add_line(Text* text, Line line, object value) except -1:
    if line.constant:
        return text_add_bytes(text, line.text)
    if line.text is None:
        return _add_family(text, value)
    return 0 if <PyObject*>value == _hidden else _add_field(text, line, value)


cdef int _add_page(Text* text, Page page, tuple values) except -1:
    """Runs of lines that say what they said are copied; `values` has none for constant lines."""
    cdef Line line
    cdef tuple before = page.values
    cdef size_t begin = text.used, ended
    cdef size_t was = 0, run = 0       # in the old text: where this line began, and the run that is to be copied
    cdef Py_ssize_t at = 0, i
    cdef object value
    page.values = None                 # a reader that fails leaves nothing half
    for i, line in enumerate(page.lines):
        ended = page.ends[i]
        value = None
        if not line.constant:
            value = values[at]
            at += 1
        if before is None or not line.constant and not (value is before[at - 1] and (<PyObject*>value == _hidden or _lasts(value))):
            text_add(text, PyBytes_AS_STRING(page.text) + run, was - run)
            _add_line(text, line, value)
            run = ended
        was = ended
        page.ends[i] = text.used - begin + was - run
    text_add(text, PyBytes_AS_STRING(page.text) + run, was - run)
    page.text = PyBytes_FromStringAndSize(text.bytes + begin, text.used - begin)
    page.values = values
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
