"""SLOWLOG: what is noted, how it is cut, and what the subcommands say."""

from tests.support.resp import RespError, Status


def test_everything(raw, configure):
    configure("slowlog-log-slower-than", 0)
    raw("SLOWLOG", "RESET")
    raw("CLIENT", "SETNAME", "me")
    raw("SET", "k", "v")
    raw("GET", "k")
    entries = raw("SLOWLOG", "GET", 3)
    assert [entry[3] for entry in entries] == [[b"GET", b"k"], [b"SET", b"k", b"v"], [b"CLIENT", b"SETNAME", b"me"]]
    number, unix_seconds, micros, _, address, name = entries[0]
    assert number == entries[1][0] + 1
    assert unix_seconds > 1_600_000_000
    assert micros >= 0
    assert address.startswith(b"127.0.0.1:")
    assert name == b"me"


def test_counts(raw, configure):
    configure("slowlog-log-slower-than", 0)
    configure("slowlog-max-len", 10)
    for _ in range(30):
        raw("PING")
    assert raw("SLOWLOG", "LEN") == 10
    assert len(raw("SLOWLOG", "GET")) == 10
    assert len(raw("SLOWLOG", "GET", -1)) == 10
    assert len(raw("SLOWLOG", "GET", 4)) == 4
    assert raw("SLOWLOG", "GET", 0) == []
    configure("slowlog-max-len", 2)
    assert raw("SLOWLOG", "LEN") == 2


def test_what_was_told_is_told_anew_when_the_log_changes(raw, configure):
    configure("slowlog-log-slower-than", -1)
    raw("SLOWLOG", "RESET")
    for word in ("a", "b", "c"):
        assert raw("SLOWLOG", "GET", -1) == raw("SLOWLOG", "GET", -1)
        configure("slowlog-log-slower-than", 0)
        raw("ECHO", word)
        configure("slowlog-log-slower-than", -1)
        assert [b"ECHO", word.encode()] in [entry[3] for entry in raw("SLOWLOG", "GET", -1)]
    configure("slowlog-max-len", 2)
    assert len(raw("SLOWLOG", "GET", -1)) == 2
    raw("SLOWLOG", "RESET")
    assert raw("SLOWLOG", "GET", -1) == []


def test_errors(both):
    both("SLOWLOG", "GET", -2)
    both("SLOWLOG", "GET", "x")
    both("SLOWLOG", "GET", 1, 2)
    both("SLOWLOG", "LEN", 1)
    both("SLOWLOG", "NONE")


def test_cut(raw, configure):
    configure("slowlog-log-slower-than", 0)
    raw("EXISTS", *range(40))
    raw("EXISTS", "A" * 129)
    long, many = raw("SLOWLOG", "GET", 2)
    assert long[3][1] == b"A" * 128 + b"... (1 more bytes)"
    assert len(many[3]) == 32
    assert many[3][-1] == b"... (10 more arguments)"


def test_off(raw, configure):
    configure("slowlog-log-slower-than", -1)
    assert raw("SLOWLOG", "RESET") == Status("OK")
    raw("PING")
    assert raw("SLOWLOG", "LEN") == 0


def test_passwords_are_not_kept(raw, configure):
    configure("slowlog-log-slower-than", 0)
    raw("CONFIG", "SET", "masterauth", "secret")
    assert raw("SLOWLOG", "GET", 1)[0][3] == [b"CONFIG", b"SET", b"masterauth", b"(redacted)"]
    raw("CONFIG", "SET", "masterauth", "")
    for words in (("AUTH", "default", "secret"), ("auth", "secret")):        # the first by its fast path
        raw(*words)
        assert raw("SLOWLOG", "GET", 1)[0][3] == [words[0].encode(), *[b"(redacted)"] * (len(words) - 1)]


def test_help(raw):
    assert raw("SLOWLOG", "HELP")[0].startswith("SLOWLOG <subcommand>")
    assert isinstance(raw("SLOWLOG", "HELP", "x"), RespError)
