# cython: language_level=3
"""Errors that fast paths tell (shapes.refuse), as registry.errors has them."""

cdef bytes not_an_integer, not_a_float, not_positive, no_such_key, no_such_db, syntax_error
