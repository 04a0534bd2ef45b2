"""A user: whether it may come in, its passwords, and its selectors, the first of which is its own (the root).

Passwords are kept as SHA-256 only, in small hexadecimal letters, as rules and files have them.
"""

from collections.abc import Sequence
from functools import cache

from server.acl.permissions import Permissions
from server.acl.selector import READ, Denial, Denied, RuleError, Selector, selector_of
from server.registry.command import Command
from server.registry.keys import KeyReference
from server.registry.light import Any

_HASH_DIGITS, _HASH_LENGTH = b"0123456789abcdef", 64
_BAD_HASH = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
_NO_SUCH_PASSWORD = "The password you are trying to remove from the user does not exist"
_FLAGS = (b"on", b"off", b"skip-sanitize-payload", b"sanitize-payload", b"nopass", b"resetpass", b"clearselectors")


@cache
def _hashing() -> tuple[Any, Any]:
    import hashlib  # brings libcrypto: only who has passwords waits for it
    import hmac

    return hashlib.sha256, hmac.compare_digest


def digest(password: bytes) -> bytes:
    """What is kept of a password."""
    sha256, _ = _hashing()
    return sha256(password).hexdigest().encode()  # type: ignore[no-any-return]


class User:
    """One user; a new one is off, and may do nothing."""

    __slots__ = ("_line", "enabled", "name", "no_password", "passwords", "permissions", "sanitizes", "selectors")

    def __init__(self, name: bytes, all_channels: bool) -> None:
        """all_channels: acl-pubsub-default."""
        self.name = name
        self.enabled = False
        self.no_password = False               # nopass: any password is right
        self.sanitizes = True                  # sanitize-payload; payloads of RESTORE are always checked here
        self.passwords: list[bytes] = []       # hashes
        self.selectors = [Selector(all_channels)]
        self.permissions: Permissions | None = Permissions(self.selectors)     # what the door asks; None: may do all
        self._line = b""                       # what `line` said since rules were applied

    # ---- rules
    def copy(self) -> "User":
        """Another with the same rules."""
        other = User(self.name, False)
        other.become(self)
        return other

    def become(self, other: "User") -> None:
        """Take over the rules of another."""
        self.enabled, self.no_password, self.sanitizes = other.enabled, other.no_password, other.sanitizes
        self.passwords = list(other.passwords)
        self.selectors = [selector.copy() for selector in other.selectors]
        self.compile()

    def compile(self) -> None:
        """After rules were applied: make of them what the door asks."""
        unlimited = any(selector.unlimited for selector in self.selectors)
        self.permissions = None if unlimited else Permissions(self.selectors)
        self._line = b""

    def apply(self, rule: bytes, all_channels: bool) -> None:
        """One rule of ACL SETUSER; all_channels: acl-pubsub-default. Errors: RuleError, and nothing has changed."""
        word = rule.lower()
        self._line = b""
        if not rule:
            return
        if word in _FLAGS:
            self._flag(word)
        elif word == b"reset":
            self.enabled, self.sanitizes = False, True
            self.no_password, self.passwords = False, []
            self.selectors = [Selector(all_channels)]
        elif rule[:1] in (b">", b"#"):
            self._add_password(self._hash_in(rule))
        elif rule[:1] in (b"<", b"!"):
            self._remove_password(self._hash_in(rule))
        elif rule[:1] == b"(" and rule[-1:] == b")":
            self.selectors.append(selector_of(rule[1:-1], all_channels))
        else:
            self.selectors[0].apply(rule)

    def _flag(self, word: bytes) -> None:
        if word in (b"on", b"off"):
            self.enabled = word == b"on"
        elif word == b"clearselectors":
            del self.selectors[1:]
        elif word in (b"nopass", b"resetpass"):
            self.no_password, self.passwords = word == b"nopass", []
        else:
            self.sanitizes = word == b"sanitize-payload"

    @staticmethod
    def _hash_in(rule: bytes) -> bytes:
        if rule[:1] in (b">", b"<"):
            return digest(rule[1:])
        hashed = rule[1:]
        if len(hashed) != _HASH_LENGTH or hashed.strip(_HASH_DIGITS):
            raise RuleError(_BAD_HASH)
        return hashed

    def _add_password(self, hashed: bytes) -> None:
        if hashed not in self.passwords:
            self.passwords.append(hashed)
        self.no_password = False

    def _remove_password(self, hashed: bytes) -> None:
        if hashed not in self.passwords:
            raise RuleError(_NO_SUCH_PASSWORD)
        self.passwords.remove(hashed)

    # ---- what it permits
    def has_password(self, password: bytes) -> bool:
        """Whether that is one of its passwords. How long it takes tells nothing about any of them."""
        if self.no_password:
            return True
        sha256, same = _hashing()
        hashed = sha256(password).hexdigest().encode()
        found = False
        for known in self.passwords:
            found |= same(hashed, known)
        return found

    def may(self, command: Command, argv: Sequence[bytes]) -> Denied | None:
        """Why the user may not make this call, None when it may. Arguments that the command will refuse name no keys.
        Complexity: O(selectors * keys * patterns)."""
        keys: Sequence[KeyReference] | None = None
        worst = Denied(Denial.COMMAND, 0)
        for selector in self.selectors:
            if keys is None and not selector.all_keys:
                keys = _keys_of(command, argv)
            refused = selector.refusal(command, argv, keys or ())
            if refused is None:
                return None
            worst = max(worst, refused)
        return worst

    def may_use_all_keys(self, command: Command, argv: Sequence[bytes], access: int) -> bool:
        """Whether the user may make this call and also use keys that it does not name."""
        keys = _keys_of(command, argv)
        return any(
            selector.refusal(command, argv, keys) is None and selector.may_use_all_keys(access)
            for selector in self.selectors
        )

    def may_read(self, key: bytes) -> bool:
        """Whether there is a call with which the user could read such a key. Complexity: O(patterns)."""
        return self.permissions is None or any(selector.may_use(key, READ) for selector in self.selectors)

    # ---- shown
    def flags(self) -> list[bytes]:
        """Its flags in the order in which they are shown."""
        return [
            b"on" if self.enabled else b"off",
            *([b"nopass"] if self.no_password else []),
            b"sanitize-payload" if self.sanitizes else b"skip-sanitize-payload",
        ]

    def describe(self) -> bytes:
        """All rules, as ACL LIST and files have them."""
        own, *others = (selector.describe() for selector in self.selectors)
        return b" ".join([*self.flags(), *(b"#" + hashed for hashed in self.passwords), own,
                          *(b"(" + other + b")" for other in others)])

    def line(self) -> bytes:
        """Its line in a file."""
        if not self._line:
            self._line = b"user " + self.name + b" " + self.describe()
        return self._line


def _keys_of(command: Command, argv: Sequence[bytes]) -> Sequence[KeyReference]:
    return (command.keys.references(argv) or ()) if command.arity_fits(len(argv)) else ()


def denial_text(user: User, command: Command, argv: Sequence[bytes], denied: Denied, verbose: bool = False) -> bytes:
    """What is told of a refusal, without a code. verbose: also which key or channel it was."""
    if denied.kind == Denial.COMMAND:
        return b"User %s has no permissions to run the '%s' command" % (user.name, command.name.encode("latin-1"))
    if not verbose:
        return b"No permissions to access a key" if denied.kind == Denial.KEY else b"No permissions to access a channel"
    what = b"key" if denied.kind == Denial.KEY else b"channel"
    return b"User %s has no permissions to access the '%s' %s" % (user.name, argv[denied.at], what)
