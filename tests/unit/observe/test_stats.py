"""Errors by code, as metrics name them."""

from server.observe.stats import Stats
from server.registry.errors import CommandError


def test_names_are_valid_unicode_and_add_up():
    stats = Stats()
    for text in (b"a:b c", b"a#b c", b"\xff x", b"\xfe x", b"WRONGTYPE x", b"none", b"\xc3\xa4 x"):
        stats.count_error(CommandError(text))
    assert stats.errors_by_name() == {"a_b": 2, "\ufffd": 2, "WRONGTYPE": 1, "ERR": 1, "\xe4": 1}
