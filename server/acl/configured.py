"""The users that a configuration asks for at the start."""

from server.acl import file as acl_file
from server.acl.selector import RuleError
from server.acl.users import DUPLICATE, Users
from server.config.config import Config
from server.config.reader import ConfigError


def load(users: Users, config: Config) -> None:
    """requirepass, then the users of the configuration file, or those of the ACL file. ConfigError says why not."""
    if config.requirepass:
        users.set_default_password(config.requirepass)
    if config.aclfile and config.users:
        raise config.users[0].error("Users in the configuration file and an aclfile exclude each other")
    seen: set[bytes] = set()
    for line in config.users:
        statement = line._replace(line=f"user {line.words[1]} ...")        # whose rules may have passwords
        name, *rules = (word.encode("utf-8", "surrogateescape") for word in statement.words[1:])
        if name in seen:
            raise statement.error(DUPLICATE)
        seen.add(name)
        try:
            users.configure(name, rules)
        except RuleError as error:
            raise statement.error(str(error)) from None
        if not users[name].enabled:
            config.log("notice", f"The user '{statement.words[1]}' is disabled (it has no 'on' rule). Is that meant?")
    if config.aclfile:
        try:
            acl_file.load(users, config.aclfile)
        except acl_file.FileError as error:
            told = error.text.decode("utf-8", "surrogateescape")
            raise ConfigError(f"Aborting Redis startup because of ACL errors: {told}\n") from None
    config.describe_users = lambda: (user.line().decode("utf-8", "surrogateescape") for user in users)
