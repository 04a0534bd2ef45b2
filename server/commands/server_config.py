"""CONFIG: see and change the configuration of the running server. The rules live in server.config.config."""

from collections.abc import Sequence
from operator import attrgetter

from server.clients.client import FAKE, UNIX_SOCKET
from server.config.config import Config, ConfigSetError, named, settled_by
from server.dispatch.call import Call
from server.registry.command import ADMIN, LOADING, NOSCRIPT, STALE, container, group
from server.registry.errors import CommandError, syntax
from server.registry.light import Any
from server.registry.reply import OK, Encoded, Pairs
from server.registry.reply_writer import encode_reply

command = group("server")
container("CONFIG", "server", "Everything about the server's configuration.", since="2.0.0")

_FLAGS = ADMIN | NOSCRIPT | LOADING | STALE
_ON_ALL_NODES = ("request_policy:all_nodes", "response_policy:all_succeeded")
_REDACTED = b"(redacted)"
ANSWERS_KEPT = 64      # of CONFIG GET, and so many of SET: monitors ask for the same again and again ...
PATTERN_BYTES = 256    # ... and nobody for longer ones
_FIRST_VALUE = 3  # CONFIG SET name value: where the first value stands


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _is_local(call: Call) -> bool:
    return call.client.has(UNIX_SOCKET) or call.client.address.startswith(("127.", "[::1]", "::1"))


@command("CONFIG|GET", arity=-3, flags=_FLAGS, since="2.0.0", syntax="parameter [parameter ...]",
         history=(("7.0.0", "Takes several patterns."),))
def config_get(call: Call, *patterns: bytes) -> Encoded:
    """Show configuration directives and their values.

    Each argument is a name or a glob-style pattern. The reply is a map (a flat array in RESP2) from the names that
    match to their values as strings: memory in bytes, booleans as yes and no. Names that do not exist are left out.

    Complexity: O(N) where N is the number of directives.
    """
    answer = answers.get(patterns) or _answer(patterns)
    return answer.now(call.config, call.client.resp)


class _Answer:
    """What CONFIG GET of some patterns answers: encoded once, and anew when one of the values is another one."""

    def __init__(self, patterns: tuple[bytes, ...]) -> None:
        found = named(map(_text, patterns))
        self._names = [_bytes(name) for name, _ in found]
        self._directives = [directive for _, directive in found]
        self._asking = [directive for directive in self._directives if directive.asks]
        attributes = [directive.attribute for directive in self._directives]
        self._read = attrgetter(*attributes, "sentinel_mode")      # one more: never a value that is no tuple
        self._seen: object = None
        self._asked: list[str] = []
        self._replies: dict[int, Encoded] = {}                     # by protocol

    def now(self, config: Config, resp: int) -> Encoded:
        """Complexity: O(N) for the directives that match, a few instructions for each."""
        seen = self._read(config)
        if seen != self._seen or self._asking and self._says_otherwise(config):
            self._seen = seen
            self._replies.clear()
        if (reply := self._replies.get(resp)) is None:
            values = [_bytes(config.text_of(directive)) for directive in self._directives]
            reply = Encoded(encode_reply(Pairs(zip(self._names, values, strict=True)), resp))
            self._replies[resp] = reply
        return reply

    def _says_otherwise(self, config: Config) -> bool:
        before, self._asked = self._asked, [config.text_of(directive) for directive in self._asking]
        return before != self._asked


answers: dict[tuple[bytes, ...], _Answer] = {}       # by patterns


def _answer(patterns: tuple[bytes, ...]) -> _Answer:
    """Of patterns that are asked for the first time."""
    answer = _Answer(patterns)
    if sum(map(len, patterns)) <= PATTERN_BYTES:
        if len(answers) >= ANSWERS_KEPT:
            answers.clear()
        answers[patterns] = answer
    return answer


@command("CONFIG|SET", arity=-4, flags=_FLAGS, since="2.0.0", syntax="parameter value [parameter value ...]",
         tips=_ON_ALL_NODES, history=(("7.0.0", "Sets several parameters at once, all or none."),))
def config_set(call: Call, *words: bytes) -> str:
    """Change configuration directives while the server runs.

    Either all of them are set and OK is the reply, or none. What has several values (save, bind) is given as one
    string. The file is not touched: CONFIG REWRITE does that.

    Complexity: O(N) where N is the number of directives given.
    """
    if (settled := _settled.get(words)) is not None and getattr(call.config, settled[0]) == settled[1]:
        return OK
    texts = [word.decode("utf-8", "surrogateescape") for word in words]
    _redact(call, texts[0::2])
    if len(texts) % 2:
        raise syntax()
    pairs = list(zip(texts[0::2], texts[1::2], strict=True))
    allowed = call.client.has(FAKE)  # a script's or the AOF's own client is no stranger
    try:
        call.config.set(pairs, loading=call.server.progress.under_way, local=allowed or _is_local(call))
    except ConfigSetError as error:
        raise CommandError(str(error)) from None
    _note_settled(call.config, words, texts)
    return OK


_settled: dict[tuple[bytes, ...], tuple[str, Any]] = {}    # words of CONFIG SET -> attribute, and its value from them


def _note_settled(config: Config, words: tuple[bytes, ...], texts: list[str]) -> None:
    """Whoever keeps a server configured says the same again and again."""
    if len(words) == 2 and len(words[1]) <= PATTERN_BYTES and (attribute := settled_by(texts[0])) is not None:
        if len(_settled) >= ANSWERS_KEPT:
            _settled.clear()
        _settled[words] = attribute, getattr(config, attribute)


def _redact(call: Call, names: Sequence[str]) -> None:
    """Keep passwords out of slowlog and MONITOR, whatever else is wrong with the call."""
    for at in call.config.sensitive_arguments(names):
        place = _FIRST_VALUE + 2 * at
        if place < len(call.argv):
            call.argv[place] = _REDACTED


@command("CONFIG|RESETSTAT", arity=2, flags=_FLAGS, since="2.0.0", tips=_ON_ALL_NODES)
def config_resetstat(call: Call) -> str:
    """Set the server's statistics back to zero.

    Complexity: O(1)
    """
    call.config.reset_statistics()
    return OK


@command("CONFIG|REWRITE", arity=2, flags=_FLAGS, since="2.8.0", tips=_ON_ALL_NODES)
def config_rewrite(call: Call) -> str:
    """Write the running configuration back to the file the server was started with.

    Comments, order and included files stay as they are; what was changed is changed in place, what is new comes last.

    Complexity: O(N) where N is the size of the file.
    """
    if call.config.configfile is None:
        raise CommandError("ERR The server is running without a config file")
    try:
        call.config.rewrite()
    except OSError as error:
        call.config.log("warning", f"CONFIG REWRITE failed: {error.strerror}")
        raise CommandError(f"ERR Rewriting config file: {error.strerror}") from None
    call.config.log("notice", "CONFIG REWRITE executed with success.")
    return OK


@command("CONFIG|HELP", arity=2, flags=LOADING | STALE, since="5.0.0")
def config_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return [
        "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
        "HELP",
        "    Print this help.",
    ]
