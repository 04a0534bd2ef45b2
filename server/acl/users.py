"""The table of users, and how it changes: ACL SETUSER and DELUSER, lines of the configuration file, the ACL file.

A change is whole or not at all: rules are applied to a copy, which the user becomes when all of them are good. Whoever
must follow (the clients of a user, its subscribers) is told by the hooks.
"""

from collections.abc import Callable, Iterator, Sequence

from server.acl.selector import RuleError, has_spaces
from server.acl.user import User
from server.config.config import Config
from server.registry.reply import Encoded
from server.registry.reply_writer import encode_reply

DEFAULT_USER = b"default"
DUPLICATE = "Duplicate user found. A user can only be defined once in config files"
_OF_DEFAULT = (b"+@all", b"~*", b"&*", b"on", b"nopass")


class SetUserError(Exception):
    """Why rules are refused; the text is the reply without its code."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.text = text


class Users:
    """Users by name. `default` is always there, and always the same object."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._users: dict[bytes, User] = {}
        self.default = self._new_default()
        self._users[DEFAULT_USER] = self.default
        self.on_change: Callable[[User, User], object] = _nobody       # (user, as it is going to be): before it is
        self.on_changed: Callable[[User], object] = _nobody            # after
        self._listed: Encoded | None = None                            # what ACL LIST said since the last change

    def _new_default(self) -> User:
        user = User(DEFAULT_USER, False)
        for rule in _OF_DEFAULT:
            user.apply(rule, False)
        user.compile()
        return user

    @property
    def all_channels(self) -> bool:
        """acl-pubsub-default: whether users begin with a right to all channels."""
        return bool(self._config.acl_pubsub_default == "allchannels")

    def __iter__(self) -> Iterator[User]:
        """All users, by name."""
        return iter([self._users[name] for name in sorted(self._users)])

    def __len__(self) -> int:
        return len(self._users)

    def __getitem__(self, name: bytes) -> User:
        return self._users[name]

    def get(self, name: bytes) -> User | None:
        """The user of that name."""
        return self._users.get(name)

    def listed(self) -> Encoded:
        """ACL LIST: a line for each. Complexity: O(users), once after each change."""
        if self._listed is None:
            self._listed = Encoded(encode_reply([user.line() for user in self], 2))
        return self._listed

    # ---- changes
    def set(self, name: bytes, rules: Sequence[bytes]) -> None:
        """ACL SETUSER: apply rules to a user, who is made when there is none. Errors: SetUserError, and nothing has
        changed."""
        if has_spaces(name):
            raise SetUserError(b"Usernames can't contain spaces or null characters")
        user = self._users.get(name)
        wanted = user.copy() if user is not None else User(name, self.all_channels)
        merged = merged_rules(rules)
        if isinstance(merged, int):
            raise SetUserError(b"Unmatched parenthesis in acl selector starting at '%s'." % rules[merged])
        for rule in merged:
            try:
                wanted.apply(rule, self.all_channels)
            except RuleError as error:
                raise SetUserError(b"Error in ACL SETUSER modifier '%s': %s" % (rule, str(error).encode())) from None
        if user is None:
            wanted.compile()
            self._users[name] = wanted
            self._listed = None
        else:
            self._change(user, wanted)

    def _change(self, user: User, wanted: User) -> None:
        self.on_change(user, wanted)
        user.become(wanted)
        self._listed = None
        self.on_changed(user)

    def delete(self, name: bytes) -> User | None:
        """ACL DELUSER of one that is not the default user; who it was, for its clients have to go."""
        self._listed = None
        return self._users.pop(name, None)

    def set_default_password(self, password: bytes) -> None:
        """requirepass: the one password of the default user; b"": it needs none."""
        wanted = self.default.copy()
        wanted.apply(b"resetpass", False)
        wanted.apply(b">" + password if password else b"nopass", False)
        self._change(self.default, wanted)

    def replace(self, users: dict[bytes, User]) -> list[User]:
        """These instead of all; the default user is as new when it is not among them. Returns the others that there
        were: their clients have to go, even where a user of the same name has come."""
        gone = [user for user in self._users.values() if user is not self.default]
        self._listed = None
        default = users.get(DEFAULT_USER)
        self._users = {**users, DEFAULT_USER: self.default}
        self.default.become(default if default is not None else self._new_default())
        self.on_changed(self.default)
        return gone

    # ---- at start
    def configure(self, name: bytes, rules: Sequence[bytes]) -> None:
        """A line `user name rule ...` of the configuration file. Errors: RuleError."""
        if has_spaces(name):
            raise RuleError("Spaces not allowed in ACL usernames")
        merged = merged_rules(rules)
        if isinstance(merged, int):
            raise RuleError(f"Unmatched parenthesis in acl selector starting at '{_text(rules[merged])}'.")
        user = User(name, self.all_channels)
        for rule in merged:
            try:
                user.apply(rule, self.all_channels)
            except RuleError as error:
                raise RuleError(f"Error in user declaration '{_shown(rule)}': {error}") from None
        user.compile()
        self._listed = None
        if name == DEFAULT_USER:
            self.default.become(user)
        else:
            self._users[name] = user


def _nobody(*told: User) -> None:
    """A hook that is not filled."""


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


def _shown(rule: bytes) -> str:
    """A rule, unless it has a password."""
    return _text(rule) if rule[:1] not in (b">", b"<") else _text(rule[:1]) + "(redacted)"


def merged_rules(words: Sequence[bytes]) -> list[bytes] | int:
    """Rules with the words of each selector put together again, from "(..." to "...)"; where the one stands that has
    no end."""
    merged: list[bytes] = []
    opened = None
    for at, word in enumerate(words):
        if opened is not None:
            merged[-1] += b" " + word
        else:
            merged.append(word)
            if word[:1] == b"(":
                opened = at
        if opened is not None and word[-1:] == b")":
            opened = None
    return merged if opened is None else opened
