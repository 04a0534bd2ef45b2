# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Words of sorted set commands, as definitions read them: scores, and the ends of ranges."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from server.structures.ordered_index cimport LexBound
from server.types.sorted_set cimport zset_parse_bound, zset_parse_lex, zset_parse_score


def parse_score(bytes text) -> float | None:
    """A score as ZADD takes it: what strtod reads, no NaN, no overflow, no space before it; None for anything else."""
    cdef double score
    return score if zset_parse_score(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &score) else None


def parse_score_bound(bytes text) -> tuple[float, bool] | None:
    """An end of a score range, and whether "(" excludes it; None if it is no number. Empty text is 0, as in Redis."""
    cdef double score
    cdef bint exclusive
    if not zset_parse_bound(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &score, &exclusive):
        return None
    return score, exclusive


def is_lex_bound(bytes text) -> bool:
    """Whether ZRANGEBYLEX takes this as an end: "-", "+", "[member", "(member"."""
    cdef LexBound bound
    return zset_parse_lex(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &bound)
