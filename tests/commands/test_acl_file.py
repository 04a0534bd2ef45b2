"""Users in the configuration file and in an ACL file: read at start, read again, and written."""

import ssl
import urllib.request
from base64 import b64encode
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.resp import RespError
from tests.support.secure import Secure
from tests.support.server import free_port

NO_FILE = (
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER "
    "command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store "
    "users in the Redis configuration."
)
NOTHING_CHANGED = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
DEFAULT = b"user default on nopass sanitize-payload ~* &* +@all"


@pytest.fixture
def with_file(new_server, tmp_path):
    """with_file(text): a server whose users are in a file of this text; and the file."""
    def start(text):
        file = tmp_path / "users.acl"
        file.write_text(text)
        return new_server(aclfile=str(file)), file
    return start


class TestConfigurationFile:
    def test_rewritten(self, new_server):
        server = new_server(config="user alice on >p ~a* +@read (+get ~b)\nuser bob off", requirepass="secret")
        c = server.connect()
        c.ok("AUTH", "secret")
        listed = c("ACL", "LIST")
        assert [line.split()[1] for line in listed] == [b"alice", b"bob", b"default"]
        c.ok("ACL", "SETUSER", "carol", "on", "+ping")
        c.ok("ACL", "DELUSER", "bob")
        c.ok("CONFIG", "SET", "requirepass", "another")
        listed = c("ACL", "LIST")
        c.ok("CONFIG", "REWRITE")
        written = server.config_file.read_bytes().splitlines()
        assert [line for line in written if line.startswith(b"user ")] == listed
        assert b'requirepass "another"' in written
        again = new_server(config=server.config_file.read_text().replace(f"port {server.port}\n", ""))
        c = again.connect()
        assert c("ACL", "LIST").code == "NOAUTH"
        c.ok("AUTH", "another")
        assert c("ACL", "LIST") == listed

    def test_the_default_user_of_the_file_stands_above_requirepass(self, new_server):
        server = new_server(config="user default on nopass ~* &* +@all -flushall", requirepass="secret")
        c = server.connect()
        assert c("FLUSHALL").code == "NOPERM"
        assert c("CONFIG", "GET", "requirepass") == [b"requirepass", b"secret"]

    def test_the_page_about_security_has_a_configuration(self, new_server, tmp_path):
        page = (Path(__file__).parents[2] / "docs/security.md").read_text()
        block = page.split("## A configuration to begin with")[1].split("```")[1]
        authority = Authority(tmp_path / "authority")
        cert, key = authority.issue("server")
        port, metrics = free_port(), free_port()
        for there, here in (("/etc/remus/server.crt", cert), ("/etc/remus/server.key", key),
                            ("/etc/remus/ca.crt", authority.file), ("tls-port 6379", f"tls-port {port}"),
                            ("metrics-port 9121", f"metrics-port {metrics}"), ("port 0\n", "")):
            assert there in block
            block = block.replace(there, str(here))
        server = new_server(config=block)                           # a plain port beside it, for the test alone
        c = server.connect()
        assert c("PING").code == "NOAUTH"
        c.ok("AUTH", "app", "app-password")
        c.ok("SET", "app:1", "v")
        assert c("LPUSH", "app:list", "x") == 1
        assert c("PUBLISH", "app:news", "x") == 0
        for refused in ("GET other", "PUBLISH other x", "FLUSHALL", "KEYS *", "CONFIG GET *", "ACL SETUSER app ~*",
                        "SHUTDOWN", "SORT app:list GET x*", "EVAL return(1) 0", "MONITOR", "CLIENT LIST",
                        "SLOWLOG GET", "RESTORE app:2 0 x"):  # fmt: skip
            assert c(*refused.split()).code == "NOPERM", refused
        assert c("GET", "app:1") == b"v"
        c.ok("AUTH", "monitoring", "monitoring-password")
        assert c("PING") == "PONG"
        assert c("CONFIG", "SET", "maxclients", "1").code == "NOPERM"
        assert c("GET", "app:1").code == "NOPERM"
        c.ok("AUTH", "admin", "admin-password")
        assert c("CONFIG", "SET", "dir", "/") == RespError(
            "ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config")
        assert len(c("ACL", "LIST")) == 4
        c.ok("ACL", "SETUSER", "replica", "on", ">r", "+psync", "+replconf", "+ping")      # as the page says
        who = Secure(server, port, authority, authority.issue("client"))
        assert who.ask(b"AUTH admin admin-password\r\n") == b"+OK\r\n"
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            who.ask(shows=False)
        asked = urllib.request.Request(f"https://127.0.0.1:{metrics}/metrics")
        asked.add_header("Authorization", "Basic " + b64encode(b"prometheus:monitoring-password").decode())
        with urllib.request.urlopen(asked, context=who.context()) as reply:
            denials = [line for line in reply.read().splitlines() if line.startswith(b"remus_acl_denials_total{")]
        assert b'remus_acl_denials_total{reason="key",user="app"} 1.0' in denials
        assert b'remus_acl_denials_total{reason="channel",user="app"} 1.0' in denials

    def test_rules_go_by_the_original_names(self, new_server):
        server = new_server(config='rename-command GET fetch\nrename-command SET ""\nuser u on nopass +get +set ~a')
        c = server.connect()
        c.ok("AUTH", "u", "")
        assert c("FETCH", "a") is None
        assert c("FETCH", "b").code == "NOPERM"
        assert c("GET", "a").text.startswith("ERR unknown command")
        assert c("SET", "a", "1").text.startswith("ERR unknown command")

    @pytest.mark.parametrize(("lines", "reason"), [
        ("user alice on +nosuch", "Error in user declaration '+nosuch': Unknown command or category name in ACL"),
        ("user alice on (+get", "Unmatched parenthesis in acl selector starting at '(+get'."),
        ('user "a b" on', "Spaces not allowed in ACL usernames"),
        ("user alice on\nuser alice off", "Duplicate user found. A user can only be defined once in config files"),
        ("user alice on >hidden #x", "Error in user declaration '#x': The password hash must be exactly 64 characters"),
        ("user alice on <hidden", "Error in user declaration '<(redacted)': The password you are trying to remove"),
        ("user alice on\naclfile /no/such", "Users in the configuration file and an aclfile exclude each other"),
        ("aclfile /no/such/file", "Error loading ACLs, opening file '/no/such/file': No such file or directory"),
    ])  # fmt: skip
    def test_mistakes_stop_the_start(self, new_server, lines, reason):
        server = new_server(start=False, config=lines)
        with pytest.raises(AssertionError) as told:
            server.start()
        assert reason in str(told.value)
        assert "hidden" not in str(told.value)


class TestFile:
    def test_read_at_start_and_again(self, with_file):
        server, file = with_file("user alice on nopass ~* +@all\n\n  user bob on nopass +ping  \r\n")
        c, alice, bob = server.connect(), server.connect(), server.connect()
        alice.ok("AUTH", "alice", "")
        bob.ok("AUTH", "bob", "")
        assert c("ACL", "LIST") == [
            b"user alice on nopass sanitize-payload ~* resetchannels +@all",
            b"user bob on nopass sanitize-payload resetchannels -@all +ping",
            DEFAULT,
        ]
        file.write_text("user alice on nopass ~a +@all (+get ~b)\nuser default on nopass ~* +@all")
        c.ok("ACL", "LOAD")
        assert alice.is_closed()
        assert bob.is_closed()
        assert c("ACL", "LIST") == [
            b"user alice on nopass sanitize-payload ~a resetchannels +@all (~b resetchannels -@all +get)",
            b"user default on nopass sanitize-payload ~* resetchannels +@all",
        ]
        assert c("SUBSCRIBE", "x").code == "NOPERM", "who is the default user stays, with its new rights"

    def test_who_reads_it_again_gets_the_reply(self, with_file):
        server, _ = with_file("user alice on nopass ~* +@all")
        alice = server.connect()
        alice.ok("AUTH", "alice", "")
        alice.ok("ACL", "LOAD")
        assert alice.is_closed()

    def test_all_mistakes_are_told_and_nothing_changes(self, with_file):
        server, file = with_file("user alice on nopass ~* +@all")
        c, alice = server.connect(), server.connect()
        alice.ok("AUTH", "alice", "")
        before = c("ACL", "LIST")
        file.write_text(
            "user carol on\nalice on\nuser\nuser b\tb on\nuser carol off\nuser dave +nosuch -none wrong ~* ~a\n"
            "user erin (+get ~a"
        )
        name = str(file)
        assert str(c("ACL", "LOAD")) == (
            f"ERR {name}:2 should start with user keyword followed by the username. "
            f"{name}:3 should start with user keyword followed by the username. "
            f"'{name}:4: username 'b\tb' contains invalid characters. "
            "WARNING: Duplicate user 'carol' found on line 5. "
            f"{name}:6: Error in applying operation '+nosuch': Unknown command or category name in ACL. "
            f"{name}:6: Error in applying operation '-none': Unknown command or category name in ACL. "
            f"{name}:6: Syntax error. "
            f"{name}:7: Unmatched parenthesis in selector definition." + NOTHING_CHANGED
        )
        assert c("ACL", "LIST") == before
        assert alice("ACL", "WHOAMI") == b"alice"
        file.unlink()
        assert str(c("ACL", "LOAD")) == (
            f"ERR Error loading ACLs, opening file '{name}': No such file or directory")

    def test_saved(self, with_file):
        server, file = with_file("user alice on nopass ~* +@all")
        c = server.connect()
        c.ok("ACL", "SETUSER", "bob", "on", ">p", "%R~a*", "&b", "+@all", "-@write", "(+set ~c)")
        c.ok("ACL", "DELUSER", "alice")
        c.ok("ACL", "SAVE")
        listed = c("ACL", "LIST")
        assert file.read_bytes() == b"".join(line + b"\n" for line in listed)
        assert [path.name for path in file.parent.iterdir() if path.name.startswith("users.acl")] == ["users.acl"]
        c.ok("ACL", "LOAD")
        assert c("ACL", "LIST") == listed
        c.ok("CONFIG", "REWRITE")
        assert b"\nuser " not in server.config_file.read_bytes()
        server.restart()
        assert server.connect()("ACL", "LIST") == listed

    def test_that_cannot_be_written(self, new_server, tmp_path):
        file = tmp_path / "folder" / "users.acl"
        file.parent.mkdir()
        file.write_text("")
        server = new_server(aclfile=str(file))
        file.unlink()
        file.parent.rmdir()
        assert server.connect()("ACL", "SAVE") == RespError(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information")

    def test_without_one(self, raw):
        assert raw("ACL", "LOAD") == RespError(NO_FILE)
        assert raw("ACL", "SAVE") == RespError(NO_FILE)
