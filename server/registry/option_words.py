"""The words among a command's arguments, compiled once from its declaration.

`[NX | XX] [EX seconds]` says which words there are, which take a value and which exclude each other. A definition reads
its arguments by that (`Command.option_words`), and so does its fast path (dispatch.option_words): what a command
understands is said in its syntax and nowhere else. Words may be said in any case; a symbol (`=`, `~`, `*`) is one too.
"""

from collections.abc import Iterator, Sequence

from server.registry.dataclass import dataclass
from server.registry.errors import syntax as syntax_error
from server.registry.light import Any
from server.registry.syntax import Group, is_token, parse


@dataclass(frozen=True)
class OptionWord:
    """One word."""

    name: str                       # in capitals, as the syntax has it
    bit: int                        # its own
    rivals: int                     # bits of those that the syntax has in its place
    valued: bool                    # the argument behind it is its value


class OptionWords:
    """The words of one command, in the order of its syntax."""

    def __init__(self, syntax: str) -> None:
        found = dict(_words(parse(syntax), frozenset()))
        bits = {name: 1 << place for place, name in enumerate(found)}
        self.words = tuple(
            OptionWord(name, bits[name], sum(bits[rival] for rival in rivals - {name}), valued)
            for name, (rivals, valued) in found.items()
        )
        self._known = {word.name.encode(): word for word in self.words}

    def name_of(self, argument: bytes) -> str:
        """The word that an argument is, in capitals; "" when it is none."""
        word = self._known.get(argument.upper())
        return word.name if word is not None else ""

    def read(self, arguments: Sequence[bytes]) -> dict[str, bytes]:
        """Options and nothing else, in any order: name -> value, b"" of one that takes none. One may be repeated, its
        last value counts. Errors: syntax error, of what is no word, excludes another one, or lacks its value."""
        given: dict[str, bytes] = {}
        seen = 0
        rest = iter(arguments)
        for argument in rest:
            word = self._known.get(argument.upper())
            if word is None or seen & word.rivals:
                raise syntax_error()
            seen |= word.bit
            value = next(rest, None) if word.valued else b""
            if value is None:
                raise syntax_error()
            given[word.name] = value
        return given


def _words(sequence: Sequence[Any], rivals: frozenset[str]) -> Iterator[tuple[str, tuple[frozenset[str], bool]]]:
    """(name, (alternatives, valued)) of all words; `rivals`: what may stand first in place of this sequence."""
    for at, node in enumerate(sequence):
        if isinstance(node, Group):
            first = frozenset(other[0] for other in node.alternatives if other and is_token(other[0]))
            for alternative in node.alternatives:
                yield from _words(alternative, first)
        elif is_token(node):
            following = sequence[at + 1] if at + 1 < len(sequence) else None
            valued = isinstance(following, str) and following != "..." and not is_token(following)
            yield node, (rivals if at == 0 else frozenset(), valued)
