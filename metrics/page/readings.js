// What /metrics says, and what follows from two readings of it. Nothing in here knows of the page.
//
//     const reading = {at: 1712345678.9, m: parse(text)};            // at: unix seconds
//     one(reading, "redis_up");  rate("redis_commands_processed_total")(earlier, reading);

const SAMPLE = /^(\w+)(?:\{(.*)\})? (\S+)$/, LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const plain = (text) => text.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));

/** The text format as Map(name -> [{labels, value}]). */
export function parse(text) {
  const m = new Map();
  for (const line of text.split("\n")) {
    const found = SAMPLE.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] || "").matchAll(LABEL)) labels[name] = plain(value);
    if (!m.has(found[1])) m.set(found[1], []);
    m.get(found[1]).push({labels, value: found[3] === "+Inf" ? Infinity : Number(found[3])});
  }
  return m;
}

/** All samples of a name; those of them whose labels agree with these where both have one; its only value, NaN without one; its values summed up by a label. */
export const all = (reading, name) => reading.m.get(name) || [];
export const one = (reading, name) => { const [first] = all(reading, name); return first ? first.value : NaN; };
export const matching = (reading, name, labels) => all(reading, name).filter((sample) =>
  Object.entries(sample.labels).every(([label, value]) => labels[label] === undefined || labels[label] === value));
export function total(reading, name, label) {
  const sums = new Map();
  for (const {labels, value} of all(reading, name)) sums.set(labels[label], (sums.get(labels[label]) || 0) + value);
  return sums;
}

// ---- of two readings, a before b
/** Growth per second. What got smaller was reset. */
export const rate = (name) => (a, b) => Math.max(0, (one(b, name) - one(a, name)) / (b.at - a.at));
export const last = (name) => (a, b) => one(b, name);

/** By a label, how much each sum grew. */
export function grown(a, b, name, label) {
  const before = total(a, name, label);
  return new Map([...total(b, name, label)].map(([key, value]) => [key, value - (before.get(key) || 0)]));
}

/** A percentile (q from 0 to 1) of what a histogram counted in between, in its unit times `unit`; NaN of nothing. */
export function percentile(q, name, unit = 1) {
  return (a, b) => {
    const buckets = [...grown(a, b, name, "le")]
      .map(([le, count]) => [le === "+Inf" ? Infinity : Number(le), count]).sort((x, y) => x[0] - y[0]);
    const wanted = buckets.length ? q * buckets.at(-1)[1] : 0;
    if (!(wanted > 0)) return NaN;
    let low = 0, under = 0;
    for (const [bound, count] of buckets) {
      if (count >= wanted) {
        const within = count > under ? (wanted - under) / (count - under) : 1;
        return unit * (bound === Infinity ? low : low + (bound - low) * within);
      }
      low = bound;
      under = count;
    }
    return unit * low;
  };
}
export const percentiles = (name, unit) =>
  [["p50", .5], ["p99", .99], ["p99.9", .999]].map(([title, q]) => [title, percentile(q, name, unit)]);

export const threads = (reading) => all(reading, "remus_io_thread_busy_seconds_total").map((s) => s.labels.thread);

/** The share of its time that a thread did not wait, in percent. */
export const busy = (thread) => (a, b) => {
  const worked = grown(a, b, "remus_io_thread_busy_seconds_total", "thread").get(thread);
  const idle = grown(a, b, "remus_io_thread_idle_seconds_total", "thread").get(thread);
  return worked + idle > 0 ? 100 * worked / (worked + idle) : 0;         // neither: it slept all the time
};

/** Messages that the main thread found each time that it found some, in the mean. */
export const queue = (thread) => (a, b) => {
  const looks = grown(a, b, "remus_io_thread_queue_looks_total", "thread").get(thread);
  return looks > 0 ? grown(a, b, "remus_io_thread_queue_messages_total", "thread").get(thread) / looks : 0;
};

/** Of the reads, those that found their key, in percent. */
export function hit_ratio(a, b) {
  const hits = rate("redis_keyspace_hits_total")(a, b), misses = rate("redis_keyspace_misses_total")(a, b);
  return hits + misses > 0 ? 100 * hits / (hits + misses) : NaN;
}

// ---- figures as people read them: three digits; `round` leaves out zeros at the end, for the values beside an axis
const digits = (value, most, round) => {
  if (value >= 10 ** (most - 1) || value === 0) return value.toFixed(0);
  return round || Number.isInteger(value) ? String(Number(value.toPrecision(most))) : value.toPrecision(most);
};
const scaled = (units, step, factor = 1) => (value, round = false) => {
  if (!isFinite(value)) return "–";
  let at = 0;
  value *= factor;
  while (Math.abs(value) >= step && at < units.length - 1) { value /= step; at++; }
  return digits(value, 3, round) + units[at];
};
export const count = scaled(["", "k", "M", "G"], 1000);
export const bytes = scaled([" B", " KiB", " MiB", " GiB", " TiB"], 1024);
export const micros = scaled([" ns", " µs", " ms", " s"], 1000, 1000);
export function percent(value, round = false) {
  if (!isFinite(value)) return "–";
  return value > 0 && value < .01 ? "< 0.01 %" : `${digits(value, 2, round)} %`;
}

/** Seconds as `8 s`, `3 min`, `2 h 5 min`, `4 d 7 h`. */
export function duration(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0 s";
  const [[name, size], next] = units.slice(first, first + 2);
  const rest = next && first < 2 ? Math.floor(seconds % size / next[1]) : 0;
  return `${Math.floor(seconds / size)} ${name}` + (rest ? ` ${rest} ${next[0]}` : "");
}
const CLOCK = {hour: "2-digit", minute: "2-digit", hourCycle: "h23"};
export const clock = (at, seconds = true) =>
  new Date(at * 1000).toLocaleTimeString([], seconds ? {...CLOCK, second: "2-digit"} : CLOCK);
