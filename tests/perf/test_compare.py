"""The comparison with a peer: what it keeps, what it judges, and the table that it writes into a page."""

import json
import shutil

import pytest

from perf import compare, goals, load, readme, results, sweep, tables
from perf.results import Figure, Tolerance
from perf.server_under_test import ServerFailed

PAGE = f"# Title\n\n{readme.BEGIN}\nold\n{readme.END}\n\nThe end.\n"
needs_redis = pytest.mark.skipif(
    not (shutil.which("redis-server") and shutil.which("redis-benchmark")), reason="no redis-server to compare with"
)


def cpu(name, ratio):
    return Figure("load", name, "cpu us/request", ratio, 1.0, ratio)


def kept(tmp_path, figures, settings):
    path = tmp_path / "results.jsonl"
    results.append(path, results.record(figures, settings))
    return results.last_figures(results.read(path), results.machine(), settings)


# ---- regressions
@pytest.mark.parametrize(("now", "worse"), [(0.50, 0), (0.57, 0), (0.58, 1), (0.30, 0)])
def test_a_ratio_may_grow_by_the_tolerance_and_no_more(tmp_path, now, worse):
    last = kept(tmp_path, [cpu("get P=16", 0.5)], {"peer": "p"})
    assert len(results.regressions([cpu("get P=16", now)], last, Tolerance(ratio=0.15))) == worse


def test_bytes_are_judged_by_themselves(tmp_path):
    last = kept(tmp_path, [Figure("memory", "string", "bytes/item", 50.0, 90.0, 0.55)], {})
    grown = Figure("memory", "string", "bytes/item", 52.0, 100.0, 0.52)
    assert len(results.regressions([grown], last, Tolerance(memory=0.03))) == 1


def test_what_was_measured_with_other_settings_does_not_judge(tmp_path):
    path = tmp_path / "results.jsonl"
    results.append(path, results.record([cpu("get P=1", 0.5)], {"peer": "one"}))
    assert results.last_figures(results.read(path), results.machine(), {"peer": "other"}) == {}
    assert results.last_figures(results.read(path), "another machine", {"peer": "one"}) == {}


def test_rates_and_latencies_are_kept_but_not_judged(tmp_path):
    last = kept(tmp_path, [Figure("load", "get P=1", "requests/s", 100.0, 100.0, 1.0)], {})
    assert not results.regressions([Figure("load", "get P=1", "requests/s", 1.0, 100.0, 0.01)], last, Tolerance())


# ---- goals
@pytest.mark.parametrize(
    ("figure", "wanted"),
    [
        (cpu("get P=1", 1.0), 0.9),
        (cpu("hset P=16 io-threads=2", 1.0), 0.6),
        (cpu("lpop P=50", 1.0), 0.5),
        (cpu("lrange_600 P=50", 1.0), 1.0),
        (cpu("zadd P=50", 1.0), 1.0),
        (Figure("load", "get P=1", "requests/s", 1, 1, 1), None),
        (Figure("memory", "string", "bytes/item", 1, 1, 1), None),
    ],
)
def test_goals(figure, wanted):
    assert goals.goal(figure) == wanted


def test_missed_goals_are_counted_and_named():
    lines = goals.missed([cpu("get P=16", 0.61), cpu("set P=16", 0.59)])
    assert "1 of 2" in lines[0]
    assert len(lines) == 2
    assert "get P=16" in lines[1]
    assert goals.missed([]) == []


# ---- tables
def test_the_ratio_table_has_a_column_for_each_depth_and_thread_count():
    cases = [case for depth in (1, 16) for case in sweep.cases("get", depth, [1, 2], [0, 2])]
    run = load.Run(rate=200.0, p50=1.0, p99=2.0, cpu=0.5)
    peer = load.Run(rate=100.0, p50=1.0, p99=2.0, cpu=1.0)
    figures = [figure for case in cases for figure in load.figures(case.name, [(run, peer)])]
    assert tables.ratio_rows(figures) == [
        ["test", "P=1", "P=1, 2:1", "P=1, 2:2", "P=16", "P=16, 2:1", "P=16, 2:2"],
        ["GET", *["0.50 / 2.00"] * 6],
    ]


def test_a_ratio_is_the_median_of_the_pairs_not_the_ratio_of_medians():
    pairs = [(load.Run(1, 1, 1, a), load.Run(1, 1, 1, b)) for a, b in ((1.0, 2.0), (3.0, 3.0), (8.0, 4.0))]
    found = {figure.what: figure for figure in load.figures("get P=1", pairs)}["cpu us/request"]
    assert (found.ours, found.peer, found.ratio) == (3.0, 3.0, 1.0)


def test_the_section_says_what_was_measured_and_fits_the_page():
    figures = [cpu("get P=1", 0.8), Figure("load", "get P=1", "requests/s", 2, 1, 2.0)]
    settings = {"peer": "redis-server", "peer_version": "7", "clients": 50, "keys": 100_000, "size": 16}
    text = readme.section(figures, settings)
    assert "redis-server 7" in text
    assert "| GET | 0.80 / 2.00 |" in text
    assert "open loop" not in text
    assert "2:2" not in text
    assert "2:2 is both with two" in readme.section([*figures, cpu("get P=1 io-threads=2 peer=2", 0.8)], settings)
    assert max(map(len, text.splitlines())) <= 120


def test_the_page_keeps_all_but_what_stands_between_the_markers(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(PAGE)
    readme.write(path, "new")
    readme.write(path, "newer")
    assert path.read_text() == PAGE.replace("old", "newer")


def test_a_page_without_markers_is_left_alone(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("# Title\n")
    with pytest.raises(ValueError, match="no place"):
        readme.write(path, "new")
    assert path.read_text() == "# Title\n"


def test_our_page_has_the_place():
    text = (results.ROOT / readme.PAGE).read_text()
    assert text.count(readme.BEGIN) == text.count(readme.END) == 1


# ---- the command line
def test_readme_mode_means_both_thread_counts_and_a_time_limit():
    given = compare.options(["--readme"])
    assert (given.io_threads, given.minutes, given.parts) == ([1, 2], 10.0, list(compare.README_PARTS))
    assert set(given.tests) == set(load.TESTS)
    assert compare.options(["--readme", "--minutes", "3", "--parts", "load"]).minutes == 3


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit):
        compare.options(["--parts", "lod"])
    assert "lod" in capsys.readouterr().err


# ---- sweeps
def new_sweep(**options):
    return sweep.Sweep(["get"], [1], [1], load.Options(**options), start=lambda *_: None, tell=print, minutes=1.0)


def test_the_time_is_shared_out_among_the_repetitions(monkeypatch):
    swept = new_sweep(reps=3)
    monkeypatch.setattr(sweep.time, "monotonic", lambda: 1000.0)
    ends = []
    monkeypatch.setattr(sweep.Sweep, "repetition", lambda self, number: ends.append((number, self.ends)))
    swept.run()
    assert ends == [(0, 1020.0), (1, 1040.0), (2, 1060.0)]


@pytest.mark.parametrize(("needed", "share"), [(30.0, 1.0), (60.0, 1.0), (120.0, 0.5), (6000.0, sweep.SHORTEST)])
def test_a_sweep_in_a_hurry_sends_fewer_requests(monkeypatch, needed, share):
    swept = new_sweep()
    monkeypatch.setattr(sweep.time, "monotonic", lambda: 1000.0)
    swept.ends = 1060.0
    assert swept.pace(needed) == pytest.approx(share)
    swept.minutes = 0.0
    assert swept.pace(needed) == 1.0


class Stub:
    """Stands for a server; `arguments` that it does not know keep it from starting."""

    def __init__(self, name, arguments=""):
        if name == "peer" and "unknown" in arguments:
            raise ServerFailed("peer did not start")
        self.name, self.arguments, self.stopped = name, arguments, False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopped = True


def test_two_threads_of_ours_meet_the_peer_as_it_is_and_like_for_like():
    with sweep.Contest(Stub, [1, 2], print) as contest:
        assert [(server.name, server.arguments) for server in contest.servers] == [
            ("ours", "--io-threads 1"), ("ours", "--io-threads 2"), ("peer", ""), ("peer", "--io-threads 2"),
        ]  # fmt: skip
        tried = sweep.cases("get", 1, [1, 2], contest.peers)
        assert [case.name for case in tried] == ["get P=1", "get P=1 io-threads=2", "get P=1 io-threads=2 peer=2"]
        assert [contest.sides(case) for case in tried] == [(0, 2), (1, 2), (1, 3)]
    assert all(server.stopped for server in contest.servers)


def test_a_peer_without_io_threads_is_compared_as_it_is():
    def start(name, arguments=""):
        return Stub(name, arguments.replace("--io-threads", "--unknown"))

    told = []
    with sweep.Contest(start, [2], told.append) as contest:
        assert [case.name for case in sweep.cases("get", 1, [2], contest.peers)] == ["get P=1 io-threads=2"]
    assert "--io-threads 2" in told[0]
    with sweep.Contest(Stub, [1, 2], print, like_for_like=False) as contest:
        assert contest.peers == [0]


def test_runs_alternate_and_stay_in_the_order_of_the_servers(monkeypatch):
    order = []
    monkeypatch.setattr(load, "fill", lambda *_: None)
    monkeypatch.setattr(load, "benchmark", lambda server, *_: order.append(server) or server)
    assert load.alternate(["a", "b"], "get", 1, load.Options()) == ["a", "b"]
    assert load.alternate(["a", "b"], "get", 1, load.Options(), turned=True) == ["a", "b"]
    assert order == ["a", "b", "b", "a"]


@pytest.mark.parametrize(
    ("test", "sizes"), [("get", {"DBSIZE": 300}), ("spop", {"SCARD myset": 500}), ("zpopmin", {"ZCARD myzset": 500}),
                        ("lpop", {"LLEN mylist": 500}), ("lrange_100", {"LLEN mylist": 600}), ("set", {"DBSIZE": 0})],
)  # fmt: skip
def test_what_is_read_or_popped_is_there(server, raw, test, sizes):
    under = Stub("ours")
    under.port = server.port
    under.send = lambda commands: [raw(*words_of(command)) for command in commands]
    load.fill(under, test, 500, load.Options(keys=300))
    assert {command: raw(*command.split()) for command in sizes} == sizes


def words_of(command):
    return command.split(b"\r\n")[2::2]


@pytest.mark.peer
@needs_redis
def test_a_small_run_is_kept_and_judged(tmp_path, capsys):
    path = tmp_path / "results.jsonl"
    arguments = ["--parts", "load", "--tests", "get,lpop", "--pipeline", "16", "--io-threads", "1,2", "--reps", "1",
                 "--scale", "0.01", "--json", str(path), "--tolerance", "1000", "--markdown"]  # fmt: skip
    assert compare.main(arguments) == 0
    run = json.loads(path.read_text())
    names = {figure["name"] for figure in run["figures"]}
    sides = ("", " io-threads=2", " io-threads=2 peer=2")
    assert names == {f"{test} P=16{side}" for test in ("get", "lpop") for side in sides}
    assert all(figure["ours"] > 0 and figure["peer"] > 0 for figure in run["figures"])
    assert "| GET |" in capsys.readouterr().out
