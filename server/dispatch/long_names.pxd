# cython: language_level=3
"""Names too long for the tables that know keys, members and fields, which have 29 bits for a length (structures.table).

`proto-max-bulk-len` allows strings of 512 MB and more, and as values they are welcome. So a command with any word of that
length takes the way through Python, where it is looked at whether such a word is a name. Others pay one comparison for
each batch. A script cannot make such a string, all its memory together is less, but it can be given one (ARGV, a value).
"""
from iothreads.message cimport Batch

cdef bint names_too_long(list argv) except -1          # whether a known command, with as many words as it takes, has such a name
cdef void pass_over_long(Batch* b) noexcept            # no fast path takes commands of the batch that have such words
