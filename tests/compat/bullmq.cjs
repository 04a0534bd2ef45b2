// BullMQ against a server: node bullmq.cjs PORT [SCENARIO...], where require("bullmq") finds it. "ok NAME" for each scenario;
// ends with 0 when all are well.
const assert = require("node:assert/strict");
const { setTimeout: pause } = require("node:timers/promises");
const { Redis } = require("ioredis");
const { Queue, Worker, QueueEvents, FlowProducer, UnrecoverableError, WaitingChildrenError } = require("bullmq");

const connection = { host: "127.0.0.1", port: Number(process.argv[2]), maxRetriesPerRequest: null };
const open = [];
let client;                            // ioredis, to look at keys

function kept(thing) {
  thing.on("error", (error) => { if (!/closed|ECONN/.test(error.message)) { console.error(error); process.exit(1); } });
  open.push(thing);
  return thing;
}
const queue = (name, options = {}) => kept(new Queue(name, { connection, ...options }));
const worker = (name, work, options = {}) => kept(new Worker(name, work, { connection, drainDelay: 1, ...options }));
async function events(name) {
  const listener = kept(new QueueEvents(name, { connection, lastEventId: "0-0" }));
  await listener.waitUntilReady();
  return listener;
}
async function until(condition, what, seconds = 20) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what} did not come true`);
    await pause(10);
  }
}
async function hasCounts(q, counts, seconds) {
  let now;
  await until(async () => {
    now = await q.getJobCounts(...Object.keys(counts));
    return Object.entries(counts).every(([state, number]) => now[state] === number);
  }, "counts", seconds).catch(() => assert.deepEqual(now, counts));
}
const range = (n) => Array.from({ length: n }, (_, i) => i);

const scenarios = {
  async add_and_results() {
    const q = queue("plain"), heard = await events("plain");
    worker("plain", async (job) => { await job.updateProgress(50); await job.log("half"); return job.data.n * 2; });
    const jobs = await Promise.all(range(20).map((n) => q.add("double", { n })));
    const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(heard, 10000)));
    assert.deepEqual(results, range(20).map((n) => 2 * n));
    const job = await q.getJob(jobs[3].id);
    assert.deepEqual([job.progress, job.returnvalue, await job.getState()], [50, 6, "completed"]);
    assert.deepEqual((await q.getJobLogs(job.id)).logs, ["half"]);
    assert.equal((await q.add("double", { n: 1 }, { jobId: "same" })).id, "same");
    await q.add("double", { n: 2 }, { jobId: "same" });
    await hasCounts(q, { completed: 21 });
  },

  async bulk_with_concurrency_loses_none() {
    const q = queue("bulk"), count = 5000, seen = new Map();
    for (let from = 0; from < count; from += 500) {
      await q.addBulk(range(500).map((i) => ({ name: "n", data: { n: from + i } })));
    }
    assert.equal(await q.getWaitingCount(), count);
    for (const _ of range(2)) {
      worker("bulk", async (job) => { seen.set(job.data.n, (seen.get(job.data.n) ?? 0) + 1); }, { concurrency: 50 });
    }
    await hasCounts(q, { completed: count, wait: 0, active: 0, failed: 0 }, 90);
    assert.equal(seen.size, count);
    assert.ok([...seen.values()].every((times) => times === 1), "each job once");
  },

  async delayed() {
    const q = queue("delayed"), order = [];
    const added = Date.now();
    await q.add("late", {}, { delay: 400 });
    await q.add("soon", {}, { delay: 150 });
    assert.equal(await q.getDelayedCount(), 2);
    const changed = await q.add("moved", {}, { delay: 100000 });
    await changed.changeDelay(300);
    const promoted = await q.add("promoted", {}, { delay: 100000 });
    await promoted.promote();
    worker("delayed", async (job) => { order.push([job.name, Date.now() - added]); });
    await until(() => order.length === 4, "all ran");
    assert.deepEqual(order.map(([name]) => name), ["promoted", "soon", "moved", "late"]);
    assert.ok(order[1][1] >= 150 && order[3][1] >= 400, "none too early");
  },

  async priorities() {
    const q = queue("priorities"), order = [];
    for (const priority of [5, 1, 3, 2, 4, 1]) await q.add("p", { priority }, { priority });
    await q.add("p", { priority: 0 });
    await q.add("p", { priority: -1 }, { lifo: true });
    assert.deepEqual(await q.getCountsPerPriority([0, 1, 2]), { 0: 2, 1: 2, 2: 1 });
    const raised = await q.add("p", { priority: 9 }, { priority: 9 });
    await raised.changePriority({ priority: 2 });
    worker("priorities", async (job) => { order.push(job.data.priority); });
    await until(() => order.length === 9, "all ran");
    assert.deepEqual(order, [-1, 0, 1, 1, 2, 9, 3, 4, 5]);
  },

  async retries_with_backoff() {
    const q = queue("retries"), at = [];
    worker("retries", async (job) => {
      at.push(Date.now());
      if (job.name === "hopeless") throw new UnrecoverableError("no");
      if (job.attemptsMade < 3) throw new Error(`attempt ${job.attemptsMade}`);
      return "at last";
    });
    const heard = await events("retries");
    const job = await q.add("r", {}, { attempts: 5, backoff: { type: "exponential", delay: 50 } });
    assert.equal(await job.waitUntilFinished(heard, 10000), "at last");
    assert.equal(at.length, 4);
    assert.ok(at[1] - at[0] >= 50 && at[2] - at[1] >= 100 && at[3] - at[2] >= 200, "each wait twice as long");
    const failing = await q.add("f", {}, { attempts: 2, backoff: { type: "fixed", delay: 10 } });
    await assert.rejects(failing.waitUntilFinished(heard, 10000), /attempt 1/);
    const failed = await q.getJob(failing.id);
    assert.deepEqual([failed.attemptsMade, failed.failedReason, failed.stacktrace.length], [2, "attempt 1", 2]);
    const hopeless = await q.add("hopeless", {}, { attempts: 5 });
    await assert.rejects(hopeless.waitUntilFinished(heard, 10000), /no/);
    assert.equal((await q.getJob(hopeless.id)).attemptsMade, 1);
    await failed.retry();
    await hasCounts(q, { completed: 1, failed: 2, active: 0, wait: 0, delayed: 0 });
    await q.retryJobs({ state: "failed" });
    await hasCounts(q, { completed: 2, failed: 1, active: 0, wait: 0, delayed: 0 });
  },

  async repeated_by_schedulers() {
    const q = queue("schedulers"), ran = [];
    worker("schedulers", async (job) => { ran.push([job.name, Date.now()]); });
    await q.upsertJobScheduler("often", { every: 100 }, { name: "tick", data: { a: 1 } });
    await q.upsertJobScheduler("daily", { pattern: "0 3 * * *", tz: "Europe/Berlin" }, { name: "night" });
    await q.upsertJobScheduler("limited", { every: 50, limit: 2 }, { name: "twice" });
    await until(() => ran.filter(([name]) => name === "tick").length >= 5, "five ticks");
    const all = await q.getJobSchedulers();
    assert.ok(all.length >= 2 && all.some((s) => s.key === "daily" && s.pattern === "0 3 * * *"));
    assert.equal((await q.getJobScheduler("often")).every, 100);
    assert.equal(await q.removeJobScheduler("often"), true);
    assert.equal(await q.removeJobScheduler("often"), false);
    const ticks = ran.filter(([name]) => name === "tick").length;
    await pause(300);
    assert.ok(ran.filter(([name]) => name === "tick").length <= ticks + 1, "no more of them");
    assert.ok(ran.filter(([name]) => name === "twice").length <= 2);
    if (q.getRepeatableJobs) {
      await q.add("old", {}, { repeat: { every: 100 } });
      await until(() => ran.some(([name]) => name === "old"), "a repeatable job ran");
    }
  },

  async flows() {
    const producer = kept(new FlowProducer({ connection })), q = queue("parents");
    let sum = 0;
    worker("children", async (job) => job.data.n, { concurrency: 10 });
    worker("parents", async (job) => {
      const values = Object.values(await job.getChildrenValues());
      return (sum = values.reduce((a, b) => a + b, 0));
    });
    const heard = await events("parents");
    const flow = await producer.add({
      name: "sum", queueName: "parents",
      children: range(20).map((n) => ({ name: "n", queueName: "children", data: { n },
        children: n % 5 ? [] : [{ name: "grandchild", queueName: "children", data: { n: 1 } }] })),
    });
    assert.equal(await flow.job.waitUntilFinished(heard, 10000), 190);
    assert.equal(sum, 190);
    const tree = await producer.getFlow({ id: flow.job.id, queueName: "parents" });
    assert.equal(tree.children.length, 20);
    assert.equal((await flow.job.getDependenciesCount()).processed, 20);
    const failing = await producer.add({
      name: "fails", queueName: "parents",
      children: [{ name: "bad", queueName: "bad", opts: { failParentOnFailure: true } }],
    });
    worker("bad", async () => { throw new Error("bad child"); });
    await assert.rejects(failing.job.waitUntilFinished(heard, 10000), /failed/);
    const trees = await producer.addBulk(range(5).map((n) => ({
      name: "sum", queueName: "parents", children: [{ name: "n", queueName: "children", data: { n } }] })));
    await Promise.all(trees.map((tree) => tree.job.waitUntilFinished(heard, 10000)));
    const children = queue("children");
    const removed = await producer.add({ name: "sum", queueName: "later", children: [{ name: "n", queueName: "never" }] });
    await removed.job.remove();
    assert.equal(await queue("never").count(), 0);
    assert.ok(await children.getCompletedCount() >= 29);
    assert.equal(await q.getWaitingChildrenCount(), 0);
  },

  async children_added_while_working() {
    const q = queue("steps"), heard = await events("steps"), children = queue("step-children");
    worker("step-children", async () => "child");
    worker("steps", async (job, token) => {
      if (job.data.step) return Object.values(await job.getChildrenValues());
      await job.updateData({ step: 1 });
      await children.add("c", {}, { parent: { id: job.id, queue: job.queueQualifiedName } });
      if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError();
      return Object.values(await job.getChildrenValues());
    });
    const job = await q.add("s", {});
    assert.deepEqual(await job.waitUntilFinished(heard, 10000), ["child"]);
  },

  async rate_limited() {
    const q = queue("limited"), at = [];
    await q.addBulk(range(12).map(() => ({ name: "n", data: {} })));
    worker("limited", async () => { at.push(Date.now()); }, { limiter: { max: 4, duration: 300 }, concurrency: 10 });
    await until(() => at.length === 12, "all ran");
    assert.ok(at[11] - at[0] >= 350, `three periods for three times four: ${at[11] - at[0]}`);
    await hasCounts(q, { completed: 12 });
    await q.rateLimit(1000);
    assert.ok((await q.getRateLimitTtl()) > 0);
    await q.removeRateLimitKey();
  },

  async paused_and_resumed() {
    const q = queue("paused"), heard = await events("paused"), ran = [];
    const happened = [];
    heard.on("paused", () => happened.push("paused"));
    heard.on("resumed", () => happened.push("resumed"));
    const w = worker("paused", async (job) => { ran.push(job.data.n); });
    await w.waitUntilReady();
    await q.pause();
    assert.equal(await q.isPaused(), true);
    await q.addBulk(range(10).map((n) => ({ name: "n", data: { n } })));
    await pause(100);
    assert.deepEqual(ran, []);
    await q.resume();
    await until(() => ran.length === 10, "all ran");
    await w.pause();
    await q.add("n", { n: 10 });
    await pause(100);
    assert.equal(ran.length, 10);
    w.resume();
    await until(() => ran.length === 11, "the last ran");
    await until(() => happened.length === 2, "events");
    assert.deepEqual(happened, ["paused", "resumed"]);
  },

  async events_and_their_trimming() {
    const q = queue("events"), heard = await events("events"), seen = {};
    for (const name of ["added", "waiting", "active", "completed", "failed", "progress", "drained", "removed", "cleaned"]) {
      heard.on(name, (event) => (seen[name] ??= []).push(event.jobId));
    }
    worker("events", async (job) => { await job.updateProgress({ part: 1 }); if (job.data.bad) throw new Error("bad"); });
    await q.addBulk(range(100).map((n) => ({ name: "n", data: { bad: n % 10 === 0 } })));
    await until(() => seen.completed?.length === 90 && seen.failed?.length === 10 && seen.drained, "events of all jobs");
    assert.equal(seen.added.length, 100);
    assert.equal(seen.progress.length, 100);
    assert.ok(await client.xlen("bull:events:events") >= 400);
    await q.trimEvents(10);
    assert.ok(await client.xlen("bull:events:events") <= 110, "whole nodes of a stream go");
    const short = queue("short", { streams: { events: { maxLen: 50 } } });
    await short.waitUntilReady();
    await short.addBulk(range(1000).map((n) => ({ name: "n", data: { n } })));
    assert.ok(await client.xlen("bull:short:events") <= 200, "trimmed about maxLen");
  },

  async counts_ranges_and_removal() {
    const q = queue("counts");
    await q.addBulk(range(30).map((n) => ({ name: "n", data: { n }, opts: { delay: n < 10 ? 100000 : 0, priority: n > 25 ? 3 : 0 } })));
    const counts = await q.getJobCounts();
    assert.deepEqual([counts.waiting ?? counts.wait, counts.delayed, counts.prioritized], [16, 10, 4]);
    assert.equal(await q.count(), 30);
    assert.deepEqual((await q.getWaiting(0, 2)).map((job) => job.data.n), [10, 11, 12]);
    assert.equal((await q.getJobs(["delayed", "waiting"], 0, -1, true)).length, 26);
    await (await q.getWaiting(0, 0))[0].remove();
    await q.drain();
    assert.deepEqual([await q.getWaitingCount(), await q.getDelayedCount()], [0, 10]);
    await q.drain(true);
    assert.equal(await q.count(), 0);
    const w = worker("counts", async () => {}, { removeOnComplete: { count: 5 } });
    await q.addBulk(range(40).map(() => ({ name: "n", data: {} })));
    await hasCounts(q, { completed: 5, wait: 0, active: 0 });
    assert.equal((await q.clean(0, 100, "completed")).length, 5);
    await w.close();
    await q.addBulk(range(500).map(() => ({ name: "n", data: {} })));
    await q.obliterate({ force: true });
    assert.deepEqual(await client.keys("bull:counts:*"), []);
  },

  async stalled_jobs_are_recovered() {
    const q = queue("stalled"), ran = [];
    const stuck = worker("stalled", async () => { ran.push("stuck"); await new Promise(() => {}); },
      { lockDuration: 300, lockRenewTime: 100000, stalledInterval: 100000, skipStalledCheck: true });
    const job = await q.add("s", {});
    await until(() => ran.length === 1, "taken");
    const heard = await events("stalled"), stalls = [];
    heard.on("stalled", ({ jobId }) => stalls.push(jobId));
    worker("stalled", async () => { ran.push("rescued"); return "ok"; }, { stalledInterval: 200, lockDuration: 300 });
    assert.equal(await job.waitUntilFinished(heard, 15000), "ok");
    assert.deepEqual([ran, stalls], [["stuck", "rescued"], [job.id]]);
    await stuck.close(true);
  },

  async deduplication_and_locks() {
    const q = queue("dedup");
    const first = await q.add("d", {}, { deduplication: { id: "one", ttl: 60000 } });
    const second = await q.add("d", {}, { deduplication: { id: "one", ttl: 60000 } });
    assert.equal(second.id, first.id);
    assert.equal(await q.count(), 1);
    const w = kept(new Worker("dedup", null, { connection }));
    const job = await w.getNextJob("token");
    assert.equal(job.id, first.id);
    assert.ok(await job.extendLock("token", 5000));
    await assert.rejects(job.moveToCompleted("x", "another token", false), /[Ll]ock/);
    await job.moveToDelayed(Date.now() + 50, "token");
    await hasCounts(q, { delayed: 1 });
    const again = await until(async () => w.getNextJob("token", { block: false }).catch(() => null), "due again");
    await again.moveToCompleted("done", "token", false);
    assert.equal(await again.getState(), "completed");
    assert.equal((await q.getMetrics("completed")).count, 0);
  },

  async many_queues_with_large_data() {
    const data = { text: "x".repeat(300000), list: range(2000), odd: "\u0000\u00e9\ud83d\ude00" };
    await Promise.all(range(10).map(async (n) => {
      const q = queue(`many${n}`), heard = await events(`many${n}`);
      worker(`many${n}`, async (job) => job.data);
      const jobs = await q.addBulk(range(5).map(() => ({ name: "n", data })));
      for (const job of jobs) assert.deepEqual(await job.waitUntilFinished(heard, 20000), data);
    }));
  },
};

async function main() {
  require("node:events").defaultMaxListeners = 100;
  client = new Redis(connection);
  await client.flushall();
  for (const name of process.argv.length > 3 ? process.argv.slice(3) : Object.keys(scenarios)) {
    await scenarios[name]().catch((error) => { console.error(`${name}:`, error); process.exit(1); });
    await Promise.all(open.splice(0).reverse().map((thing) => thing.close()));
    console.log(`ok ${name}`);
  }
}
process.on("unhandledRejection", (error) => { console.error(error); process.exit(1); });
main().then(() => process.exit(0));
