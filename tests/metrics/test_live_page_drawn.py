"""The live page in headless Chromium (skipped without): it draws, fits a phone, and says when what it shows is old.

Nothing here measures a time: each test waits until the page says what it should. REMUS_PICTURE=FILE keeps a picture.
"""

import os
import re
import signal
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support import browser
from tests.support.resp import Connection, ConnectionClosed
from tests.support.server import Server, free_port, wait_until

pytestmark = pytest.mark.slow

PATIENCE = 120.0  # seconds: headless Chromium on a busy machine is slow, which is no failure
LOAD = [("SET", "k", "v"), ("GET", "k"), ("GET", "none"), ("INCR", "n"), ("HSET", "h", "f", "v")]
P99 = re.compile(r"p99 [\d.]+ (ns|µs|ms|s|B|KiB)")
CELLS = "[...document.querySelectorAll('td')].map((cell) => cell.textContent)"
SECTIONS = "[...document.querySelectorAll('section')]"
CARD = SECTIONS + ".find((s) => s.querySelector('h2')?.textContent === '%s')?.textContent ?? ''"
STATE = "document.body?.dataset.state + ': ' + document.getElementById('state')?.textContent"
READINGS = "Number(document.body?.dataset.readings ?? 0)"
WHO = "document.getElementById('who').textContent"
NOTICES = "document.getElementById('notices').textContent"
WIDTH = "document.documentElement.scrollWidth"
CHARTS = 12


class Seen:
    """A server under load, and a browser that has its page open."""

    def __init__(self, server: Server, port: int, page: browser.Browser) -> None:
        self.server, self.port, self.page = server, port, page

    def wait(self, expression: str, wanted: str) -> None:
        """Until the expression's value contains it."""
        wait_until(lambda: wanted in str(self.page.ask(expression)), f"{wanted!r}", PATIENCE)

    def live(self, readings: int = 3) -> None:
        """Until so many more readings were taken, and all is well."""
        before = self.page.ask(READINGS)
        wait_until(lambda: self.page.ask(READINGS) >= before + readings, "readings", PATIENCE)
        self.wait(STATE, "live: live")


def load(port: int, done: threading.Event) -> None:
    with Connection(port, timeout=PATIENCE) as c:
        while not done.wait(0.002):
            try:
                c.pipeline(LOAD)
            except (OSError, ConnectionClosed):
                return


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    if browser.program() is None:
        pytest.skip("chromium is not installed")
    folder, port, done = tmp_path_factory.mktemp("live"), free_port(), threading.Event()
    named: dict[str, Any] = {"slowlog_log_slower_than": 0, "hot_keys_sample": 1, "hz": 100, "io_threads": 2}
    with Server(folder / "server", metrics_port=port, **named) as server:
        thread = threading.Thread(target=load, args=(server.port, done))
        thread.start()
        try:
            with browser.Browser(folder) as page:
                page.open(f"http://127.0.0.1:{port}/#250")
                found = Seen(server, port, page)
                wait_until(lambda: page.ask(READINGS) >= 6, "readings", PATIENCE)
                yield found
        finally:
            done.set()
            thread.join()


def shows_p99(page: browser.Browser, chart: str) -> bool:
    return P99.search(page.ask(CARD % chart)) is not None


def test_charts_have_lines_and_tables_have_rows(seen: Seen) -> None:
    seen.wait(STATE, "live: live")
    for cell in ("get", "incr", "none", "hash"):
        seen.wait(CELLS, f"'{cell}'")
    for chart in ("Latency in the main thread", "Wait for the main thread", "Size of requests"):
        wait_until(partial(shows_p99, seen.page, chart), chart, PATIENCE)
    assert f"master, port {seen.server.port}" in seen.page.ask(WHO)
    lines = seen.page.ask("[...document.querySelectorAll('svg path')].map((line) => line.getAttribute('d'))")
    assert len(lines) >= 25 and lines[0].count("L") >= 2
    assert "NaN" not in seen.page.ask("document.body.outerHTML")
    if picture := os.environ.get("REMUS_PICTURE"):
        seen.page.picture(Path(picture))


@pytest.mark.parametrize("width", [320, 390, 800, 1400])
def test_it_fits(seen: Seen, width: int) -> None:
    """No wider than its window; and charts are drawn anew in their own pixels, so that no text is stretched."""
    seen.page.resize(width)
    wait_until(lambda: seen.page.ask(WIDTH) <= width, "no scrolling sideways", PATIENCE)
    left = "s.clientWidth - s.querySelector('.grid').getAttribute('x2')"
    each = f"[...document.querySelectorAll('svg')].map((s) => {left})"
    wait_until(lambda: all(0 <= pixels < 12 for pixels in seen.page.ask(each)), "charts of that width", PATIENCE)
    assert seen.page.ask("document.querySelectorAll('svg[viewBox]').length") == 0


def test_a_time_axis_and_a_value_under_the_pointer(seen: Seen) -> None:
    seen.page.resize(1400)
    seen.live()
    texts = seen.page.ask("[...document.querySelector('svg').querySelectorAll('text')].map((text) => text.textContent)")
    assert any(re.fullmatch(r"\d\d:\d\d:\d\d", text) for text in texts), texts
    where = "document.querySelector('svg').getBoundingClientRect()"
    corner = seen.page.ask(f"(({{right, top}}) => [right - 9, top + 50])({where})")
    seen.page.point(*corner)
    wait_until(lambda: seen.page.ask("document.querySelectorAll('svg .cursor').length") == CHARTS, "a cursor", PATIENCE)
    times = seen.page.ask("[...document.querySelectorAll('.at')].map((at) => at.textContent)")
    assert len(set(times)) == 1 and re.fullmatch(r"\d\d:\d\d:\d\d", times[0])
    seen.page.point(2, 2)
    wait_until(lambda: not seen.page.ask("document.querySelectorAll('svg .cursor').length"), "none", PATIENCE)


def test_it_pauses_and_goes_on(seen: Seen) -> None:
    seen.page.ask("document.getElementById('pause').click()")
    seen.wait(STATE, "paused: paused")
    seen.page.ask("document.getElementById('pause').click()")
    seen.live()


def test_a_process_that_stands_still_makes_the_picture_old(seen: Seen) -> None:
    seen.live()
    seen.server.signal(signal.SIGSTOP)
    hurry = "window.real = AbortSignal.timeout; AbortSignal.timeout = (ms) => window.real.call(AbortSignal, ms / 20); 1"
    seen.page.ask(hurry)
    try:
        seen.wait(STATE, "stale: no answer since ")
        assert re.search(r"since \d\d:\d\d:\d\d \(\d+ s\)", seen.page.ask(STATE))
        seen.wait(STATE, "nothing came for 13 s")  # the fetch gave up
    finally:
        seen.page.ask("AbortSignal.timeout = window.real; 1")
        seen.server.signal(signal.SIGCONT)
    seen.live()


def test_a_busy_script_is_told(seen: Seen) -> None:
    """The reply is made up: what /metrics says of scripts is tested in test_names."""
    seen.page.ask("""(() => { const real = window.fetch; window.real = real; window.fetch = async (path, how) => {
        const reply = await real(path, how);
        if (path !== "metrics") return reply;
        const more = '\\nremus_script_running_seconds{name="f_1"} 19.2\\n';
        const told = (await reply.text()).replace(/^remus_script_running_seconds.*$/m, "");
        return new Response(told + more);
    }; return 1; })()""")
    seen.wait(NOTICES, "Busy: script f_1 has been running for 19 s.")
    seen.page.ask("(() => { window.fetch = window.real; return 1; })()")
    wait_until(lambda: "Busy" not in seen.page.ask(NOTICES), "its end", PATIENCE)


def test_what_is_not_shown_says_why(seen: Seen) -> None:
    with seen.server.connect() as c:
        c.ok("CONFIG", "SET", "metrics-page-keys", "no")
        seen.wait(CARD % "Hot keys", "not shown: metrics-page-keys is no")
        seen.wait(STATE, "live: live")
        c.ok("CONFIG", "SET", "metrics-page-keys", "yes")
    wait_until(lambda: "not shown" not in seen.page.ask(CARD % "Hot keys"), "keys", PATIENCE)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("r.percent(0.42)", "0.42 %"),
        ("r.percent(0.001)", "< 0.01 %"),
        ("r.percent(0)", "0 %"),
        ("r.percent(99.6)", "100 %"),
        ("r.micros(0.0961)", "96.1 ns"),
        ("r.count(17940)", "17.9k"),
        ("r.bytes(1.5 * 1024, true)", "1.5 KiB"),
        ("r.bytes(NaN)", "–"),
        ("r.duration(3661)", "1 h 1 min"),
        (r"""r.parse('a{b="x\\"y",c="\\\\n"} 2\n# no\na +Inf').get("a").map((s) => [s.labels, s.value === Infinity])""",
         [[{"b": 'x"y', "c": "\\n"}, False], [{}, True]]),
        ("r.rate('n')({at: 1, m: r.parse('n 9')}, {at: 3, m: r.parse('n 4')})", 0),
        (r"""r.percentile(.5, 'h')({at: 0, m: r.parse('')},
                  {at: 1, m: r.parse('h{le="1"} 0\nh{le="2"} 4\nh{le="+Inf"} 4')})""", 1.5),
    ],
)  # fmt: skip
def test_figures(seen: Seen, expression: str, expected: Any) -> None:
    assert seen.page.ask(f"import('/readings.js').then((r) => {expression})") == expected


def test_who_follows_whom(seen: Seen, tmp_path: Path) -> None:
    """On the page of the master and on that of the replica; and what to do about a master that is gone."""
    seen.wait(CARD % "Replication", "nobody follows")
    port = free_port()
    with seen.server.connect() as c, Server(tmp_path, metrics_port=port) as replica, replica.connect() as r:
        c.ok("CONFIG", "SET", "repl-diskless-sync-delay", "0")
        r.ok("REPLICAOF", "127.0.0.1", str(seen.server.port))
        for text in (f"127.0.0.1:{replica.port}", "online", " B, "):
            seen.wait(CARD % "Replication", text)
        seen.page.open(f"http://127.0.0.1:{port}/#250")
        for text in (f"127.0.0.1:{seen.server.port}", "our master", "up", "offset "):
            seen.wait(CARD % "Replication", text)
        r.ok("REPLICAOF", "127.0.0.1", "1")
        seen.wait(NOTICES, "The link to the master 127.0.0.1:1 is down.")
        r.ok("REPLICAOF", "NO", "ONE")
        wait_until(lambda: "down" not in seen.page.ask(NOTICES), "no link to miss", PATIENCE)
    seen.page.open(f"http://127.0.0.1:{seen.port}/#250")
    seen.wait(STATE, "live: live")


def test_a_server_that_was_started_anew_begins_anew(seen: Seen) -> None:
    """The last one: the port is gone, and then another server has it."""
    seen.server.kill()
    seen.wait(STATE, "the port cannot be reached")
    seen.server.restart()
    seen.wait(STATE, "live: live")
    wait_until(lambda: "up" in seen.page.ask(WHO), "who", PATIENCE)
