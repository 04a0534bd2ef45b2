// The page: asks /metrics again and again, keeps a few hundred points, and draws. It says when what it shows is old.

import {Chart, element} from "./charts.js";
import {all, busy, bytes, clock, count, duration, grown, hit_ratio, last, matching, micros, one, parse, percent,
  percentile, percentiles, queue, rate, threads} from "./readings.js";

const KEPT = 150;                                  // points
const PERIODS = [2000, 10000, 60000];              // milliseconds, offered; #250 in the address is taken, too
const PERIOD = Math.max(200, Number(location.hash.slice(1)) || PERIODS[0]);
const PATIENCE = 13000;                            // milliseconds for a reply; the server itself gives up after 10 s
const SILENCE = Math.max(2.5 * PERIOD, 4000);      // milliseconds without an answer, after which the picture is old
const COMMANDS = 10;                               // shown

const thread = (number) => (number === "0" ? "main" : `I/O ${number}`);
const CHARTS = [
  {title: "Commands per second", show: count, lines: () => [["commands", rate("redis_commands_processed_total")]]},
  {title: "Latency in the main thread", show: micros, log: true,
   lines: () => percentiles("redis_commands_latencies_usec_bucket")},
  {title: "Wait for the main thread", show: micros, log: true,
   lines: () => percentiles("remus_main_thread_wait_seconds_bucket", 1e6)},
  {title: "Busy share of threads", show: percent, top: 100,
   lines: (reading) => threads(reading).map((number) => [thread(number), busy(number)])},
  {title: "Messages waiting for the main thread", show: count,
   lines: (reading) => threads(reading).map((n) => [n === "0" ? "main (ready sockets)" : thread(n), queue(n)])},
  {title: "Memory", show: bytes, base: 2,
   lines: () => [["used", last("redis_memory_used_bytes")], ["data", last("redis_memory_used_dataset_bytes")],
                 ["RSS", last("redis_memory_used_rss_bytes")]]},
  {title: "Clients", show: count, whole: true,
   lines: () => [["connected", last("redis_connected_clients")], ["blocked", last("redis_blocked_clients")]]},
  {title: "Network", show: (value, round) => `${bytes(value, round)}/s`, base: 2,
   lines: () => [["in", rate("redis_net_input_bytes_total")], ["out", rate("redis_net_output_bytes_total")]]},
  {title: "Hits and misses per second", show: count,
   lines: () => [["hits", rate("redis_keyspace_hits_total")], ["misses", rate("redis_keyspace_misses_total")]]},
  {title: "Expired and evicted keys per second", show: count,
   lines: () => [["expired", rate("redis_expired_keys_total")], ["evicted", rate("redis_evicted_keys_total")]]},
  {title: "Size of requests", show: bytes, base: 2, log: true,
   lines: () => percentiles("remus_request_size_bytes_bucket")},
  {title: "Size of replies", show: bytes, base: 2, log: true,
   lines: () => percentiles("remus_reply_size_bytes_bucket")},
];
const byId = (id) => document.getElementById(id);

// ---- what is known
let before = null, newest = null;                  // the last two readings
let points = [];                                   // [{at, values: a Map for each chart}]
let held = null;                                   // while paused: the points that are shown
let cursor = null;                                 // unix seconds at which a pointer stands
let answered = 0, trouble = "";                    // unix milliseconds of the last answer; why there was none since

function take(reading) {
  const identity = (of) => all(of, "redis_instance_info")[0]?.labels.run_id;
  if (newest && identity(newest) !== identity(reading)) { points = []; newest = null; }     // it was started anew
  before = newest;
  newest = reading;
  if (!before) return;
  const values = CHARTS.map((chart) => new Map(chart.lines(reading).map(([name, f]) => [name, f(before, reading)])));
  points.push({at: reading.at, values});
  if (points.length > KEPT) points.shift();
}

// ---- what is shown
const charts = CHARTS.map((definition) => new Chart(definition, point));
const cards = ["commands", "hot", "big", "slow", "topology"].map(() => element("section"));
const [commandCard, hotCard, bigCard, slowCard, topologyCard] = cards;
const slotCard = element("section");    // of a node of a cluster alone
byId("cards").append(...charts.map((chart) => chart.card), ...cards);

function draw() {
  const shown = held || points;
  if (!shown.length) return;
  const to = shown.at(-1).at, seconds = PERIOD / 1000, known = to - shown[0].at;
  const wide = [30, 75, KEPT].find((n) => known <= n * seconds) || KEPT;
  const view = {from: to - wide * seconds, to, gap: Math.max(3 * seconds, 2)};
  charts.forEach((chart, n) => chart.draw(shown.map(({at, values}) => ({at, values: values[n]})), view));
  point(cursor);
}
function point(at) {
  cursor = at;
  for (const chart of charts) chart.point(at);
}

function table(card, title, heads, rows, empty) {
  const row = (cell, words) => element("tr", {}, ...words.map((word) => element(cell, {}, word)));
  const body = rows.length ? element("table", {}, row("th", heads), ...rows.map((words) => row("td", words)))
    : element("div", {class: "empty"}, empty);
  card.replaceChildren(element("div", {class: "head"}, element("h2", {}, title)), body);
}
function commands() {
  const seconds = newest.at - before.at, time = grown(before, newest, "redis_commands_duration_seconds_total", "cmd");
  const rows = [...grown(before, newest, "redis_commands_total", "cmd")].filter(([, calls]) => calls > 0)
    .sort(([x], [y]) => time.get(y) - time.get(x)).slice(0, COMMANDS)
    .map(([name, calls]) => [name, count(calls / seconds), micros(time.get(name) / calls * 1e6),
      percent(100 * time.get(name) / seconds)]);
  table(commandCard, "Commands by time in the main thread", ["command", "per second", "mean", "share of time"], rows,
    "none");
}
function slow(found) {
  const rows = Array.isArray(found)
    ? found.map((entry) => [entry.command, micros(entry.microseconds), clock(entry.unix_seconds)]) : [];
  table(slowCard, "Slow log, newest first", ["command", "took", "at"], rows, found.refused || "empty");
}
function notable(found) {
  const none = found.refused ? `not shown: ${found.refused}` : "none";
  const hot = (found.hot || []).map((key) => [key.key, String(key.db), count(key.per_second)]);
  const big = (found.big || []).map((k) => [k.key, String(k.db), k.type, count(k.elements), bytes(k.bytes)]);
  table(hotCard, "Hot keys", ["key", "db", "accesses per second"], hot, none);
  table(bigCard, "Biggest keys of each type", ["key", "db", "type", "elements", "memory"], big, none);
  slots(found.slots || []);
}
/** Of each: commands' microseconds, bytes in and bytes out, since they are counted; without cluster-slot-stats-enabled none. */
function slots(found) {
  if (!found.length) return slotCard.remove();
  const counted = found.some(({use}) => use);
  const rows = found.map(({slot, keys, use}) => [String(slot), count(keys),
    ...(use ? [micros(use[0]), bytes(use[1]), bytes(use[2])] : [])]);
  table(slotCard, "Slots that are used most, or have most keys",
    ["slot", "keys", ...(counted ? ["time", "in", "out"] : [])], rows, "");
  if (!slotCard.isConnected) byId("cards").append(slotCard);
}

/** Who is above this server, who below, and who watches it. */
function topology() {
  const rows = all(newest, "redis_master_link_up").map(({labels, value}) => [
    `${labels.master_host}:${labels.master_port}`, "our master", value === 1 ? "up" : "down",
    `offset ${count(one(newest, "redis_slave_repl_offset"))}`]);
  for (const {labels} of all(newest, "redis_connected_slave_offset_bytes")) {
    const [behind] = matching(newest, "remus_replica_lag_bytes", labels);
    const [late] = matching(newest, "remus_replica_lag_seconds", labels);
    rows.push([`${labels.slave_ip}:${labels.slave_port}`, "replica", labels.slave_state,
      behind ? `${bytes(behind.value)}, ${duration(late.value)}` : "–"]);
  }
  for (const {labels} of all(newest, "remus_watched_by_sentinel")) {
    rows.push([labels.sentinel_ip, "sentinel", `watches, id ${labels.sentinel_id}…`, "–"]);
  }
  table(topologyCard, "Replication", ["who", "is", "state", "behind"], rows, "nobody follows, and nobody is followed");
}

function who() {
  const [{labels}] = all(newest, "redis_instance_info"), [build] = all(newest, "remus_build_info");
  document.title = `Remus :${labels.tcp_port}`;
  byId("who").textContent = `${build.labels.version} (Redis ${labels.redis_version}), ${labels.role}, ` +
    `port ${labels.tcp_port}, up ${duration(one(newest, "redis_uptime_in_seconds"))}`;
}
function tiles() {
  const keys = all(newest, "redis_db_keys").reduce((sum, sample) => sum + sample.value, 0);
  const most = one(newest, "redis_memory_max_bytes");
  const of_two = (figure, show) => (before ? show(figure(before, newest)) : "–");
  const told = [
    ["commands/s", of_two(rate("redis_commands_processed_total"), count)],
    ["p99", of_two(percentile(.99, "redis_commands_latencies_usec_bucket"), micros)],
    ["main thread", of_two(busy("0"), percent)],
    ["clients", count(one(newest, "redis_connected_clients"))],
    ["keys", count(keys)],
    ["memory", bytes(one(newest, "redis_memory_used_bytes")), most > 0 ? ` of ${bytes(most)}` : ""],
    ["hits", of_two(hit_ratio, percent)],
  ];
  byId("tiles").replaceChildren(...told.map(([name, value, more = ""]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value, element("small", {}, more)))));
}

/** What wants attention: [[kind, sentence]]. */
function notices() {
  const found = [], [script] = all(newest, "remus_script_running_seconds");
  const is = (name, value) => one(newest, name) === value;
  if (script?.value > 0) {
    found.push(["bad", `Busy: script ${script.labels.name || ""} has been running for ${duration(script.value)}. All ` +
      "other clients hear BUSY. SCRIPT KILL or FUNCTION KILL ends it, unless it has written."]);
  }
  if (is("redis_loading_dump_file", 1)) found.push(["warn", "The server is loading its data."]);
  for (const {labels, value} of all(newest, "redis_master_link_up")) {
    const name = `${labels.master_host}:${labels.master_port}`;
    if (value !== 1) found.push(["bad", `The link to the master ${name} is down.`]);
  }
  if (is("remus_master_empty_refused", 1)) {
    found.push(["bad", "The master has no data, and this replica keeps its own: REPLICAOF NO ONE makes it the master, " +
      "CONFIG SET replica-refuse-empty-master no makes it empty, too."]);
  }
  if (is("redis_rdb_last_bgsave_status", 0)) found.push(["bad", "The last snapshot failed: the log says why."]);
  if (is("redis_aof_last_write_status", 0)) found.push(["bad", "The append-only file could not be written."]);
  if (is("redis_aof_last_bgrewrite_status", 0)) found.push(["bad", "The last rewrite of the append-only file failed."]);
  const used = one(newest, "redis_memory_used_bytes") / one(newest, "redis_memory_max_bytes");
  if (used > .9 && isFinite(used)) found.push(["warn", `${percent(100 * used)} of maxmemory is used.`]);
  const refused = before ? rate("redis_rejected_connections_total")(before, newest) : 0;
  if (refused > 0) found.push(["bad", `${count(refused)} connections a second are refused: maxclients are there.`]);
  const faults = one(newest, "remus_internal_errors_total");
  if (faults > 0) found.push(["warn", `Internal errors since the start: ${faults}. The log has them: please report.`]);
  return found;
}
function notice() {
  byId("notices").replaceChildren(...notices().map(([kind, text]) => element("li", {class: kind}, text)));
}

/** Whether what is seen is true now. Called twice a second, whatever the server does. */
function state() {
  const silent = Date.now() - answered;
  let found = held ? ["paused", "paused"] : ["live", "live"];
  if (!answered) {
    found = trouble ? ["stale", `no answer yet: ${trouble}`] : ["waiting", "asking ..."];
  } else if (silent > SILENCE) {
    const since = `no answer since ${clock(answered / 1000)} (${duration(silent / 1000)})`;
    found = ["stale", trouble ? `${since}: ${trouble}` : since];
  }
  if (byId("state").textContent !== found[1]) byId("state").textContent = found[1];
  document.body.dataset.state = found[0];
}

// ---- asking
async function get(path) {
  const reply = await fetch(path, {cache: "no-store", signal: AbortSignal.timeout(PATIENCE)});
  const text = await reply.text();
  if (reply.ok || text.startsWith("{")) return text;
  throw new Error(`${reply.status}, ${text.trim()}`);
}
const told = async (path, show) => {
  let found;
  try {
    found = JSON.parse(await get(path));
  } catch (error) {
    found = {refused: reason(error)};
  }
  show(found);
};
function reason(error) {
  if (error.name === "TimeoutError") return `nothing came for ${PATIENCE / 1000} s`;
  return error instanceof TypeError ? "the port cannot be reached" : error.message;
}
async function ask() {
  const m = parse(await get("metrics"));
  const reading = {at: Date.now() / 1000, m};
  if (one(reading, "redis_up") !== 1) throw new Error("the main thread is busy: a slow command or script");
  take(reading);
  answered = Date.now();
  trouble = "";
  who();
  notice();
  if (held) return;
  tiles();
  draw();
  topology();
  if (before) commands();
  await Promise.all([told("slowlog.json", slow), told("keys.json", notable)]);
  document.body.dataset.readings = Number(document.body.dataset.readings || 0) + 1;
}
async function again() {
  try {
    await ask();
  } catch (error) {
    trouble = reason(error);
  }
  state();
  setTimeout(again, PERIOD);
}

// ---- people
function pause() {
  held = held ? null : points.slice();
  byId("pause").textContent = held ? "go on" : "pause";
  byId("pause").setAttribute("aria-pressed", String(held !== null));
  draw();
  state();
}
byId("pause").addEventListener("click", pause);
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || ["BUTTON", "SELECT"].includes(event.target.tagName)) return;
  event.preventDefault();
  pause();
});
document.addEventListener("pointerdown", (event) => { if (!event.target.closest("svg")) point(null); });
byId("span").append(...[...new Set([PERIOD, ...PERIODS])].sort((a, b) => a - b).map((each) =>
  element("option", {value: each, ...(each === PERIOD ? {selected: ""} : {})},
    `${duration(KEPT * each / 1000)}, every ${each / 1000} s`)));
byId("span").addEventListener("change", (event) => { location.hash = event.target.value; });
addEventListener("hashchange", () => location.reload());
new ResizeObserver(draw).observe(byId("cards"));
setInterval(state, 500);
again();
