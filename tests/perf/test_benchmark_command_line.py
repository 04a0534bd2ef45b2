"""The program: options, formats that other programs read, exit statuses."""

import base64
import csv
import io
import json
import os
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest

from iothreads.handoff import POLLERS
from perf.benchmark import report
from perf.benchmark.command_line import Screen, from_uri, main, make_parser, to_options
from perf.benchmark.options import Options
from perf.benchmark.session import Progress
from tests.support.resp import Connection
from tests.support.server import ROOT, Server


@pytest.fixture
def program(server: Server, capsys: pytest.CaptureFixture[str]):
    """Call it with these arguments; (exit status, stdout, stderr)."""

    def called(*arguments: str) -> tuple[int, str, str]:
        status = main(["-p", str(server.port), "-n", "200", *arguments])
        return status, *capsys.readouterr()

    return called


def options_of(*arguments: str) -> Options:
    return to_options(make_parser().parse_args(arguments))


def test_csv_has_the_columns_of_redis_benchmark(program):
    status, out, errors = program("-t", "set,get,lrange_100", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (status, errors) == (0, "")
    assert list(rows[0]) == list(report.CSV_COLUMNS)
    assert [row["test"] for row in rows] == [
        "SET", "GET", "LPUSH (needed to benchmark LRANGE)", "LRANGE_100 (first 100 elements)",
    ]  # fmt: skip
    for row in rows:
        figures = [float(row[name]) for name in report.CSV_COLUMNS[1:]]
        assert all(figure > 0 for figure in figures)
        assert row["p50_latency_ms"].partition(".")[2].isdigit()


def test_quiet_lines(program):
    status, out, _ = program("-q", "-t", "ping", "-P", "4")
    assert status == 0
    for line, title in zip(out.splitlines(), ["PING_INLINE", "PING_MBULK"], strict=True):
        name, _, rest = line.partition(": ")
        rate, _, p50 = rest.partition(" requests per second, p50=")
        assert name == title
        assert float(rate) > 0
        assert float(p50.removesuffix(" msec")) > 0


def test_every_default_test_runs(program):
    status, out, errors = program("-q", "-n", "60", "-r", "10")
    assert (status, errors) == (0, "")
    assert len(out.splitlines()) == 21
    assert out.splitlines()[-1].startswith("XADD: ")


def test_text(program):
    status, out, _ = program("--mix", "get:3,set:1", "-r", "10", "--keys", "zipf", "-d", "5-10", "--precision", "1")
    assert status == 0
    for shown in ("== mix GET,SET", "requests/s: 200 in", "10 keys zipf, values of 5-10 bytes, closed loop", "p99.9",
                  "s of processor time per million requests"):  # fmt: skip
        assert shown in out
    _, out, _ = program("-t", "get", "--rate", "20000")
    assert "open loop, 20,000 requests/s fixed" in out
    assert "sent late" in out


def test_json(program, tmp_path: Path):
    status, out, _ = program("--json", "-", "-t", "get", "--rate", "20000")
    found = json.loads(out)
    assert (status, found["requests"], found["errors"], found["settings"]["test"]) == (0, 200, 0, "get")
    assert found["open_loop"]["offered_rate"] == 20000
    assert sum(count for _, count in found["histogram_us"]) == 200
    kept = tmp_path / "kept.json"
    program("--json", str(kept), "-t", "get,set", "-q")
    assert [json.loads(line)["title"] for line in kept.read_text().splitlines()] == ["SET", "GET"]


def test_a_distribution_that_was_asked_for_has_keys_and_tells_how_many(program):
    assert "100,000 keys zipf" in program("-t", "get", "--keys", "zipf")[1]


def decoded(text: str) -> dict[int, int]:
    """Count by cell of an encoded HdrHistogram, by the format's own rules."""
    cookie, length = struct.unpack(">ii", base64.b64decode(text)[:8])
    assert (cookie, length) == (0x1C849314, len(base64.b64decode(text)) - 8)
    plain = zlib.decompress(base64.b64decode(text)[8:])
    cookie, length, offset, digits, least, _, ratio = struct.unpack(">iiiiqqd", plain[:40])
    assert (cookie, length, offset, digits, least, ratio) == (0x1C849313, len(plain) - 40, 0, 2, 1, 1.0)
    counts, at, rest, shift = {}, 0, 0, 0
    for byte in plain[40:]:
        rest |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            number = (rest >> 1) ^ -(rest & 1)
            if number > 0:
                counts[at] = number
            at += 1 if number > 0 else -number
            rest = shift = 0
    return counts


def cell(value: int) -> int:
    """Where an HdrHistogram of two digits (256 sub-buckets) counts a value."""
    bucket = max(0, value.bit_length() - 8)
    return (bucket + 1) * 128 + (value >> bucket) - 128


def test_histogram_logs(program, tmp_path: Path):
    program("--hdr", str(tmp_path / "x.hlog"), "--json", str(tmp_path / "x.json"), "--mix", "get:1,set:1")
    lines = (tmp_path / "x.hlog").read_text().splitlines()
    assert lines[1] == "#[Histogram log format version 1.3]"
    assert lines[3].startswith('"StartTimestamp"')
    histograms = {line.partition(",")[0]: decoded(line.rpartition(",")[2]) for line in lines[4:]}
    assert set(histograms) == {"Tag=GET", "Tag=SET"}
    together: dict[int, int] = {}
    for counts in histograms.values():
        for at, count in counts.items():
            together[at] = together.get(at, 0) + count
    kept = json.loads((tmp_path / "x.json").read_text())
    assert together == {cell(round(us * 1000)): count for us, count in kept["histogram_us"]}


def test_percentile_files(program, tmp_path: Path):
    program("--hdr", str(tmp_path / "one.hgrm"), "-t", "get")
    program("--hdr", str(tmp_path / "many.hgrm"), "-t", "ping")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"one.hgrm", "many-ping_inline.hgrm", "many-ping_mbulk.hgrm"}
    assert "Total count    =          200]" in (tmp_path / "one.hgrm").read_text()


def test_a_command_of_ones_own(program, raw: Connection):
    status, out, _ = program("-q", "-r", "1000", "-P", "10", "rpush", "l", "-__rand_int__", "-q")
    assert status == 0
    assert out.startswith("rpush l -__rand_int__ -q: ")
    assert raw("LLEN", "l") == 400
    assert raw("LINDEX", "l", -1) == b"-q"


def test_the_last_argument_from_stdin(program, raw: Connection, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\r\nb\xff")))
    assert program("-q", "-x", "set", "k")[0] == 0
    assert raw("GET", "k") == b"a\r\nb\xff"


def test_what_comes_from_stdin_is_no_part_of_the_title(program, monkeypatch: pytest.MonkeyPatch):
    for arguments in (["-q"], ["--json", "-"]):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\r\nb\xff")))
        status, out, _ = program(*arguments, "-x", "set", "k")
        assert (status, len(out.splitlines())) == (0, 1)
        assert out.startswith("set k: ") or json.loads(out)["title"] == "set k"


def test_long_arguments_do_not_fill_the_title(program):
    status, out, _ = program("-q", "set", "k", "x" * 5000)
    assert status == 0
    assert out.startswith("set k (5,000 bytes): ")


def test_errors_are_told(program):
    status, out, errors = program("-q", "nonsense")
    assert status == 1
    assert out.startswith("nonsense: ")
    assert errors.startswith("nonsense: 200 error replies; the first: ERR unknown command 'nonsense'")
    status, out, errors = program("-e", "nonsense")
    assert (status, out) == (1, "")
    assert errors.startswith("Error from server: ERR unknown command")


def test_no_server(capsys: pytest.CaptureFixture[str]):
    assert main(["-p", "1", "-q"]) == 1
    assert capsys.readouterr().err.startswith("Could not connect to Redis at 127.0.0.1:1:")


def test_what_is_not_built_says_so(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["--cluster"])
    assert stopped.value.code == 1
    assert "is not built" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["-t", "nonsense"], ["--mix", "nonsense:1"], ["-d", "x"], ["-c", "0"], ["--keys", "gauss"], ["-n", "0"],
     ["--define", "x"], ["-u", "http://x"], ["--user", "x"], ["--wrong"], ["--rat", "1"], ["-x"], ["--seed=-1"],
     ["--seed", "9" * 30], ["-n", "9" * 30], ["--duration", "nan"], ["--rate", "inf"], ["--json", "/nonexistent/x"],
     ["--hdr", "/nonexistent/x"], ["-d", "500000000", "-P", "100"], ["-t", "mset", "-d", "500000000", "-c", "1"]],
    ids=str,
)  # fmt: skip
def test_wrong_options(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("remus-benchmark: error: ")
    assert len(complaint.splitlines()) == 1


def test_options_of_redis_benchmark():
    line = "-h there -p 1 -a p --user u -c 3 -n 4 -d 5 --dbnum 6 -3 --threads 2 -k 0 -r 7 -P 8 --enable-tracking -e"
    made = options_of(*line.split())
    assert (made.host, made.port, made.password, made.user, made.clients, made.requests) == ("there", 1, "p", "u", 3, 4)
    assert (made.value_size, made.database, made.protocol, made.threads) == ("5", 6, 3, 2)
    assert (made.keep_alive, made.key_space, made.pipeline, made.tracking) == (False, 7, 8, True)
    assert options_of("--key-prefix", "user:").key_format == "user:__rand_int__"
    assert options_of("-s", "/x").unix_socket == "/x"


@pytest.mark.parametrize(
    ("uri", "fields"),
    [
        ("redis://there", {"host": "there", "port": 6379}),
        ("redis://u:p%40@there:1/2", {"host": "there", "port": 1, "database": 2, "user": "u", "password": "p@"}),
        ("redis://p@there:1", {"host": "there", "port": 1, "user": "", "password": "p"}),
        ("unix:///tmp/s", {"unix_socket": "/tmp/s"}),
    ],
)
def test_uris(uri: str, fields: dict[str, object]):
    assert from_uri(uri) == fields


def test_the_progress_line():
    shown = report.ProgressLine("GET")
    assert shown.line(Progress(0.5, 1000, 0, 200_000.0)) == "GET: 2,000/s, 0.200 ms (overall 2,000/s, 1,000 in 0.5 s)"
    assert shown.line(Progress(1.0, 4000, 2, 500_000.0)).startswith("GET: 6,000/s, 0.100 ms (overall 4,000/s, 4,000 in")


def test_the_progress_line_never_wraps(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("os.get_terminal_size", lambda fd: os.terminal_size((40, 20)))
    monkeypatch.setattr("sys.stderr.fileno", lambda: 2, raising=False)
    screen = Screen(make_parser().parse_args([]))
    screen.progress("x" * 100)
    assert capsys.readouterr().err == "\r" + "x" * 39
    screen.wipe()
    assert capsys.readouterr().err == "\r" + " " * 39 + "\r"


def test_no_progress_line_but_on_a_terminal(program):
    assert program("-t", "get", "--duration", "0.6")[2] == ""


def test_a_reader_that_has_seen_enough(server: Server):
    command = [sys.executable, "-m", "perf.benchmark", "-p", str(server.port), "-n", "50", "-q"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout and child.stderr
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 1


@pytest.mark.parametrize("arguments", [["-c", "40"], ["-c", "29", "--threads", "4"], ["-c", "40", "-k", "0"]], ids=str)
def test_too_few_descriptors(server: Server, arguments: list[str]):
    if "--threads" in arguments and "epoll" not in POLLERS:
        pytest.skip("no descriptor for each thread to wait with")
    command = [sys.executable, "-m", "perf.benchmark", "-p", str(server.port), "-t", "get", "-q", *arguments]
    found = subprocess.run(
        ["sh", "-c", 'ulimit -n 36; exec "$@"', "sh", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert "Too many open files (36 are allowed: ulimit -n)" in found.stderr
    assert len(found.stderr.splitlines()) == 1


def test_a_server_that_goes_away_leaves_a_report(new_server, capsys: pytest.CaptureFixture[str]):
    own = new_server()
    threading.Timer(0.3, own.kill).start()
    assert main(["-p", str(own.port), "-t", "get", "--duration", "60", "--json", "-"]) == 1
    out, errors = capsys.readouterr()
    assert json.loads(out)["requests"] > 0
    assert json.loads(out)["ended_early"] == errors.strip()


def test_idle_connections_tell_when_one_is_closed(new_server, capsys: pytest.CaptureFixture[str]):
    own = new_server(maxclients=10)
    assert main(["-p", str(own.port), "-I", "-c", "30"]) == 1
    assert "closed a connection" in capsys.readouterr().err


def test_idle_connections_end_with_the_server(new_server, capsys: pytest.CaptureFixture[str]):
    own = new_server()
    with Connection(own.port) as c:
        c("CONFIG", "SET", "timeout", "1")
        assert main(["-p", str(own.port), "-I", "-c", "4"]) == 1
    assert capsys.readouterr().out == "4 idle connections; Ctrl-C ends them\n"
