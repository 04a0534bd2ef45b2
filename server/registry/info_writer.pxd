# cython: language_level=3
"""INFO's text, for native code that has a place for it."""
from server.registry.text_writer cimport Text

cdef int add_sections(Text* text, list pages, dict where, dict kept) except -1     # to one that is empty; as write_sections
