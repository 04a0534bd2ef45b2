"""How Redis splits a line into words, and how it quotes one word.

Two places speak this little language: the configuration file (reading and CONFIG REWRITE) and the words of the
command line, which are quoted into configuration lines. Text is `str` in which bytes that are not UTF-8 are kept as
surrogate escapes, so nothing is lost between a file and a reply.
"""

from __future__ import annotations

_SPACES = " \t\n\r\v\f"
_ESCAPES = {"n": 10, "r": 13, "t": 9, "b": 8, "a": 7}
_QUOTED = {10: "\\n", 13: "\\r", 9: "\\t", 7: "\\a", 8: "\\b", 34: '\\"', 92: "\\\\"}
_HEX = frozenset("0123456789abcdefABCDEF")


def split_args(line: str) -> list[str] | None:
    """Split a line into words; None when its quotes do not balance.

    "double quotes" know the escapes \\n \\r \\t \\b \\a \\xHH and \\any; 'single quotes' know only \\'. A closing
    quote must be followed by a space or by nothing. O(N) in the length of the line.
    """
    words: list[str] = []
    at, end = 0, len(line)
    while True:
        while at < end and line[at] in _SPACES:
            at += 1
        if at == end:
            return words
        word = bytearray()
        while at < end and line[at] not in " \n\r\t\0":
            if line[at] in "\"'":
                closed = _quoted_part(line, at, word)
                if closed is None:
                    return None
                at = closed
                break
            word += line[at].encode("utf-8", "surrogateescape")
            at += 1
        words.append(word.decode("utf-8", "surrogateescape"))
        if at < end and line[at] == "\0":
            return words


def _quoted_part(line: str, at: int, word: bytearray) -> int | None:
    """Add what stands between the quotes that open at `at` to word; return where the next word may begin."""
    quote, end = line[at], len(line)
    at += 1
    while at < end:
        char = line[at]
        if char == quote:
            at += 1
            return at if at == end or line[at] in _SPACES else None
        if char == "\\" and quote == '"' and at + 1 < end:
            if line[at + 1] == "x" and at + 3 < end and line[at + 2] in _HEX and line[at + 3] in _HEX:
                word.append(int(line[at + 2 : at + 4], 16))
                at += 4
                continue
            at += 1
            char = line[at]
            if char in _ESCAPES:
                word.append(_ESCAPES[char])
                at += 1
                continue
        elif char == "\\" and at + 1 < end and line[at + 1] == "'":
            at += 1
            char = "'"
        word += char.encode("utf-8", "surrogateescape")
        at += 1
    return None


def quote(text: str | bytes) -> str:
    """The word in double quotes, every byte outside printable ASCII escaped, so that split_args gives it back."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    parts = [_QUOTED.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in data]
    return '"' + "".join(parts) + '"'


KEY_SHOWN = 128  # bytes
_SHOWN_AS = [chr(c) if 32 <= c < 127 else f"\\x{c:02x}" for c in range(256)]
_SHOWN_AS[ord('"')], _SHOWN_AS[ord("\\")] = '\\"', "\\\\"


def shown_key(key: bytes) -> str:
    """A key as printable ASCII in double quotes, all other bytes as \\xHH; of a long one the beginning."""
    return '"' + "".join(_SHOWN_AS[c] for c in key[:KEY_SHOWN]) + ("..." if len(key) > KEY_SHOWN else "") + '"'
