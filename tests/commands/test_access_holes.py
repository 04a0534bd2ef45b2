"""Holes that Redis has had in access control, over TLS and in client-side caching: each with its number, and the right
answer. (What strangers may send is in tests/unit/iothreads/test_protocol_errors.py, SORT, GEORADIUS and XREAD in
test_acl_permissions.py, BCAST in test_tracking.py.)"""

import socket
import ssl
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.pace import patience
from tests.support.resp import ConnectionClosed, RespError
from tests.support.secure import Secure, secure_server
from tests.support.server import wait_until

MALFORMED = (
    "%~", "%~a", "%R", "%RW", "%X~a", "%RWR~a", "%R~", "%W", "(", ")", "()", "(()", "(%~x)", "(%R)", "(+", "(+)",
    "(~a", "(~a))", "( )", "(+get|)", "(reset)", "(on)", "(>p)", "((+get))", "+", "-", "+|", "+get|", "+|get",
    "-get|x", "+config|get|set", "+@", "-@", "+@nosuch", "~", "&", "~a b", "#", "#abc", "!", "<", ">", "allkeys()",
    "+@all|x", "\xff",
)  # fmt: skip


@pytest.mark.parametrize("rule", MALFORMED)
def test_malformed_rules(both, rule):
    """CVE-2024-31227, CVE-2024-51741: rules that are none crashed the server. Now they are refused, as Redis does."""
    both("ACL", "SETUSER", "u", "reset", "on", "nopass", "+get")
    both("ACL", "SETUSER", "u", rule)
    both("ACL", "SETUSER", "u", "~k", rule, "~z")
    both("ACL", "SETUSER", "u", f"({rule}", "+get)")
    agree(both, "ACL", "DRYRUN", "u", "get", "k")
    both("ACL", "GETUSER", "u")


def agree(both, *command):
    """Whether it is allowed: since 7.2 a refusal has other words."""
    assert (both.ours(*command) == "OK") is (both.theirs(*command) == "OK"), command


@pytest.mark.parametrize("rule", ["%", "(%)"])
def test_half_a_permission(raw, rule):
    """CVE-2024-51741: these are what 7.2.6 itself takes, and does not survive ACL LIST."""
    raw.ok("ACL", "SETUSER", "u", "reset", "on", "nopass", "+get")
    before = raw("ACL", "LIST")
    assert raw("ACL", "SETUSER", "u", rule) == RespError(f"ERR Error in ACL SETUSER modifier '{rule}': Syntax error")
    assert raw("ACL", "LIST") == before
    assert raw("ACL", "DRYRUN", "u", "get", "k") != "OK"


KEYNUM = (
    "eval x {} a b", "evalsha x {} a b", "eval_ro x {} a b", "evalsha_ro x {} a b", "fcall f {} a b",
    "fcall_ro f {} a b", "zunion {} a b", "zinter {} a b", "zdiff {} a b", "zintercard {} a b",
    "zunionstore d {} a b", "zinterstore d {} a b", "zdiffstore d {} a b", "sintercard {} a b", "lmpop {} a b left",
    "blmpop 0 {} a b left", "zmpop {} a b min", "bzmpop 0 {} a b min",
)  # fmt: skip


@pytest.mark.parametrize("words", KEYNUM)
@pytest.mark.parametrize("number", [
    "0", "-1", "1", "2", "3", "99", "x", "", "2147483647", "2147483648", "9223372036854775807",
    "-9223372036854775808", "99999999999999999999",
])  # fmt: skip
def test_numbers_of_keys(both, words, number):
    """CVE-2023-36824, and EVAL's arity: keys that a command counts, for GETKEYS and for ACL."""
    command = [number if word == "{}" else word for word in words.split(" ")]
    both("COMMAND", "GETKEYS", *command)
    both("COMMAND", "GETKEYS", *command[:-1])
    both("ACL", "SETUSER", "counts", "reset", "on", "nopass", "+@all", "~a")
    agree(both, "ACL", "DRYRUN", "counts", *command)


@pytest.mark.parametrize("pattern", [
    "a*" * 2000 + "b", "*" * 10000, "[a-z]*" * 1000 + "!", "?*" * 1000, "\\a*" * 1000,
], ids=lambda pattern: pattern[:6])  # fmt: skip
def test_patterns_that_could_be_tried_for_ever(raw, another, pattern):
    """CVE-2022-36021, CVE-2024-31228: many asterisks, for keys of users, for channels, for SCAN and KEYS."""
    key = "a" * 1000
    raw.ok("SET", key, "v")
    raw.ok("ACL", "SETUSER", "u", "reset", "on", "nopass", "+@all", f"~{pattern}", f"&{pattern}")
    c, heard = another(), another()
    heard.send("PSUBSCRIBE", pattern)
    assert heard.read()[0] == b"psubscribe"
    c.ok("AUTH", "u", "x")
    found = raw("KEYS", pattern)
    assert found in ([], [key.encode()])
    permitted = b"v" if found else RespError("NOPERM No permissions to access a key")
    assert c("GET", key) == permitted
    assert raw("PUBLISH", key, "x") == len(found)
    assert raw("SCAN", "0", "MATCH", pattern, "COUNT", "100")[1] == found


def test_a_stranger_that_reads_nothing_is_closed(new_server):
    """CVE-2025-21605: replies to a client that has not said who it is were kept without a limit."""
    server = new_server(requirepass="secret")
    with socket.socket() as stranger, pytest.raises(ConnectionError):
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stranger.settimeout(patience(30))
        stranger.connect(("127.0.0.1", server.port))
        while True:
            stranger.sendall((b"x" * 128 + b" " + b"y" * 128 + b"\r\n") * 10)        # a reply as long as that
    server.wait_for_log("scheduled to be closed ASAP for overcoming of output buffer limits")
    reader = server.connect()
    assert {reply.code for reply in reader.pipeline([("GET", "k")] * 5000)} == {"NOAUTH"}, "who reads may ask on"
    reader.ok("AUTH", "secret")
    assert reader("GET", "k") is None


@pytest.mark.parametrize("threads", ["1", "4"])
def test_a_tls_client_that_is_killed_while_its_commands_wait(tmp_path: Path, threads: str):
    """8.10.1: a client that another one closed was used once more, for what TLS had read of it already."""
    authority = Authority(tmp_path / "authority")
    server, port = secure_server(tmp_path / "server", authority, io_threads=threads, tls_auth_clients="no")
    with server:
        who = Secure(server, port, authority, authority.issue("client"))
        for _ in range(30):
            victims = []
            for _ in range(4):
                try:
                    victims.append(who.connect(shows=False))
                    victims[-1].sendall(b"CLIENT KILL TYPE normal SKIPME yes\r\n" + b"INCR n\r\n" * 3000)
                except (ssl.SSLError, ConnectionError):      # a victim of one before it
                    pass
            for victim in victims:
                victim.close()

        def alone() -> bool:
            try:
                with server.connect() as c:
                    return bool(c("CLIENT", "LIST", "TYPE", "normal").count(b"\n") == 1)
            except (ConnectionClosed, OSError):              # killed by the last of them
                return False

        wait_until(alone, "they are gone")
        assert server.info("stats")["internal_errors"] == "0"
        assert who.ask(shows=False) == b""
