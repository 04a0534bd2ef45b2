# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""INFO's text. A monitor asks for two hundred fields every few seconds. Their readers are a call each; what stands around
those (names, titles, constants, the walk over the declarations) is made once, by registry.info, and kept as Steps."""
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf

from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject_GetAttr
from cpython.ref cimport PyObject

from server.registry.text_writer cimport (Text, text_add, text_add_bytes, text_add_value, text_begin, text_end, text_made)

cdef char* _UNITS = b"BKMGTP"


cdef class Step:
    """What stands in a section, in order: constants (`text` is their lines), a field (`text` is its name and the colon;
    `read`, and `shown` or None), or a family (`read`, without `text`). path: the attributes that `read` follows, when it
    does nothing else."""

    cdef bytes text
    cdef object part, read, shown
    cdef tuple path

    def __init__(self, bytes text, part=None, read=None, shown=None, tuple path=None):
        self.text, self.part, self.read, self.shown, self.path = text, part, read, shown, path


cdef object _value(Step step, object subject):
    if step.path is None:
        return step.read(subject)
    for name in step.path:
        subject = PyObject_GetAttr(subject, name)
    return subject


cdef int _add_steps(Text* text, list steps, dict where, dict subjects) except -1:
    cdef Step step
    cdef PyObject* last = NULL
    cdef PyObject* kept
    cdef object subject = None
    for step in steps:
        if step.read is None:
            text_add_bytes(text, step.text)
            continue
        if <PyObject*>step.part != last:               # a look-up for each field is what INFO would spend much on
            last, kept = <PyObject*>step.part, PyDict_GetItem(subjects, step.part)
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
        elif step.shown is None or step.shown(subject):
            text_add_bytes(text, step.text)
            text_add_value(text, _value(step, subject))
            text_add(text, "\r\n", 2)
    return 0


def human(double size) -> str:
    """Bytes as Redis writes them for people: 1.50K, 3.20M."""
    cdef char text[64]
    cdef int unit = 0
    if size < 1024:
        return f"{<int64_t>size}B"
    while unit < 5 and (unit == 0 or size >= 1024):
        size /= 1024
        unit += 1
    return (<bytes>text[:snprintf(text, sizeof(text), "%.2f%c", size, _UNITS[unit])]).decode("ascii")


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
