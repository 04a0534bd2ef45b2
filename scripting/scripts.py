"""The cache of EVAL: scripts by the SHA1 of their text, compiled once.

A script may begin with a shebang line that declares flags: `#!lua flags=no-writes,allow-oom`. Without one the rules
from before Redis 7 apply (it may write, it is stopped at its first command that needs memory).
"""


from scripting.flags import FLAGS
from scripting.interpreter import Interpreter
from server.registry.dataclass import dataclass
from server.registry.errors import CommandError
from server.registry.quoting import split_args

SCRIPT_BYTES = 250           # what keeps one, besides its text
NO_SCRIPT = "NOSCRIPT No matching script. Please use EVAL."


@dataclass(frozen=True)
class Script:
    """One script. flags is None without a shebang line; function is its number in the interpreter."""

    sha: bytes
    body: bytes
    flags: int | None
    function: int


class Scripts:
    """All scripts, and the interpreter that they live in."""

    def __init__(self) -> None:
        self.interpreter = Interpreter()
        self.cached: dict[bytes, Script] = {}
        self.by_body: dict[bytes, Script] = {}       # the same: who says EVAL again need not wait for the SHA1
        self.memory = 0              # used_memory_scripts_eval: the texts and what keeps them

    def __len__(self) -> int:
        return len(self.cached)

    def load(self, body: bytes) -> Script:
        """The script of that text, compiled now if it is new. Errors: shebang, compilation."""
        script = self.by_body.get(body)
        if script is None:
            import hashlib  # brings libcrypto: only who has scripts waits for it

            sha = hashlib.sha1(body).hexdigest().encode()
            flags, code = shebang(body)
            try:
                function = self.interpreter.compile(code, b"@user_script")
            except CommandError as error:
                raise CommandError(b"ERR Error compiling script (new function): " + error.text) from None
            script = self.cached[sha] = self.by_body[body] = Script(sha, body, flags, function)
            self.memory += len(body) + SCRIPT_BYTES
        return script

    def find(self, sha: bytes) -> Script | None:
        """The script of that SHA1 (any case), None when it is not there."""
        return self.cached.get(sha) or self.cached.get(sha.lower())

    def flush(self) -> None:
        """Forget all of them, and what they left in Lua."""
        self.interpreter = Interpreter()
        for known in (self.cached, self.by_body):
            known.clear()                            # whoever still looks there (fast_eval) keeps no script alive
        self.cached = {}
        self.by_body = {}
        self.memory = 0

    @property
    def vm_memory(self) -> int:
        """used_memory_vm_eval: what Lua holds."""
        return self.interpreter.memory


def shebang(body: bytes) -> tuple[int | None, bytes]:
    """(flags, the code without the shebang line but with its line break, so that line numbers stay)."""
    if not body.startswith(b"#!"):
        return None, body
    line, newline, _ = body.partition(b"\n")
    if not newline:
        raise CommandError("ERR Invalid script shebang")
    words = words_of(line)
    if not words:
        raise CommandError("ERR Invalid engine in script shebang")
    if words[0] != b"#!lua":
        raise CommandError(b"ERR Unexpected engine in script shebang: " + words[0])
    flags = 0
    for word in words[1:]:
        if not word.startswith(b"flags="):
            raise CommandError(b"ERR Unknown lua shebang option: " + word)
        for name in word[6:].split(b","):
            if name and name not in FLAGS:
                raise CommandError(b"ERR Unexpected flag in script shebang: " + name)
            flags |= FLAGS.get(name, 0)
    return flags, body[len(line) :]


def words_of(line: bytes) -> list[bytes] | None:
    """The words of a shebang line, None when its quotes do not balance."""
    words = split_args(line.decode("utf-8", "surrogateescape"))
    return None if words is None else [word.encode("utf-8", "surrogateescape") for word in words]
