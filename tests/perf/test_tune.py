"""Tuning: what held a point back, the number that is recommended and why, the page, and a whole small sweep."""

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from perf import server_watch, tune, tune_advice, tune_page, tune_pictures, tune_point
from perf.results import ROOT
from perf.tune_point import LIMITS, Point, limit

CALM = Point(threads=1, pipeline=16, clients=50, rate=1e6, p50=0.5, p99=1.0, p999=2.0, main_cpu=0.5, generator_cpu=0.3)


def sweep(rates, **fields):
    """A point for each number of threads."""
    return [replace(CALM, threads=threads, rate=rate, **fields) for threads, rate in rates.items()]


# ---- the limit of a point
@pytest.mark.parametrize(
    ("fields", "who"),
    [
        ({}, "round trips"),
        ({"main_cpu": 0.95}, "main thread"),
        ({"threads": 3, "main_cpu": 0.5, "lane_cpu": 1.9}, "I/O threads"),
        ({"threads": 3, "main_cpu": 0.5, "lane_cpu": 1.0}, "round trips"),
        ({"generator_cpu": 0.97}, "load generator"),
        ({"generator_cpu": 0.97, "generator_threads": 2}, "round trips"),
        ({"used": 0.99}, "processors"),
        ({"used": 0.99, "others": 0.4}, "other programs"),
        ({"main_cpu": 0.0, "busy": (0.9,)}, "main thread"),
        ({"main_cpu": 0.0, "threads": 2, "busy": (0.4, 0.95)}, "I/O threads"),
    ],
)
def test_the_fullest_thread_is_the_limit(fields, who):
    assert limit(replace(CALM, **fields)) == who
    assert who in LIMITS


# ---- the number
@pytest.mark.parametrize(
    ("rates", "best"),
    [
        ({1: 1.0e6, 2: 1.5e6, 3: 1.52e6}, 2),
        ({1: 1.0e6, 2: 1.04e6}, 1),
        ({1: 1.0e6, 2: 0.7e6}, 1),
        ({1: 1.0e6, 2: 1.2e6, 4: 2.0e6}, 4),
    ],
)
def test_the_fewest_threads_that_come_close_to_the_best(rates, best):
    assert tune_advice.advise(sweep(rates), 4, local=False).threads == best


def test_rates_are_compared_within_a_workload_only():
    points = sweep({1: 100.0, 2: 200.0}, pipeline=1) + sweep({1: 2e6, 2: 1e6}, pipeline=50)
    assert [round(one.rate, 3) for one in tune_advice.compare(points)] == [1.0, 1.0]
    reasons = " ".join(tune_advice.advise(points, 4, local=True).reasons)
    assert "2 at depth 1, 1 at depth 50" in reasons


def test_without_the_generator_in_the_way_the_fullest_thread_counts():
    one = replace(CALM, main_cpu=1.0)
    two = replace(CALM, threads=2, main_cpu=0.25, lane_cpu=0.5)
    three = replace(CALM, threads=3, main_cpu=0.25, lane_cpu=0.5)
    assert [round(tune_advice.ceiling(point) / 1e6, 3) for point in (one, two, three)] == [1.0, 2.0, 4.0]
    assert tune_advice.advise([one, two, three], 4, local=True).alone == 3
    assert tune_advice.advise([one, two, three], 2, local=True).alone == 2  # no more threads than processors


def test_what_is_unknown_is_not_guessed():
    remote = [replace(point, main_cpu=0.0) for point in sweep({1: 1e6, 2: 2e6})]
    advice = tune_advice.advise(remote, 2, local=False)
    assert (advice.threads, advice.alone) == (2, None)
    assert "processor time" not in advice.reasons[0]


def test_on_a_crowded_machine_processor_times_decide():
    crowded = replace(CALM, others=0.6, used=1.0)
    one = replace(crowded, rate=1e5, main_cpu=0.5)
    two = replace(crowded, rate=9e5, threads=2, main_cpu=0.3, lane_cpu=0.4)  # the scheduler gave it more
    assert tune_advice.quiet_rate(one, 2) == pytest.approx(2e6)
    assert tune_advice.quiet_rate(two, 2) == pytest.approx(2e6)
    advice = tune_advice.advise([one, two], 2, local=True)
    assert advice.threads == 1
    assert "reckoned" in advice.reasons[0]
    assert tune_advice.advise([replace(one, others=0.0), replace(two, others=0.0)], 2, local=True).threads == 2


@pytest.mark.parametrize("who", LIMITS)
def test_the_limit_is_told_as_a_sentence(who):
    fields = {"main thread": {"main_cpu": 0.95}, "load generator": {"generator_cpu": 0.97}, "round trips": {},
              "I/O threads": {"main_cpu": 0.1, "lane_cpu": 0.95, "threads": 2}, "processors": {"used": 0.99},
              "other programs": {"used": 0.99, "others": 0.4}}[who]  # fmt: skip
    point = replace(CALM, **fields)
    [told] = tune_advice.limit_reasons([point], point.threads)
    assert told == f"With io-threads {point.threads}, in 1 of 1 workloads {LIMITS[who]}."


def test_a_busy_machine_and_a_busy_generator_are_told():
    crowded = sweep({1: 1e6, 2: 1e6}, used=1.0, others=0.5)
    assert any("Other programs" in line for line in tune_advice.advise(crowded, 2, local=True).warnings)
    outrun = sweep({1: 1e6, 2: 1e6}, generator_cpu=0.99)
    assert any("load generator was the limit" in line for line in tune_advice.advise(outrun, 2, local=True).warnings)
    assert tune_advice.advise(sweep({1: 1e6}), 2, local=True).warnings == []


# ---- the page
@pytest.fixture
def swept():
    depths = [sweep({1: 1e6, 2: 8e5}, pipeline=depth, clients=clients, busy=(0.5, 0.2))
              for depth in (1, 16) for clients in (10, 50)]  # fmt: skip
    return [point for points in depths for point in points]


def page_of(points):
    return tune_page.page("a <title>", points, tune.rows(points), tune_advice.advise(points, 2, local=True), 2)


def test_the_page_has_pictures_and_loads_nothing(swept):
    pytest.importorskip("matplotlib")
    text = page_of(swept)
    assert text.count("<svg") == 8  # four pictures, one drawing for each pipeline depth
    assert "a &lt;title&gt;" in text
    assert not re.search(r'(src|href)="(https?:)?//', text)
    assert "<script" not in text


def test_every_colour_of_the_pictures_is_the_pages(swept):
    """So that what is drawn can be seen on a dark ground, too."""
    pytest.importorskip("matplotlib")
    text = page_of(swept)
    style, body = text.split("</style>", 1)
    drawn = re.sub(r"<defs>.*?</defs>", "", body, flags=re.DOTALL)
    assert set(re.findall(r"(?:fill|stroke|background): (#\w+)", drawn)) == set()
    used = set(re.findall(r"var\((--[\w-]+)\)", text))
    light, dark = style.split("prefers-color-scheme: dark")
    assert used <= set(re.findall(r"(--[\w-]+):", light)) and used <= set(re.findall(r"(--[\w-]+):", dark))


def test_the_figures_have_units(swept):
    head = tune.rows(swept)[0]
    assert {"requests/s", "p99 ms", "main µs", "I/O µs", "load µs"} <= set(head)


def test_on_a_crowded_machine_the_page_shows_reckoned_rates(swept):
    pytest.importorskip("matplotlib")
    crowded = [replace(point, others=0.5) for point in swept]
    assert "quiet machine would allow" in page_of(crowded)
    assert "quiet machine would allow" not in page_of(swept)


def test_without_matplotlib_the_page_has_the_table(swept, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text = page_of(swept)
    assert "<svg" not in text
    assert "matplotlib is missing" in text
    assert text.count("<tr") == len(swept) + 1


def test_default_threads():
    assert tune.default_threads(2) == [1, 2, 3]
    assert tune.default_threads(16) == [1, 2, 4, 8, 16]
    assert tune.default_threads(12) == [1, 2, 4, 8, 12]


# ---- a sweep
def arguments(page):
    quick = "--threads 1,2 --pipeline 4 --clients 4 --seconds 0.05 --keys 100 --page"
    return [*quick.split(), page]


def test_a_sweep_measures_answers_and_draws(tmp_path, capsys):
    page = tmp_path / "tune.html"
    assert tune.main(arguments(str(page))) == 0
    out = capsys.readouterr().out
    assert "Take io-threads" in out
    assert len(re.findall(r"^4 +4 +[12] ", out, re.MULTILINE)) == 2
    assert "How many io-threads?" in page.read_text()


def test_a_running_server_gets_its_threads_back(server, configure, client, capsys):
    configure("io-threads", "3")
    configure("io-threads-always-active", "no")
    assert tune.main([*arguments(""), "--host", "127.0.0.1", "--port", str(server.port)]) == 0
    assert client.config_get("io-threads") == {"io-threads": "3"}
    assert client.config_get("io-threads-always-active") == {"io-threads-always-active": "no"}
    assert "processor" in capsys.readouterr().out


def test_a_server_that_is_not_there(capsys):
    assert tune.main([*arguments(""), "--host", "127.0.0.1", "--port", "1"]) == 2
    assert "tune:" in capsys.readouterr().err


def test_a_look_sees_the_threads_of_the_server(server):
    connection = server_watch.Connection("127.0.0.1", server.port)
    watched = server_watch.Watched(connection, local=True)
    assert watched.pid == server.pid
    before = watched.look()
    for _ in range(2000):
        connection.ask("PING")
    after = watched.look()
    main, _ = watched.main_and_others(before, after)
    assert 0 < main <= after.wall_us - before.wall_us
    assert all(0 <= share <= 1 for share in server_watch.busy_shares(before, after))
    with pytest.raises(server_watch.ServerFailed):
        connection.ask("NOSUCHCOMMAND")
    connection.close()


def test_it_is_a_program():
    shown = subprocess.run([sys.executable, "-m", "perf.tune", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert "--host" in shown.stdout


@pytest.mark.parametrize(
    ("values", "limits"),
    [([0.6, 1.3], (0.5, 2.0)), ([0.2, 0.9], (0.1, 1.0)), ([3.0], (2.0, 5.0)), ([0.0], (5e-7, 2e-6))],
)
def test_the_steps_around_latencies(values, limits):
    assert tune_pictures.around(values) == pytest.approx(limits)


def test_a_port_alone_means_this_machine():
    given = tune.options(["--port", "7000"])
    assert (given.host, given.port) == ("127.0.0.1", 7000)
    assert tune.options([]).host == ""


def test_a_page_that_cannot_be_written_is_told_before_the_load(capsys):
    with pytest.raises(SystemExit) as stopped:
        tune.main(["--page", "/nonexistent/x"])
    assert stopped.value.code == 2
    assert "cannot be written" in capsys.readouterr().err


def test_nobody_listens(capsys):
    assert tune.main(["--port", "1", "--page", ""]) == 2
    assert "127.0.0.1:1: Connection refused" in capsys.readouterr().err


def test_ctrl_c_puts_the_settings_back_and_shows_what_there_is(server, raw, monkeypatch, capsys):
    def sweep(given, watched):
        watched.connection.ask("CONFIG", "SET", "io-threads", 3)
        yield tune_point.Point(3, 1, 10, rate=1234567.0, p50=1.0, p99=1.0, p999=1.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(tune, "sweep", sweep)
    settings = raw("CONFIG", "GET", "io-threads*")
    assert tune.main(["--port", str(server.port), "--page", ""]) == 130
    out, errors = capsys.readouterr()
    assert "1,234,567" in out
    assert "interrupted" in errors
    assert raw("CONFIG", "GET", "io-threads*") == settings
