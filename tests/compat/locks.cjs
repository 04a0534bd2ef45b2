// Scripts of Node programs against a server: node locks.cjs PORT [SCENARIO...]. ioredis's defineCommand, redlock, redis-semaphore,
// rate-limiter-flexible. "ok NAME" for each; a package that is not there is left out.
const assert = require("node:assert/strict");
const { setTimeout: pause } = require("node:timers/promises");
const { Redis } = require("ioredis");

const connection = { host: "127.0.0.1", port: Number(process.argv[2]) };
const redis = new Redis(connection);
const range = (n) => Array.from({ length: n }, (_, i) => i);
function optional(name) {
  try { return require(name); } catch (error) { if (error.code === "MODULE_NOT_FOUND") return null; throw error; }
}

const scenarios = {
  async define_command() {
    redis.defineCommand("double", { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], ARGV[1] * 2)" });
    redis.defineCommand("echoes", { lua: "return {KEYS, ARGV}" });
    redis.defineCommand("peek", { numberOfKeys: 1, readOnly: true, lua: "return redis.call('GET', KEYS[1])" });
    assert.deepEqual(await Promise.all(range(100).map(() => redis.double("n", 1))), range(100).map((n) => 2 * n + 2));
    assert.deepEqual(await redis.echoes(2, "a", "b", "c"), [["a", "b"], ["c"]]);
    assert.equal(await redis.peek("n"), "200");
    assert.deepEqual(await redis.echoesBuffer(1, Buffer.from([0, 255]), "x"), [[Buffer.from([0, 255])], [Buffer.from("x")]]);
    await redis.script("FLUSH");                              // NOSCRIPT: ioredis sends the text
    assert.equal(await redis.double("n", 1), 202);
    await redis.script("FLUSH");
    assert.deepEqual(await redis.pipeline().double("n", 1).set("x", 1).peek("n").exec(), [[null, 204], [null, "OK"], [null, "204"]]);
    await redis.script("FLUSH");
    const refused = await redis.multi().double("n", 1).peek("n").exec();     // in a transaction it cannot
    assert.ok(refused.every(([error]) => /NOSCRIPT/.test(error.message)));
  },

  async redlock() {
    const module = optional("redlock");
    if (!module) return "left out:";
    const Redlock = module.default ?? module;
    const others = range(2).map((db) => new Redis({ ...connection, db: db + 1 }));    // stand for other servers
    const clients = [redis, ...others];
    const lock = new Redlock(clients, { retryCount: 200, retryDelay: 10, retryJitter: 5 });
    const acquire = (name, ttl) => (lock.acquire ? lock.acquire([name], ttl) : lock.lock(name, ttl));
    const impatient = new Redlock(clients, { retryCount: 0 });
    const held = await acquire("resource", 5000);
    await assert.rejects(impatient.acquire ? impatient.acquire(["resource"], 100) : impatient.lock("resource", 100));
    const longer = (await held.extend(5000)) ?? held;
    await (longer.release ?? longer.unlock).call(longer);
    assert.equal(await redis.exists("resource"), 0);
    let inside = 0, most = 0, done = 0;
    await Promise.all(range(30).map(async () => {
      const mine = await acquire("busy", 5000);
      most = Math.max(most, ++inside);
      await pause(1);
      inside--;
      done++;
      await (mine.release ?? mine.unlock).call(mine);
    }));
    assert.deepEqual([most, done], [1, 30]);
    others.forEach((other) => other.disconnect());
  },

  async redis_semaphore() {
    const module = optional("redis-semaphore");
    if (!module) return "left out:";
    const { Mutex, Semaphore, MultiSemaphore, RedlockMutex, TimeoutError } = module;
    let inside = 0, most = 0;
    const through = async (lock) => {
      await lock.acquire();
      most = Math.max(most, ++inside);
      await pause(2);
      inside--;
      await lock.release();
    };
    const options = { lockTimeout: 5000, acquireTimeout: 15000, retryInterval: 2, refreshInterval: 0 };
    for (const [make, wanted] of [
      [() => new Mutex(redis, "m", options), 1],
      [() => new Semaphore(redis, "s", 5, options), 5],
      [() => new MultiSemaphore(redis, "w", 6, 3, options), 2],
      [() => new RedlockMutex([redis], "r", options), 1],
    ]) {
      most = 0;
      await Promise.all(range(20).map(() => through(make())));
      assert.ok(most <= wanted, `${most} at a time`);
    }
    const held = new Mutex(redis, "held", { ...options, lockTimeout: 300, refreshInterval: 50 });
    await held.acquire();
    await pause(500);                                         // refreshed meanwhile
    await assert.rejects(new Mutex(redis, "held", { ...options, acquireTimeout: 50 }).acquire(), TimeoutError);
    await held.release();
    assert.equal(await redis.keys("mutex:*").then((keys) => keys.length), 0);
  },

  async rate_limiter_flexible() {
    const module = optional("rate-limiter-flexible");
    if (!module) return "left out:";
    const { RateLimiterRedis, BurstyRateLimiter, RLWrapperBlackAndWhite } = module;
    const limiter = new RateLimiterRedis({ storeClient: redis, keyPrefix: "rl", points: 5, duration: 60 });
    const results = await Promise.allSettled(range(12).map(() => limiter.consume("who")));
    assert.equal(results.filter((result) => result.status === "fulfilled").length, 5);
    const refused = results.find((result) => result.status === "rejected").reason;
    assert.ok(refused.remainingPoints === 0 && refused.msBeforeNext > 0 && refused.msBeforeNext <= 60000);
    assert.equal((await limiter.get("who")).consumedPoints, 12);
    await limiter.penalty("who", 2);
    await limiter.reward("who", 1);
    assert.equal((await limiter.get("who")).consumedPoints, 13);
    await limiter.block("who", 10);
    await assert.rejects(limiter.consume("who"), (error) => error.msBeforeNext > 5000);
    assert.equal(await limiter.delete("who"), true);
    await limiter.consume("who");
    const short = new RateLimiterRedis({ storeClient: redis, keyPrefix: "short", points: 1, duration: 1 });
    const bursty = new BurstyRateLimiter(short, new RateLimiterRedis({ storeClient: redis, keyPrefix: "burst", points: 2, duration: 5 }));
    const burst = await Promise.allSettled(range(6).map(() => bursty.consume("b")));
    assert.equal(burst.filter((result) => result.status === "fulfilled").length, 3);
    const listed = new RLWrapperBlackAndWhite({ limiter, blackList: ["bad"], whiteList: ["good"] });
    await assert.rejects(listed.consume("bad"));
    await listed.consume("good");
  },
};

async function main() {
  await redis.flushall();
  for (const name of process.argv.length > 3 ? process.argv.slice(3) : Object.keys(scenarios)) {
    const result = await scenarios[name]().catch((error) => { console.error(`${name}:`, error); process.exit(1); });
    console.log(`${result ?? "ok"} ${name}`);
  }
}
process.on("unhandledRejection", (error) => { console.error(error); process.exit(1); });
main().then(() => process.exit(0));
