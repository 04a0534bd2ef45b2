"""What HELLO says to a client."""

from functools import cache

from server.registry.reply import Pairs
from server.registry.reply_writer import encode_reply
from server.version import REDIS_VERSION

_SOME_ID = (1 << 63) - 1           # stands for the id of a client where its reply is encoded ahead


@cache
def around_id(resp: int, mode: bytes, role: bytes) -> tuple[bytes, bytes]:
    """What HELLO says up to the digits of the client's id, and behind them: nearly the same to everybody who comes."""
    pairs = [(b"server", b"redis"), (b"version", REDIS_VERSION.encode()), (b"proto", resp), (b"id", _SOME_ID),
             (b"mode", mode), *([(b"role", role)] if role else []), (b"modules", [])]
    before, _, behind = encode_reply(Pairs(pairs), resp).partition(b"%d" % _SOME_ID)
    return before, behind
