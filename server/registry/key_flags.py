"""What would be done with a key, as COMMAND tells it."""

from collections.abc import Iterable
from functools import cache

from server.registry.reply import SetOf
from server.registry.reply_writer import encode_reply

_MODES = ("RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags")


def flags_shown(flags: Iterable[str]) -> SetOf:
    """The flags of a key specification, in the order in which they are shown."""
    return SetOf([name for name in _MODES if name in flags])


@cache
def wire_of_flags(flags: tuple[str, ...], resp: int) -> bytes:
    """The same as a reply."""
    return encode_reply(flags_shown(flags), resp)
