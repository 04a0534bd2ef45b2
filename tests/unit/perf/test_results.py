"""What is kept of a run, and what counts as a regression."""

import json

from perf import results
from perf.results import Figure, Tolerance

SETTINGS = {"scale": 1.0, "peer": "redis-server"}


def figure(what="cpu us/request", ours=1.0, peer=2.0, ratio=0.5, part="load", name="get P=16"):
    return Figure(part, name, what, ours, peer, ratio)


def run(*figures, machine="m", settings=None, commit="c"):
    return {
        "machine": machine,
        "settings": settings or SETTINGS,
        "commit": commit,
        "figures": [vars(f) for f in figures],
    }


def judged(now, before, **tolerance):
    last = results.last_figures([run(before)], "m", SETTINGS)
    return results.regressions([now], last, Tolerance(**tolerance))


def test_the_last_of_the_same_machine_and_settings_counts():
    runs = [
        run(figure(ratio=0.1), commit="1"),
        run(figure(ratio=0.2), commit="2"),
        run(figure(part="memory"), commit="3"),
        run(figure(ratio=0.3), machine="another"),
        run(figure(ratio=0.4), settings={**SETTINGS, "scale": 0.5}),
    ]
    last = results.last_figures(runs, "m", SETTINGS)
    assert last[figure().key] == (figure(ratio=0.2), "2")
    assert last[figure(part="memory").key][1] == "3"


def test_processor_time_is_judged_by_its_ratio_to_the_peer():
    assert judged(figure(ours=9, peer=18, ratio=0.55), figure(ratio=0.5), ratio=0.15) == []
    (line,) = judged(figure(ratio=0.6), figure(ratio=0.5), ratio=0.15)
    assert "get P=16" in line and "+20 %" in line and "at c" in line


def test_memory_is_judged_by_its_bytes():
    before = figure("bytes/item", ours=100.0, ratio=0.9, part="memory")
    assert judged(figure("bytes/item", ours=102.0, ratio=9.0, part="memory"), before, memory=0.03) == []
    assert judged(figure("bytes/item", ours=104.0, ratio=0.1, part="memory"), before, memory=0.03)


def test_rates_and_latencies_are_not_judged():
    for what in ("requests/s", "p99 ms", "cpu ms/s"):
        assert judged(figure(what, ours=1e9, ratio=1e9), figure(what)) == []


def test_a_figure_without_a_past_is_no_regression():
    assert results.regressions([figure(ratio=99.0)], {}, Tolerance()) == []


def test_a_run_survives_the_file(tmp_path):
    path = tmp_path / "folder" / "results.jsonl"
    assert results.read(path) == []
    kept = results.record([figure(ours=1.23456789)], SETTINGS)
    results.append(path, kept)
    results.append(path, kept)
    first, second = results.read(path)
    assert first == second == json.loads(json.dumps(kept))
    assert first["figures"][0]["ours"] == 1.235
    (found,) = results.last_figures([first], results.machine(), SETTINGS).values()
    assert found == (figure(ours=1.235), first["commit"])


def test_outside_a_clone_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert results.commit(tmp_path) == "unknown"
