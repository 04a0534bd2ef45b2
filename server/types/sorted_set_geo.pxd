# cython: language_level=3
"""Positions as replies show them."""
from iothreads.message cimport Output

cdef void geo_write_degrees(Output* out, double value, int resp) noexcept      # a coordinate with up to 17 decimals
cdef void geo_write_distance(Output* out, double value) noexcept               # in its unit, with four decimals
