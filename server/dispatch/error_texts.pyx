# cython: language_level=3
from server.registry.errors import (
    DB_OUT_OF_RANGE, MUST_BE_POSITIVE, NO_SUCH_KEY, NOT_A_FLOAT, NOT_AN_INTEGER, SYNTAX)

not_an_integer = NOT_AN_INTEGER.encode()
not_a_float = NOT_A_FLOAT.encode()
not_positive = MUST_BE_POSITIVE.encode()
no_such_key = NO_SUCH_KEY.encode()
no_such_db = DB_OUT_OF_RANGE.encode()
syntax_error = SYNTAX.encode()
