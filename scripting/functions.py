"""Libraries of functions: FUNCTION LOAD, and the one place that knows which function belongs to which library.

A library is source text that begins with `#!lua name=mylib`; run once, it registers its functions. Libraries are data:
they are saved, replicated and restored with the keyspace (RDB opcode 245 followed by the text).
"""

from collections.abc import Callable, Iterable
from functools import cached_property

from scripting.flags import FLAGS
from scripting.interpreter import Interpreter
from scripting.library_api import registering
from scripting.scripts import words_of
from server.registry.dataclass import dataclass, field
from server.registry.errors import CommandError
from server.registry.reply import Encoded
from server.registry.reply_writer import encode_reply

LOAD_TIMEOUT_MS = 500
NO_LIBRARIES = 200                      # bytes: what keeps them
TOLD_BYTES = 65536                     # a longer reply is not kept
ENGINE = "LUA"
BAD_NAME = (
    "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"
)


def _is_name(word: bytes) -> bool:
    return word.replace(b"_", b"a").isalnum()


@dataclass(eq=False)
class Function:
    """One function; number is its place in the interpreter. It knows its library by name: the library knows it, and a
    cycle would never be freed."""

    name: bytes
    number: int
    description: bytes | None
    flags: int
    library: bytes


@dataclass(eq=False)
class Library:
    """One library: its text and what it registered."""

    name: bytes
    code: bytes
    functions: dict[bytes, Function] = field(default_factory=dict)

    @cached_property
    def memory(self) -> int:
        """Bytes of texts, names and what keeps them, once it is loaded."""
        functions = sum(150 + len(name) + len(f.description or b"") for name, f in self.functions.items())
        return 200 + len(self.name) + len(self.code) + functions

    @cached_property
    def shown(self) -> dict[tuple[bool, int], bytes]:
        """What FUNCTION LIST says of it, with its code or without, by protocol: kept once it was said."""
        return {}

    # what redis.register_function asks while the library is being loaded
    def knows(self, flags: Iterable[bytes]) -> bool:
        """Whether all of these are names of flags."""
        return all(flag.lower() in FLAGS for flag in flags)

    def register(self, name: bytes, number: int, description: bytes | None, flags: list[bytes]) -> str | None:
        """Take a function in; a text says why not."""
        if not _is_name(name):
            return BAD_NAME[4:]
        if name in self.functions:
            return "Function already exists in the library"
        bits = 0
        for flag in flags:
            bits |= FLAGS[flag.lower()]
        self.functions[name] = Function(name, number, description, bits, self.name)
        return None


@dataclass
class Metadata:
    """What a library's first line says, and the code that follows it."""

    engine: bytes
    name: bytes
    code: bytes


def metadata(text: bytes) -> Metadata:
    """Read the first line."""
    if not text.startswith(b"#!"):
        raise CommandError("ERR Missing library metadata")
    line, newline, _ = text.partition(b"\n")
    words = words_of(line) if newline else None
    if not words:
        raise CommandError("ERR Invalid library metadata")
    name: bytes | None = None
    for word in words[1:]:
        if not word.lower().startswith(b"name="):
            raise CommandError(b"ERR Invalid metadata value given: " + word)
        if name is not None:
            raise CommandError("ERR Invalid metadata value, name argument was given multiple times")
        name = word[5:]
    if name is None:
        raise CommandError("ERR Library name was not given")
    return Metadata(words[0][2:], name, text[len(line) :])


class Functions:
    """All libraries and functions. A set of libraries that is being restored is another one of these."""

    def __init__(self, interpreter: Interpreter | None = None) -> None:
        self._interpreter = interpreter
        self.libraries: dict[bytes, Library] = {}
        self.functions: dict[bytes, Function] = {}           # by lower-case name
        self.kept: dict[tuple[bytes, int], bytes] = {}       # replies about all of them; see `told`
        self.memory = NO_LIBRARIES                           # used_memory_functions: texts, names and what keeps them

    def told(self, what: bytes, reply: Callable[[], object], resp: int) -> Encoded:
        """The reply to that call, made once: until a library comes or goes, or what else it depends on changes, which
        empties `kept`."""
        wire = self.kept.get((what, resp))
        if wire is None:
            wire = encode_reply(reply(), resp)
            if len(wire) <= TOLD_BYTES:
                self.kept[what, resp] = wire
        return Encoded(wire)

    @property
    def interpreter(self) -> Interpreter:
        """Where functions live; made when first needed."""
        if self._interpreter is None:
            self._interpreter = Interpreter(True)
        return self._interpreter

    def find(self, name: bytes) -> Function | None:
        """A function by its name, in any case."""
        return self.functions.get(name.lower())

    def load(self, text: bytes, *, replace: bool = False, timeout_ms: int = LOAD_TIMEOUT_MS) -> bytes:
        """Add a library: its name. Nothing changes when that fails."""
        about = metadata(text)
        if not _is_name(about.name):
            raise CommandError(BAD_NAME)
        if about.engine.upper() != ENGINE.encode():
            raise CommandError(b"ERR Engine '%s' not found" % about.engine)
        old = self.libraries.get(about.name)
        if old is not None and not replace:
            raise CommandError(b"ERR Library '%s' already exists" % about.name)
        library = Library(about.name, text)
        try:
            self._run(library, about.code, timeout_ms)
            if not library.functions:
                raise CommandError("ERR No functions registered")
            for name in library.functions:
                taken = self.functions.get(name.lower())
                if taken is not None and taken.library != about.name:
                    raise CommandError(b"ERR Function %s already exists" % name)
        except CommandError:
            self._release(library)
            raise
        if old is not None:
            self._unlink(old)
            self._release(old)
        self._link(library)
        return library.name

    def _run(self, library: Library, code: bytes, timeout_ms: int) -> None:
        registering(library)
        try:
            self.interpreter.load_library(code, timeout_ms)
        finally:
            registering(None)

    def _link(self, library: Library) -> None:
        self.kept = {}
        self.libraries[library.name] = library
        self.memory += library.memory
        self.functions.update((name.lower(), function) for name, function in library.functions.items())

    def _unlink(self, library: Library) -> None:
        self.kept = {}
        del self.libraries[library.name]
        self.memory -= library.memory
        for name in library.functions:
            self.functions.pop(name.lower(), None)

    def _release(self, library: Library) -> None:
        for function in library.functions.values():
            self.interpreter.forget(function.number)

    def delete(self, name: bytes) -> bool:
        """Remove a library; False when there is none of that name."""
        library = self.libraries.get(name)
        if library is None:
            return False
        self._unlink(library)
        self._release(library)
        return True

    def flush(self) -> None:
        """Remove all libraries, and what they left in Lua."""
        self._interpreter = None
        self.libraries, self.functions, self.kept, self.memory = {}, {}, {}, NO_LIBRARIES

    def join(self, other: "Functions", *, replace: bool = False) -> None:
        """Take over another set's libraries (loaded into the same interpreter): all of them or, on error, none."""
        replaced = [self.libraries[name] for name in other.libraries if name in self.libraries]
        if replaced and not replace:
            raise CommandError(b"ERR Library %s already exists" % replaced[0].name)
        for name, function in other.functions.items():
            taken = self.functions.get(name)
            if taken is not None and taken.library not in other.libraries:
                raise CommandError(b"ERR Function %s already exists" % function.name)
        for library in replaced:
            self._unlink(library)
            self._release(library)
        for library in other.libraries.values():
            self._link(library)

    def exchange(self, other: "Functions") -> None:
        """Have another set's libraries (loaded into the same interpreter) instead of one's own."""
        self.release()
        self.libraries, self.functions, self.kept, self.memory = other.libraries, other.functions, {}, other.memory

    def release(self) -> None:
        """Let all libraries go."""
        for library in self.libraries.values():
            self._release(library)
        self.libraries, self.functions, self.kept, self.memory = {}, {}, {}, NO_LIBRARIES

    def beside(self) -> "Functions":
        """An empty set in the same interpreter, to load into before `join`."""
        return Functions(self.interpreter)

    @property
    def vm_memory(self) -> int:
        """used_memory_vm_functions."""
        return self._interpreter.memory if self._interpreter is not None else 0
