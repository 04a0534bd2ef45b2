"""COMMAND against a real redis-server: what is declared here is what it declares."""

import pytest

from tests.support.peer import peer_version
from tests.support.resp import RespError

# What 7.2 (which is what is built here) declares otherwise than the peer's 7.0. A 7.2 peer must agree in everything.
CHANGED = {
    "arity": {
        "command|getkeys",
        "command|getkeysandflags",  # a command of one word is allowed
        "zrank",
        "zrevrank",  # WITHSCORE
    },
    "flags": {
        "blmove",
        "blpop",
        "brpop",
        "brpoplpush",
        "bzpopmax",
        "bzpopmin",
        "wait",  # scripts may call them
        "cluster|shards",
        "cluster|slots",  # served while loading
    },
    "tips": {
        "acl|deluser",
        "acl|save",
        "acl|setuser",
        "client|setname",
        "config|resetstat",
        "config|rewrite",
        "latency|reset",
        "msetnx",
        "randomkey",
        "scan",  # how a cluster proxy should spread them
    },
    "deprecation": {"psetex", "quit", "setex", "setnx"},
}
# Trees of arguments that the notation cannot express.
OTHER_ARGUMENTS = {"client|kill", "bitfield", "failover", "xtrim"}


def tables(connection):
    """Everything COMMAND says, by name, subcommands included."""
    found = {}

    def add(entries):
        for entry in entries:
            found[entry[0].decode()] = entry
            add(entry[9])

    add(connection("COMMAND"))
    return found


def spec_form(value):
    """A form of key specifications that compares, flags without order."""
    if isinstance(value, dict):
        return {key: spec_form(inner) for key, inner in value.items() if key != b"notes"}
    if isinstance(value, list):
        return (
            sorted(map(str, value)) if all(isinstance(inner, str) for inner in value) else list(map(spec_form, value))
        )
    return value


@pytest.fixture
def pairs(both):
    """(name, ours, theirs) of every command that both have."""
    both.resp3()
    ours, theirs = tables(both.ours), tables(both.theirs)
    shared = sorted(ours.keys() & theirs.keys())
    assert len(shared) > 100
    return [(name, ours[name], theirs[name]) for name in shared]


def differing(pairs, form, kind=""):
    changed = CHANGED.get(kind, ()) if peer_version() < (7, 2) else ()
    return {
        name: (form(ours), form(theirs))
        for name, ours, theirs in pairs
        if name not in changed and form(ours) != form(theirs)
    }


def test_arity(pairs):
    assert not differing(pairs, lambda entry: entry[1], "arity")


def test_flags(pairs):
    assert not differing(pairs, lambda entry: sorted(map(str, entry[2])), "flags")


def test_key_range(pairs):
    assert not differing(pairs, lambda entry: entry[3:6])


def test_categories(pairs):
    assert not differing(pairs, lambda entry: sorted(map(str, entry[6])))


def test_tips(pairs):
    assert not differing(pairs, lambda entry: sorted(entry[7]), "tips")


def test_key_specifications(pairs):
    assert not differing(pairs, lambda entry: spec_form(entry[8]))


def test_docs_since_and_group(both):
    both.resp3()
    ours, theirs = both.ours("COMMAND", "DOCS"), both.theirs("COMMAND", "DOCS")
    for name in ours.keys() & theirs.keys():
        for fact in (b"since", b"group", b"deprecated_since", b"doc_flags"):
            if peer_version() < (7, 2) and name.decode() in CHANGED["deprecation"]:
                continue
            assert ours[name].get(fact) == theirs[name].get(fact), (name, fact)
        assert ours[name][b"summary"]


def every_docs(docs, found):
    """COMMAND DOCS with subcommands, flat."""
    for name, entry in docs.items():
        found[name.decode()] = entry
        every_docs(entry.get(b"subcommands", {}), found)
    return found


def argument_form(arguments):
    return [
        (
            one[b"name"],
            one[b"type"],
            one.get(b"token"),
            one.get(b"key_spec_index"),
            sorted(map(str, one.get(b"flags", []))),
            argument_form(one.get(b"arguments", [])),
        )
        for one in arguments
    ]


def test_docs_arguments(both):
    if peer_version() < (7, 2):
        pytest.skip("7.0 names many arguments otherwise")
    both.resp3()
    ours, theirs = every_docs(both.ours("COMMAND", "DOCS"), {}), every_docs(both.theirs("COMMAND", "DOCS"), {})
    for name in ours.keys() & theirs.keys() - OTHER_ARGUMENTS:
        assert argument_form(ours[name].get(b"arguments", [])) == argument_form(theirs[name].get(b"arguments", [])), (
            name
        )


def test_names(both):
    both.resp3()
    both("COMMAND", "INFO", "nonsense", "config|nonsense", "get|get", "")
    both("COMMAND", "DOCS", "nonsense")
    both("COMMAND", "LIST", "FILTERBY", "PATTERN", "config|g*")
    both("COMMAND", "LIST", "FILTERBY", "ACLCAT", "nonsense")
    both("COMMAND", "LIST", "FILTERBY", "MODULE", "nonsense")
    for words in (
        ("LIST", "x"),
        ("LIST", "FILTERBY", "x", "y"),
        ("LIST", "FILTERBY", "ACLCAT"),
        ("NONE",),
        ("COUNT", 1),
    ):
        both("COMMAND", *words)


@pytest.mark.parametrize(
    "words",
    [
        "get key",
        "mset a 1 b 2",
        "memory usage k",
        "copy a b",
        "object freq k",
        "lcs a b",
        "ping x",
        "nonsense a",
        "config get x",
        "eval x 1 k",
        "eval x 0",
        "set k v ex 1",
        "rename a b",
        "migrate h 1 k 0 10",
        "touch a b c",
        "mset a 1 b",
        # a count that is no proper integer, and what C's atoi makes of it
        "zunionstore d 1.5 a b",
        "zinterstore d 2.9 a b",
        "zunion 1.5 a b",
        "zdiffstore d 5x a",
        "eval x 1.5 a b",
        "eval x 0.5 a",
        "eval x abc a",
        "eval_ro x 1e3 a",
        "fcall f 2nd a b",
        "lmpop 1.5 a left",
        "blmpop 0 1x a left",
        "zmpop +1 a min",
        "zmpop abc a min",
        "bzmpop 0 01 a min",
        "sintercard 4294967297 a b",
        "sintercard 9223372036854775808 a b",
        "sintercard -4294967295 a b",
        "sintercard -1 a b",
        "sintercard 1" + "0" * 5000 + " a b",
        "sintercard " + "0" * 5000 + "1 a b",
    ],
)
@pytest.mark.parametrize("form", ["GETKEYS", "GETKEYSANDFLAGS"])
def test_getkeys(both, words, form):
    if both.ours("COMMAND", "INFO", words.split()[0]) == [None] and words.split()[0] != "nonsense":
        pytest.skip("not built")
    both("COMMAND", form, *words.split(), unordered=form != "GETKEYS")


def test_command_by_itself(both):
    assert isinstance(both.ours("COMMAND", "NONE"), RespError)
    assert both.ours("COMMAND", "COUNT") == len(both.ours("COMMAND"))


def test_summaries_are_sentences_without_the_complexity(raw3):
    for name, docs in every_docs(raw3("COMMAND", "DOCS"), {}).items():
        summary = docs[b"summary"]
        assert summary.endswith((b".", b"?")) and b"omplexity:" not in summary and b"\n" not in summary, name


def test_replies_that_are_encoded_once_are_those_of_the_protocol(raw, raw3):
    for words in (("COMMAND",), ("COMMAND", "INFO", "get", "none"), ("COMMAND", "DOCS", "get"), ("COMMAND", "DOCS")):
        two, three, again = raw(*words), raw3(*words), raw(*words)
        assert two == again != three
        assert len(two) == len(three) * (2 if isinstance(three, dict) else 1)


def test_scripts_read_them(raw):
    script = "redis.setresp(3) local docs = redis.call('COMMAND', 'DOCS', 'get').map.get.map return docs.group"
    assert raw("EVAL", script, 0) == b"string"
    script = "local all = redis.call('COMMAND', 'INFO', 'get', 'none') return {all[1][1], all[1][2], all[2], #all}"
    assert raw("EVAL", script, 0) == [b"get", 2, None, 2]
