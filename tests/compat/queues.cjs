// Bee-Queue and Bull (BullMQ's elder) against a server: node queues.cjs PORT [SCENARIO...]. A package that is not there is left out.
const assert = require("node:assert/strict");
const { setTimeout: pause } = require("node:timers/promises");

const connection = { host: "127.0.0.1", port: Number(process.argv[2]) };
const range = (n) => Array.from({ length: n }, (_, i) => i);
function optional(name) {
  try { return require(name); } catch (error) { if (error.code === "MODULE_NOT_FOUND") return null; throw error; }
}
async function until(condition, what, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what} did not come true`);
    await pause(10);
  }
}

const scenarios = {
  async bee_queue() {
    const Queue = optional("bee-queue");
    if (!Queue) return "left out:";
    const options = { redis: connection, activateDelayedJobs: true, stallInterval: 300, nearTermWindow: 1000 };
    const queue = new Queue("bee", options), results = new Map();
    queue.process(20, async (job) => {
      if (job.data.fails > 0) { const left = job.data.fails; job.data.fails--; throw new Error(`${left} left`); }
      job.reportProgress({ part: job.data.n });
      return job.data.n * 2;
    });
    const producer = new Queue("bee", { ...options, isWorker: false, getEvents: true });
    producer.on("job succeeded", (id, result) => results.set(id, result));
    await producer.ready();
    const jobs = await Promise.all(range(1000).map((n) => producer.createJob({ n }).save()));
    await until(() => results.size === 1000, "all succeeded");
    assert.ok(jobs.every((job) => results.get(job.id) === job.data.n * 2));
    const retried = await producer.createJob({ n: 1, fails: 2 }).retries(3).backoff("fixed", 20).save();
    await until(() => results.has(retried.id), "retried");
    const failing = await producer.createJob({ n: 1, fails: 9 }).save();
    await until(async () => (await producer.checkHealth()).failed === 1, "failed");
    await until(async () => (await producer.getJob(failing.id)).status === "failed", "failed");
    const at = Date.now();
    const late = await producer.createJob({ n: 7 }).delayUntil(at + 300).save();
    await until(() => results.has(late.id), "the delayed one");
    assert.ok(Date.now() - at >= 300);
    await producer.saveAll(range(50).map((n) => producer.createJob({ n })));
    await until(async () => (await producer.checkHealth()).succeeded >= 1052, "saved all");
    const stuck = new Queue("stalls", { ...options, stallInterval: 100 });
    stuck.process(async () => { await new Promise(() => {}); });
    await stuck.createJob({}).save();
    await until(async () => (await stuck.checkHealth()).active === 1, "taken");
    await stuck.close(1).catch(() => {});
    const rescue = new Queue("stalls", { ...options, stallInterval: 100 }), rescued = [];
    rescue.process(async (job) => { rescued.push(job.id); });
    await until(async () => { await rescue.checkStalledJobs(); return rescued.length === 1; }, "the stalled one");
    await producer.destroy();
  },

  async bull() {
    const Bull = optional("bull");
    if (!Bull) return "left out:";
    const queue = new Bull("bull", { redis: connection }), done = [];
    queue.process("n", 50, async (job) => { await job.progress(10); done.push(job.data.n); return job.data.n; });
    await queue.addBulk(range(2000).map((n) => ({ name: "n", data: { n } })));
    await until(() => done.length === 2000, "all ran", 60);
    assert.equal(new Set(done).size, 2000);
    const job = await queue.add("n", { n: 7 }, { delay: 200 });
    assert.equal(await job.finished(), 7);
    let attempts = 0;
    queue.process("retry", async () => { if (++attempts < 3) throw new Error("again"); });
    await (await queue.add("retry", {}, { attempts: 3, backoff: 20 })).finished();
    assert.equal(attempts, 3);
    const ticks = [];
    queue.process("tick", async () => { ticks.push(1); });
    await queue.add("tick", {}, { repeat: { every: 100 } });
    await until(() => ticks.length >= 4, "repeated");
    for (const { key } of await queue.getRepeatableJobs()) await queue.removeRepeatableByKey(key);
    const limited = new Bull("slow", { redis: connection, limiter: { max: 5, duration: 300 } }), at = [];
    limited.process(async () => { at.push(Date.now()); });
    await limited.addBulk(range(15).map(() => ({ data: {} })));
    await until(() => at.length === 15, "limited");
    assert.ok(at[14] - at[0] >= 350);
    await limited.pause();
    await limited.resume();
    await limited.obliterate({ force: true });
  },
};

async function main() {
  for (const name of process.argv.length > 3 ? process.argv.slice(3) : Object.keys(scenarios)) {
    const result = await scenarios[name]().catch((error) => { console.error(`${name}:`, error); process.exit(1); });
    console.log(`${result ?? "ok"} ${name}`);
  }
}
process.on("unhandledRejection", (error) => { console.error(error); process.exit(1); });
main().then(() => process.exit(0));
