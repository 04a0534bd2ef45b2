"""The plain parser that the fuzz tests compare with: all bytes at once, nothing incremental."""

LINE_MAX = 65536
BLANKS = b" \t\n\v\f\r"
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


class Wrong(Exception):
    """args[0]: the PARSE_ number and, where told, the offending byte."""


def number(text: bytes) -> int | None:
    """An integer in canonical form that fits 64 bits."""
    try:
        value = int(text)
    except ValueError:
        return None
    return value if b"%d" % value == text and -(2**63) <= value < 2**63 else None


def line(data: bytes, at: int, end: bytes, too_long: bytes) -> int:
    """Where the line ends; -1 if it does not yet. A zero byte hides the end."""
    stop = data.find(end, at)
    if stop < 0 or b"\0" in data[at:stop]:
        if len(data) - at > LINE_MAX:
            raise Wrong(too_long)
        return -1
    return stop


def words(text: bytes) -> list[bytes] | None:
    """The words of an inline request; None for unbalanced quotes."""
    result, i = [], 0
    while True:
        while i < len(text) and text[i] in BLANKS:
            i += 1
        if i == len(text):
            return result
        word = b""
        while i < len(text) and text[i : i + 1] not in (b" ", b"\t", b"\n", b"\r"):
            quote = text[i : i + 1]
            i += 1
            if quote not in (b'"', b"'"):
                word += quote
                continue
            while True:
                c = text[i : i + 1]
                if not c:
                    return None
                i += 1
                if c == quote:
                    break
                following = text[i : i + 1]
                if quote == b'"' and c == b"\\" and following:
                    digits = text[i + 1 : i + 3]
                    if following == b"x" and len(digits) == 2 and all(d in b"0123456789abcdefABCDEF" for d in digits):
                        word += bytes([int(digits, 16)])
                        i += 3
                        continue
                    word += ESCAPES.get(following, following)
                    i += 1
                elif quote == b"'" and c == b"\\" and following == b"'":
                    word += b"'"
                    i += 1
                else:
                    word += c
            if i < len(text) and text[i] not in BLANKS:
                return None
            break
        result.append(word)


def header(data: bytes, at: int, too_long: bytes) -> int:
    """Where the `\\r` of a header line is; -1 if the line is not whole."""
    stop = line(data, at, b"\r", too_long)
    return stop if stop >= 0 and len(data) - stop >= 2 else -1


def parse(data: bytes, max_bulk: int) -> tuple[list[list[bytes]], bytes | None]:
    """The complete commands and the error that ends them, if any."""
    commands: list[list[bytes]] = []
    at = 0
    try:
        while at < len(data):
            if data[at : at + 1] != b"*":
                stop = line(data, at, b"\n", b"8")
                if stop < 0:
                    break
                text = data[at:stop]
                found = words(text[:-1] if text.endswith(b"\r") else text)
                if found is None:
                    raise Wrong(b"9")
                if found:
                    commands.append(found)
                at = stop + 1
                continue
            stop = header(data, at, b"3")
            if stop < 0:
                break
            count = number(data[at + 1 : stop])
            if count is None or count > 2**31 - 1:
                raise Wrong(b"1")
            at = stop + 2
            args: list[bytes] = []
            while len(args) < count:
                stop = header(data, at, b"7")
                if stop < 0:
                    return commands, None
                if data[at : at + 1] != b"$":
                    raise Wrong(b"4 " + data[at : at + 1] if data[at] else b"4")
                length = number(data[at + 1 : stop])
                if length is None or not 0 <= length <= max_bulk:
                    raise Wrong(b"5")
                at = stop + 2
                if len(data) - at < length + 2:
                    return commands, None
                args.append(data[at : at + length])
                at += length + 2
            if count > 0:
                commands.append(args)
    except Wrong as wrong:
        return commands, wrong.args[0].replace(b"\r", b" ").replace(b"\n", b" ")
    return commands, None


def test_knows_its_own_examples():
    assert parse(b'*1\r\n$1\r\na\r\nx "y\\x41" \r\n', 10) == ([[b"a"], [b"x", b"yA"]], None)
    assert parse(b"*1\r\n+\r\n", 10) == ([], b"4 +")
