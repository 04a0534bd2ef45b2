"""The ACL file: lines `user name rule ...`, read whole or not at all, and written so that a crash leaves the old or the
new one.

What is wrong with a file is told for all its lines at once, with their numbers.
"""

from server.acl.selector import RuleError, has_spaces
from server.acl.user import User
from server.acl.users import Users, merged_rules
from server.config.rewrite import replace_file

NOTHING_CHANGED = b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
_BLANKS = b" \t\r\n"


class FileError(Exception):
    """Why a file is refused; the text is one line about all of it."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text)
        self.text = text


def load(users: Users, path: str) -> list[User]:
    """ACL LOAD: the users of a file instead of those that there are, which it returns (see Users.replace).
    Errors: FileError, and nothing has changed."""
    name = path.encode("utf-8", "surrogateescape")
    try:
        with open(path, "rb") as file:
            lines = file.read().split(b"\n")
    except OSError as error:
        reason = (error.strerror or str(error)).encode()
        raise FileError(b"Error loading ACLs, opening file '%s': %s" % (name, reason)) from None
    reader = _Reader(name, users.all_channels)
    for number, line in enumerate(lines, 1):
        reader.read(number, line.strip(_BLANKS))
    if reader.wrong:
        raise FileError(b"".join(reader.wrong) + NOTHING_CHANGED)
    return users.replace(reader.users)


class _Reader:
    """One file: its users so far, and what is wrong with it."""

    def __init__(self, name: bytes, all_channels: bool) -> None:
        self.users: dict[bytes, User] = {}
        self.wrong: list[bytes] = []
        self._name = name
        self._all_channels = all_channels

    def read(self, number: int, line: bytes) -> None:
        """One line; empty ones are none."""
        if not line:
            return
        where = b"%s:%d" % (self._name, number)
        words = line.split(b" ")
        if words[0] != b"user" or len(words) < 2:
            self.wrong.append(where + b" should start with user keyword followed by the username. ")
        elif has_spaces(words[1]):
            self.wrong.append(b"'%s: username '%s' contains invalid characters. " % (where, words[1]))
        elif words[1] in self.users:
            self.wrong.append(b"WARNING: Duplicate user '%s' found on line %d. " % (words[1], number))
        else:
            self.users[words[1]] = user = User(words[1], self._all_channels)
            self._apply(user, words[2:], where)

    def _apply(self, user: User, words: list[bytes], where: bytes) -> None:
        """All rules that are good. Every command that there is not is told of; of the other mistakes, the first."""
        rules = merged_rules(words)
        if isinstance(rules, int):
            self.wrong.append(where + b": Unmatched parenthesis in selector definition.")
            return
        told = False
        for word in rules:
            rule = word.strip(b"\t\r\n")
            try:
                user.apply(rule, self._all_channels)
            except RuleError as error:
                reason = str(error).encode()
                if error.unknown:
                    self.wrong.append(where + b": Error in applying operation '%s': %s. " % (rule, reason))
                elif not told:
                    self.wrong.append(where + b": %s. " % reason)
                    told = True
        user.compile()


def save(users: Users, path: str) -> None:
    """ACL SAVE. Errors: OSError, and the old file stands."""
    replace_file(path, b"".join(user.line() + b"\n" for user in users))
