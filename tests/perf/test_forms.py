"""The sweep over command forms: its notation, the bytes it makes, its player, and what it says of figures."""

import random
import shutil
import socket
import threading
import xml.etree.ElementTree as ElementTree
from array import array

import pytest

from perf import results
from perf.forms import __main__ as program, page, picture, table, verdict
from perf.forms.contest import Measured
from perf.forms.player import Broke, play
from perf.forms.requests import TEXT_BYTES, Payload, Template, Words, set_up
from perf.forms.table import BadTable, Cell, cells
from perf.results import Figure

WORDS = Words({"one": "return 1"}, lambda key: b"dumped:" + key.encode())


def read(tmp_path, text):
    path = tmp_path / "forms.txt"
    path.write_text("profile plain |\nscript one | return 1\n" + text)
    return table.read(path)


def form_of(tmp_path, line):
    return read(tmp_path, f"[group]\n{line}\n").forms[0]


# ---- the table
def test_the_table_is_read_and_every_command_in_it_exists(client):
    found = table.read()
    assert len(list(cells(found.forms, [], 0))) > 600
    known = {name.decode() for name in client.command_list()} | {"nonsense"}
    for form in found.forms:
        for command in form.commands:
            assert command.split()[0].lower() in known, form.name
        set_up((line for line in form.setup if int(line.split()[0]) <= 100), form.base, form.members, found)


def test_a_setup_holds_until_the_next_one(tmp_path):
    found = read(
        tmp_path,
        "[a keys=20]\nsetup: 1 x SET a 1\nsetup: 2 x SET b 1\nf1 | GET a | p1\nf2 | GET b\n"
        "setup: none\nf3 | PING | keys=3 resp3\n[b]\nsetup: 1 x SET c 1\nf4 | GET c\n",
    ).forms
    assert [form.setup for form in found] == [("1 x SET a 1", "2 x SET b 1")] * 2 + [(), ("1 x SET c 1",)]
    assert [form.keys for form in found] == [20, 20, 3, 10_000]
    assert [cell.name for cell in cells(found, [], 0)] == ["f1", "f1 P=1", "f2", "f3", "f3 RESP3", "f4"]
    assert [cell.name for cell in cells(found[:1], [1, 50], 3)] == ["f1 P=1 RESP3", "f1 P=50 RESP3"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("f | GET a | fsh", "forms.txt:4: what is fsh?"),
        ("f | GET a | conn=3", "forms.txt:4: what is conn?"),
        ("f | GET a\nf | GET b", "forms.txt:5: two forms are called 'f'"),
        ("f | GET a | profile=none", "forms.txt:4: no profile is called 'none'"),
        ("GET a", "forms.txt:4: no ' | ' behind the name"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, complaint):
    with pytest.raises(BadTable, match=complaint.replace("|", r"\|").replace("?", r"\?")):
        form_of(tmp_path, line)


# ---- bytes
@pytest.mark.parametrize(
    ("command", "request_"),
    [
        ("GET key:__i__", b"*2\r\n$3\r\nGET\r\n$10\r\nkey:100007\r\n"),
        ("SET __n__ 50%", b"*3\r\n$3\r\nSET\r\n$8\r\n10000003\r\n$3\r\n50%\r\n"),
        ("SET a__r__b <2>", b"*3\r\n$3\r\nSET\r\n$8\r\na100001b\r\n$2\r\n%b\r\n" % TEXT_BYTES[:2]),
        ("EVAL <lua:one> 0", b"*3\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n0\r\n"),
        ("EVALSHA <sha:one>", b"*2\r\n$7\r\nEVALSHA\r\n$40\r\ne0e1f9fabfc9d4800c877a703b823ac0578ff8db\r\n"),
        ('RESTORE "a b" <dump:k>', b"*3\r\n$7\r\nRESTORE\r\n$3\r\na b\r\n$8\r\ndumped:k\r\n"),
    ],
)
def test_a_command_becomes_a_request(command, request_):
    assert Template(command, table.KEY_BASE, WORDS).fill(100_007, 10_000_003, lambda: 100_001) == request_


def test_words_are_written_out(tmp_path):
    assert form_of(tmp_path, "f | MSET {2 k:__#__ v}").commands == ("MSET k:100000 v k:100001 v",)
    assert form_of(tmp_path, "f | MULTI ;; {2 PING ;;} EXEC").commands == ("MULTI", "PING", "PING", "EXEC")


def test_a_payload_goes_through_all_keys_in_pipelines_and_generations(tmp_path):
    payload = Payload(form_of(tmp_path, "f | SET __i__ __g__ ;; GET __i__ | keys=4"), 4, WORDS)
    payload.grow(3)
    assert (payload.commands, len(payload.offsets)) == (4, 4)
    pipelines = [payload.bytes_of(7)[a:b] for a, b in zip(payload.offsets, payload.offsets[1:], strict=False)]
    assert all(pipeline.count(b"\r\n1007\r\n") == 2 for pipeline in pipelines)
    keys = {word for word in b"".join(pipelines[:2]).split() if word.startswith(b"10000")}
    assert keys == {b"10000%d" % n for n in range(4)}
    assert pipelines[0] != pipelines[1]


# ---- the player
def pipelines_of(commands):
    data, offsets = b"", [0]
    for command in commands:
        data += command
        offsets.append(len(data))
    return data, array("Q", offsets)


def test_all_is_played_and_errors_are_counted(server, client):
    data, offsets = pipelines_of([b"INCR n\r\nPING\r\n", b"LPUSH n x\r\nINCR n\r\n"])
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
    received, errors, text = play([c.fileno() for c in connections], [], data, offsets, 10, 2)
    assert (errors, text) == (5, b"WRONGTYPE Operation against a key holding the wrong kind of value")
    assert received == 5 * (len(text) + 3) + sum(len(f":{n}\r\n") for n in range(1, 11)) + 5 * len("+PONG\r\n")
    assert client.get("n") == b"10"
    for connection in connections:
        connection.close()


def test_listeners_are_heard_until_they_are_silent(server, raw):
    raw("SUBSCRIBE", "ch")
    data, offsets = pipelines_of([b"PUBLISH ch " + b"x" * 1000 + b"\r\n"])
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        _, errors, _ = play([connection.fileno()], [raw.socket.fileno()], data, offsets, 100, 1)
    raw.socket.setblocking(False)
    assert errors == 0
    with pytest.raises(BlockingIOError):
        raw.socket.recv(1)
    raw.socket.setblocking(True)


@pytest.mark.parametrize(
    ("answer", "complaint"), [(b"", "closed"), (b"nonsense\r\n", "no reply"), (b"+OK\r\n" * 3, "no reply")]
)
def test_a_server_that_breaks_ends_the_play(answer, complaint):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            connection, _ = listener.accept()
            connection.recv(100)
            connection.sendall(answer)
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        data, offsets = pipelines_of([b"PING\r\n"])
        with socket.create_connection(listener.getsockname()) as connection, pytest.raises(Broke, match=complaint):
            play([connection.fileno()], [], data, offsets, 1, 1)
        thread.join()


@pytest.mark.parametrize("offsets", [[], [0], [0, 7]])
def test_nothing_beyond_the_data_is_sent(offsets):
    with pytest.raises(ValueError, match="nothing to play"):
        play([0], [], b"PING\r\n", array("Q", offsets), 1, 1)


# ---- figures
def measured(tmp_path, ratios, **more):
    cell = Cell(form_of(tmp_path, "some form | GET a"), 16, 2)
    pairs = tuple((ratio, 1.0) for ratio in ratios)
    return Measured(cell, pairs, more.get("sizes", (5.0, 5.0)), more.get("remark", ""))


def test_a_figure_is_the_median_and_its_spread_is_marked(tmp_path):
    steady, wide = measured(tmp_path, [0.5, 0.5, 0.51, 0.9]), measured(tmp_path, [0.5, 0.6, 0.7], sizes=(10.0, 50.0))
    assert steady.figure == Figure("form", "some form", "cpu us/request", 0.505, 1.0, 0.505)
    assert verdict.line(steady).split(maxsplit=3) == ["0.51~", "0.505", "1.000", "some form"]
    assert verdict.line(wide).endswith("some form  [replies of 10 and 50 bytes]")
    assert verdict.line(measured(tmp_path, [1.0, 1.0], remark="ours says no error")).endswith("[ours says no error]")


def test_only_steady_figures_are_judged(tmp_path):
    given = program.options(["--json", str(tmp_path / "kept.jsonl")])
    runs = [[0.5] * 4, [0.54] * 4, [0.5, 0.9, 0.9, 1.4], [1.2] * 4]
    statuses = [program.keep_and_judge(given, [measured(tmp_path, ratios)], {}) for ratios in runs]
    assert statuses == [0, 0, 0, 1]
    assert len(results.read(tmp_path / "kept.jsonl")) == 4


def test_the_page_has_each_group_and_what_is_dear(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(results, "ROOT", tmp_path)
    figures = [Figure("form", name, "cpu us/request", ratio, 1.0, ratio) for name, ratio in
               [("a", 0.4), ("b", 0.6), ("c", 30.0), ("d", 1.5), ("gone", 9.0)]]  # fmt: skip
    group_of = {"c": "first", "d": "first", "a": "second & last", "b": "second & last"}
    page.write(figures, group_of, {"peer": "redis-server", "peer_version": "7.0.15"})
    text = (tmp_path / page.PAGE).read_text()
    assert "| first | 2 | 15.75 | 0 | 30.00 | c |" in text and "| second & last | 2 | 0.50 | 2 | 0.60 | b |" in text
    assert text.index("| c | 30.00") < text.index("| d | 1.50") and "| a |" not in text
    drawn = ElementTree.parse(tmp_path / page.PICTURE).getroot()
    dots = drawn.findall("{http://www.w3.org/2000/svg}circle")
    assert [dot.get("class") for dot in dots] == ["dear", "dear", "cheap", "cheap"]


@pytest.mark.parametrize("ratio", [0.001, 1.0, 1000.0, *(random.Random(1).uniform(0.1, 10) for _ in range(5))])
def test_no_dot_lies_outside_the_picture(ratio):
    assert picture.LEFT <= picture.place(ratio) <= picture.LEFT + picture.WIDTH
    assert (picture.place(ratio) <= picture.place(1)) == (ratio <= 1)


# ---- the whole
@pytest.mark.skipif(not shutil.which("redis-server"), reason="no redis-server to compare with")
def test_a_few_forms_of_every_kind_are_measured(tmp_path, capsys):
    only = "GET 16 B|LPUSH that wakes BLPOP|PUBLISH to 1|connect PING close|wrong type|unix socket: GET|PFCOUNT, cached"
    kept = tmp_path / "kept.jsonl"
    arguments = ["--only", only, "--pipeline", "16", "--pairs", "2", "--slice-ms", "1", "--json", str(kept)]
    assert program.main(arguments) == 0
    said = capsys.readouterr().out
    assert "n/a" not in said and "[" not in said.partition("\n")[2].partition("\n\n")[0]
    names = [figure["name"] for figure in results.read(kept)[0]["figures"]]
    assert len(names) == 7
    assert all(figure["ours"] > 0 and figure["peer"] > 0 for figure in results.read(kept)[0]["figures"])


def test_what_fits_nothing_is_said(capsys):
    assert program.main(["--only", "no such form", "--json", ""]) == 2
    assert "no form fits" in capsys.readouterr().err
