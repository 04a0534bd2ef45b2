# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""INFO's text. A monitor asks for two hundred fields every few seconds. Their readers are a call each; what stands around
those (names, titles, constants, the walk over the declarations) is made once, by registry.info, and kept as Steps."""
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject_GetAttr
from cpython.ref cimport PyObject

from server.registry.text_writer cimport (Text, text_add, text_add_bytes, text_add_decimal, text_add_size, text_add_value,
                                          text_begin, text_end, text_made)

cdef enum:                             # Step.digits
    PRINTED = -1                       # by str()
    SIZE = -2                          # 1.50K

AS_PRINTED = PRINTED
FOR_PEOPLE = SIZE


cdef class Step:
    """What stands in a section, in order: constants (`text` is their lines), a field (`text` is its name and the colon;
    `read`, and `shown` or None), or a family (`read`, without `text`). path: the attributes that `read` follows, when it
    does nothing else; digits: behind the point of a number, FOR_PEOPLE of a size; unit: what is written behind it."""

    cdef bytes text, end
    cdef object part, read, shown
    cdef tuple path
    cdef int digits

    def __init__(self, bytes text, part=None, read=None, shown=None, tuple path=None, int digits=PRINTED,
                 str unit=""):
        self.text, self.part, self.read, self.shown, self.path, self.digits = text, part, read, shown, path, digits
        self.end = unit.encode() + b"\r\n"


cdef object _value(Step step, object subject):
    if step.path is None:
        return step.read(subject)
    for name in step.path:
        subject = PyObject_GetAttr(subject, name)
    return subject


cdef int _add_field(Text* text, Step step, object subject) except -1:
    text_add_bytes(text, step.text)
    if step.digits >= 0:
        text_add_decimal(text, _value(step, subject), step.digits)
    elif step.digits == SIZE:
        text_add_size(text, _value(step, subject))
    else:
        text_add_value(text, _value(step, subject))
    return text_add_bytes(text, step.end)


cdef int _add_steps(Text* text, list steps, dict where, dict subjects) except -1:
    cdef Step step
    cdef PyObject* last = NULL
    cdef PyObject* kept
    cdef PyObject* asked = NULL        # the `shown` that was asked last, of the same part: many fields of a replica have one
    cdef bint shown = True
    cdef object subject = None
    for step in steps:
        if step.read is None:
            text_add_bytes(text, step.text)
            continue
        if <PyObject*>step.part != last:               # a look-up for each field is what INFO would spend much on
            last, kept, asked = <PyObject*>step.part, PyDict_GetItem(subjects, step.part), NULL
            if kept != NULL:
                subject = <object>kept
            else:
                subjects[step.part] = subject = where[step.part]()
        if step.text is None:
            for name, value in step.read(subject):
                text_add_value(text, name)
                text_add(text, ":", 1)
                text_add_value(text, value)
                text_add(text, "\r\n", 2)
            continue
        if step.shown is not None and <PyObject*>step.shown != asked:
            asked, shown = <PyObject*>step.shown, bool(step.shown(subject))
        if step.shown is None or shown:
            _add_field(text, step, subject)
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


def write_sections(list sections, dict where) -> bytes:
    """The text of those sections: each a list of steps, the first of which is its title. where: what gives the parts
    (registry.parts), each of which is asked for once. Complexity: O(fields), plus what their readers do."""
    cdef dict subjects = {}
    cdef Text text
    cdef list steps
    text_begin(&text)
    try:
        for steps in sections:
            if text.used:
                text_add(&text, "\r\n", 2)
            _add_steps(&text, steps, where, subjects)
        return text_made(&text)
    finally:
        text_end(&text)
