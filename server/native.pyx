# cython: language_level=3
"""The native modules of a server, all of them in the shared object of this one: setup.py links their objects into it.

There is one file to find, to map and to relocate instead of 150, which would take a fifth of a start. Each is still
built beside its source as well, for whoever imports it in a clone; `server.loader` takes them from here.
"""

from cpython.ref cimport PyObject

cdef extern from "Python.h":
    struct PyModuleDef
    PyModuleDef* PyModule_GetDef(object module) except NULL
    object PyModule_FromDefAndSpec(PyModuleDef* definition, object spec)
    int PyModule_ExecDef(object module, PyModuleDef* definition) except -1

cdef extern from "native_modules.h":          # made by setup.py
    struct NativeModule:
        const char* name                      # with dots; NULL behind the last
        PyObject* (*init)() except NULL        # PyInit_...; Cython's answers with the module's definition
    NativeModule native_modules[]


cdef dict _places():
    cdef int at = 0
    places = {}
    while native_modules[at].name != NULL:
        places[native_modules[at].name.decode()] = at
        at += 1
    return places


cdef dict _place_of = _places()


def names():
    """Of all modules in here."""
    return _place_of.keys()


def create_module(spec):
    """As importlib.abc.Loader has it."""
    cdef int at = _place_of[spec.name]
    return PyModule_FromDefAndSpec(<PyModuleDef*>native_modules[at].init(), spec)


def exec_module(module):
    """As importlib.abc.Loader has it."""
    PyModule_ExecDef(module, PyModule_GetDef(module))
