"""Users by random rules, asked about random calls:

- the compiled form that the door asks never says yes where the definition says no, and says yes where it should;
- a real redis-server, given the same rules in the same order, has the same users and permits the same calls
  (7.2: in every word; 7.0 shows rules about commands otherwise, and words refusals otherwise).

REMUS_EXAMPLES says how many users are compared with the real server.
"""

import importlib
import os
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

import server.commands
from server.acl.permissions import permitted
from server.acl.selector import READ, WRITE, RuleError
from server.acl.user import User
from server.registry.command import CATEGORIES, DECLARED
from tests.support.peer import Peer, require_peer
from tests.support.resp import Connection, RespError
from tests.support.server import Server

EXAMPLES = int(os.environ.get("REMUS_EXAMPLES", "60"))
for _module in pkgutil.iter_modules(server.commands.__path__):
    importlib.import_module(f"server.commands.{_module.name}")
for _name in ("eval", "script", "function"):
    importlib.import_module(f"scripting.commands_{_name}")

NAMES = sorted(DECLARED)
HOT = [
    "get", "set", "mget", "zunionstore", "xread", "eval", "sort", "georadius", "publish", "subscribe", "psubscribe",
    "bitfield", "migrate", "config|get", "client|id", "select", "copy", "lmpop", "exists", "object|encoding",
]  # fmt: skip
PATTERNS = ["*", "a", "a*", "app:*", "?", "[ab]*", "*b", "a\\*", "", "A", "a**", "**"]
WORDS = [b"", *(b"a b ab app:1 app: A * a* 0 1 2 3 -1 x GET get set STREAMS streams STORE STOREDIST KEYS BY # COUNT "
                b"nosort").split()]  # fmt: skip

name = st.sampled_from(HOT) | st.sampled_from(NAMES)
pattern = st.sampled_from(PATTERNS)
about_commands = st.one_of(
    st.tuples(st.sampled_from("+-"), name).map("".join),
    st.tuples(st.sampled_from("+-"), st.sampled_from(CATEGORIES)).map("@".join),
    st.sampled_from(["+@all", "-@all", "allcommands", "nocommands", "+select|0", "+get|a", "+SET|A", "+debug|sleep"]),
)
about_names = st.one_of(
    st.tuples(st.sampled_from(["~", "%R~", "%W~", "%RW~", "%wr~"]), pattern).map("".join),
    st.tuples(st.just("&"), pattern).map("".join),
    st.sampled_from(["allkeys", "resetkeys", "allchannels", "resetchannels", "~*", "&*"]),
)
wrong = st.sampled_from(
    ["+nosuch", "-@nosuch", "%X~a", "on off", "+config|", "+config|get|x", "%R", "~a b", "nonsense"]
)
inside = st.lists(about_commands | about_names, max_size=4).map(lambda rules: f"({' '.join(rules)})")
rule = st.one_of(about_commands, about_commands, about_names, about_names, inside, wrong,
                 st.sampled_from(["on", "off", "reset", "clearselectors", "nopass"]))  # fmt: skip
rules = st.lists(rule, max_size=10)


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, list[bytes]]:
    """The name of a command, and words for it of which some fit its form."""
    command = DECLARED[draw(name)]
    head = [word.encode() for word in command.name.split("|")]
    least = abs(command.arity) - len(head)
    count = least if command.arity > 0 else least + draw(st.integers(0, 4))
    return command.name, head + draw(st.lists(st.sampled_from(WORDS), min_size=max(0, count), max_size=max(0, count)))


def user_by(texts: list[str]) -> User:
    """A user by those of the rules that are good."""
    user = User(b"u", False)
    for text in texts:
        try:
            user.apply(text.encode(), False)
        except RuleError:
            continue
    user.compile()
    return user


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(rules, st.lists(calls(), min_size=1, max_size=20))
def test_the_compiled_form(texts: list[str], asked: list[tuple[str, list[bytes]]]) -> None:
    user = user_by(texts)
    for named, argv in asked:
        command = DECLARED[named]
        may = user.may(command, argv) is None
        if user.permissions is None:
            assert may, (texts, argv)
            continue
        told = permitted(user.permissions, command, argv)
        assert may or not told, (texts, argv)
        reads_all = command.keys.reader is None and command.keys.references(argv) is not None
        by_word = any(command.number in selector.first_words for selector in user.selectors)
        if may and reads_all and not by_word:
            assert told, (texts, argv)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(rules)
def test_what_is_shown_makes_the_same_user(texts: list[str]) -> None:
    user = user_by(texts)
    # As in Redis, %RW~* is no flag, but shown as one: what comes beside it is refused then.
    assume(all(selector.patterns.get(b"*") != READ | WRITE for selector in user.selectors))
    again = User(b"u", False)
    for text in re.findall(rb"\([^)]*\)|\S+", user.describe()):
        again.apply(text, False)
    assert again.describe() == user.describe()
    assert [s.allowed for s in again.selectors] == [s.allowed for s in user.selectors]


# ---- beside a real server
@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Connection, Connection, bool]]:
    require_peer()
    folder = tmp_path_factory.mktemp("acl")
    with Server(folder / "ours") as ours, Peer(folder / "theirs") as theirs:
        yield ours.connect(), theirs.connect(), theirs.version >= (7, 2)


# 7.2 has other forms of these.
CHANGED = {"zrank", "zrevrank", "command|getkeys", "command|getkeysandflags"}
# Redis asks about the key behind the first STORE, and writes to that behind the last.
OTHERWISE = {"georadius", "georadiusbymember"}


def _known_to_both(pair: tuple[Connection, Connection, bool]) -> set[str]:
    ours, theirs, exact = pair
    found: list[set[str]] = []
    for c in (ours, theirs):
        entries = [entry for entry in c("COMMAND", "INFO") if entry]
        found.append({entry[0].decode() for entry in [*entries, *(sub for entry in entries for sub in entry[9])]})
    return (found[0] & found[1]) - OTHERWISE - (set() if exact else CHANGED)


def _shown(reply: Any, exact: bool) -> Any:
    """A description of a user, or what of it 7.0 shows in the same way."""
    if isinstance(reply, RespError) or exact:
        return reply
    fields = dict(zip(reply[::2], reply[1::2], strict=True))
    fields.pop(b"commands")
    if b"selectors" in fields:
        fields[b"selectors"] = [_shown(selector, exact) for selector in fields[b"selectors"]]
    return fields


def _told(reply: Any) -> Any:
    """An answer of DRYRUN or SETUSER, in the words of 7.0."""
    return re.sub(r"^User u has", "This user has", reply.decode()) if isinstance(reply, bytes) else reply


@pytest.mark.timeout(300)
def test_beside_a_real_server(pair: tuple[Connection, Connection, bool]) -> None:
    ours, theirs, exact = pair
    both = _known_to_both(pair)

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(rules, st.lists(calls(), min_size=10, max_size=30))
    def compare(texts: list[str], asked: list[tuple[str, list[bytes]]]) -> None:
        lines = [["ACL", "SETUSER", "u", "reset"], *(["ACL", "SETUSER", "u", text] for text in texts),
                 ["ACL", "GETUSER", "u"]]  # fmt: skip
        lines = [line for line in lines if not _names_only_one(line[-1], both)]
        a, b = ours.pipeline(lines), theirs.pipeline(lines)
        assert list(map(_told, a[:-1])) == list(map(_told, b[:-1])), texts
        assert _shown(a[-1], exact) == _shown(b[-1], exact), texts
        questions = [["ACL", "DRYRUN", "u", *argv] for named, argv in asked if named in both]
        a, b = ours.pipeline(questions), theirs.pipeline(questions)
        for question, one, other in zip(questions, a, b, strict=True):
            assert _told(one) == _told(other), (texts, question)

    compare()


def _names_only_one(text: str, both: set[str]) -> bool:
    """Whether a rule is about a command that only one of the two has: what a category holds differs then, too."""
    return any(word.lstrip("(+-").rstrip(")") not in both and DECLARED.keys() >= {word.lstrip("(+-").rstrip(")")}
               for word in text.split() if word[:1] in "(+-")  # fmt: skip
