"""The words behind remus-server, as Redis 7.2 reads them."""

import pytest

from server.config.command_line import Action, CommandLine, parse_command_line


def parsed(*words: str) -> CommandLine:
    found = parse_command_line(["remus-server", *words])
    assert isinstance(found, CommandLine)
    return found


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), ""),
        (("--port", "6380"), 'port "6380" '),
        (("--port", "6380", "--maxmemory", "700mb"), 'port "6380" \nmaxmemory "700mb" '),
        (("--maxmemory 700mb", "--port 1"), "maxmemory 700mb \nport 1 "),
        (("--save", "900", "1"), 'save "900" "1" '),
        (("--save", ""), 'save "" '),
        (("--save", "--port", "1"), 'save ""\nport "1" '),
        (("--port", "1", "--save"), 'port "1" \nsave ""'),
        (("--requirepass", "--secret", "--port", "1"), 'requirepass "--secret" \nport "1" '),
        (("--appendonly", "--port", "1"), 'appendonly "--port" "1" '),
        (("--proc-title-template", '--my--{title}"x'), 'proc-title-template "--my--{title}\\"x" '),
        (("--replicaof", "127.0.0.1", "abc"), 'replicaof "127.0.0.1" "abc" '),
        (("--port",), "port "),
        (("--dir", "-", "--port", "1"), 'dir "-" \nport "1" '),
        (("-x",), '"-x" '),
    ],
)
def test_options(words: tuple[str, ...], options: str) -> None:
    found = parsed(*words)
    assert found.options.replace(" \n", "\n").rstrip() == options.replace(" \n", "\n").rstrip()
    assert found.file is None and not found.from_stdin


@pytest.mark.parametrize(
    ("words", "file", "stdin"),
    [
        (("a.conf",), "a.conf", False),
        (("a.conf", "-"), "a.conf", True),
        (("-",), None, True),
        (("-", "--port", "1"), None, True),
        (("a.conf", "--port", "1", "-"), "a.conf", True),
        (("a.conf", "-", "--port", "1"), "a.conf", False),
        (("",), "", False),
    ],
)
def test_files(words: tuple[str, ...], file: str | None, stdin: bool) -> None:
    found = parsed(*words)
    assert (found.file, found.from_stdin) == (file, stdin)


@pytest.mark.parametrize(
    ("words", "action"),
    [
        (("-v",), Action("version")),
        (("--version", "x"), Action("version")),
        (("-h",), Action("help")),
        (("--help",), Action("help")),
        (("--test-memory", "100"), Action("test-memory", "100")),
        (("--test-memory",), Action("test-memory", "")),
        (("--check-system",), Action("check-system")),
    ],
)
def test_actions(words: tuple[str, ...], action: Action) -> None:
    assert parse_command_line(["remus-server", *words]) == action


@pytest.mark.parametrize(
    ("argv", "sentinel"),
    [
        (["remus-server", "a.conf", "--sentinel"], True),
        (["remus-server", "--sentinel", "--port", "1"], True),
        (["/usr/bin/remus-sentinel", "a.conf"], True),
        (["/usr/bin/remus-server", "--sentinels", "1"], False),
    ],
)
def test_sentinel(argv: list[str], sentinel: bool) -> None:
    found = parse_command_line(argv)
    assert isinstance(found, CommandLine)
    assert found.sentinel is sentinel
    assert "sentinel \n" not in found.options or found.options.startswith("sentinel \nport")
